//! A stand-in for Amazon's command line: what it is called with is kept, and what it is for is done.

use jjobs_harness::{Ca, Container, ContainerBuilder};

/// Where Amazon's cluster is, in the container.
pub(crate) const PORT: u16 = 8443;
/// The token that it gives kubectl.
pub(crate) const TOKEN_FILE: &str = "/run/aws/token";

/// `update-kubeconfig` changes the kubeconfig as Amazon's does: cluster and user are called after the cluster's ARN, the user
/// is a program to ask for a token, and the context becomes the current one. The region is the option's or the variable's,
/// and without one it fails as Amazon's does. kubectl cannot be asked to write that file: Debian's crashes over such users.
pub(crate) const SCRIPT: &str = r#"#!/bin/sh
set -eu
case " $* " in
*" eks get-token "*)
    echo "$*" >>/run/aws/questions
    printf '{"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1beta1", "spec": {}, "status": {"token": "%s"}}\n' \
        "$(cat /run/aws/token)"
    exit
    ;;
esac
{
    printf '%s|' "$@"
    echo
} >>/run/aws/calls
[ "$1 $2" = "eks update-kubeconfig" ]
shift 2
region="${AWS_DEFAULT_REGION:-}" role=
while [ $# != 0 ]; do
    case "$1" in
    --name) name="$2" ;;
    --alias) alias="$2" ;;
    --region) region="$2" ;;
    --role-arn) role="$2" ;;
    *) echo "Unknown options: $1" >&2 && exit 252 ;;
    esac
    shift 2
done
if [ -z "$region" ]; then
    echo 'You must specify a region. You can also configure your region by running "aws configure".' >&2
    exit 253
fi
arn="arn:aws:eks:$region:111122223333:cluster/$name"

# Puts an item at the head of a list, indented as the others are.
put() {
    grep -q "^$1:" "$KUBECONFIG" || echo "$1:" >>"$KUBECONFIG"
    awk -v list="$1" -v item="$2" '
        function emit(pad) { gsub(/\n/, "\n" pad, item); print pad item; waits = 0 }
        waits { match($0, /^ */); emit($0 ~ /^ *- / ? substr($0, 1, RLENGTH) : "") }
        $0 ~ "^" list ":" { print list ":"; waits = 1; next }
        { print }
        END { if (waits) emit("") }' "$KUBECONFIG" >"$KUBECONFIG.new"
    mv "$KUBECONFIG.new" "$KUBECONFIG"
}
[ -s "$KUBECONFIG" ] || printf 'apiVersion: v1\nkind: Config\n' >"$KUBECONFIG"
if ! grep -qF "name: $alias" "$KUBECONFIG" && ! grep -qF "name: \"$alias\"" "$KUBECONFIG"; then
    put clusters "- name: '$arn'\n  cluster:\n    server: https://127.0.0.1:8443\n    certificate-authority-data: $(base64 -w 0 /run/aws/ca.crt)"
    put users "- name: '$arn'\n  user:\n    exec:\n      apiVersion: client.authentication.k8s.io/v1beta1\n      command: aws\n      args: [--region, '$region', eks, get-token, --cluster-name, '$name'${role:+, --role, '$role'}]"
    put contexts "- name: $alias\n  context: {cluster: '$arn', user: '$arn'}"
fi
sed -i '/^current-context:/d' "$KUBECONFIG"
echo "current-context: $alias" >>"$KUBECONFIG"
chmod 644 "$KUBECONFIG"
echo "Added new context $alias to $KUBECONFIG"
"#;

/// With the stand-in, which gives `token`.
pub(crate) fn with_aws(image: ContainerBuilder, ca: &Ca, token: &str) -> ContainerBuilder {
    with_script(image, SCRIPT)
        .file("/run/aws/ca.crt", &ca.pem, 0o644)
        .file(TOKEN_FILE, token, 0o600)
}

/// With another program in its place.
pub(crate) fn with_script(image: ContainerBuilder, script: &str) -> ContainerBuilder {
    image.file("/usr/local/bin/aws", script, 0o755)
}

/// How kubectl asked it for tokens.
pub(crate) fn questions(container: &Container) -> Vec<String> {
    container.read_text("/run/aws/questions").lines().map(str::to_owned).collect()
}

/// The command lines that changed the kubeconfig, a `|` after each word.
pub(crate) fn calls(container: &Container) -> Vec<String> {
    container.read_text("/run/aws/calls").lines().map(str::to_owned).collect()
}
