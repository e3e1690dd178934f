#!/bin/sh
# Makes the folders, links and the account of the image. Run once, as root, while the image is built; it needs coreutils and
# nothing else. $1 is the folder with the image's own files.
set -eu

files="$1"
PROGRAM=/usr/local/bin/jjobs-init

# Root's, and writable for the group 0: the container may be told to run as any uid, which then has that group (as
# Docker, Kubernetes and OpenShift do it).
for folder in /engn001 /engn001/jjobs /engn001/jjobs/agent /data001 /data001/jjobs /logs001 /logs001/jjobs /install /working \
    /home/jjobs; do
    mkdir -p "$folder"
    chgrp 0 "$folder"
    chmod 0775 "$folder"
done
# Not /run/jjobs-init: PID 1 makes it, and takes it only where it is its own.

# The paths that manifests call. The name that the program is called by says what is wanted.
for path in /entrypoint.sh /pre-stop.sh /post-start.sh /working/liveness.sh /working/readiness.sh /working/agent-healthcheck.sh \
    /working/start-all.sh /working/stop-all.sh /engn001/jjobs/agent/healthcheck.sh; do
    ln -snf "$PROGRAM" "$path"
done

cp "$files/sample-shell.sh" /working/sample-shell.sh
chmod 0775 /working/sample-shell.sh

# Someone to be with `--user jjobs` or `--user 10001`: a uid with a home of its own, so that HOME is not `/`.
if ! grep -q '^[^:]*:[^:]*:10001:' /etc/passwd && ! grep -q '^jjobs:' /etc/passwd; then
    echo 'jjobs:x:10001:0:J-Jobs:/home/jjobs:/bin/sh' >>/etc/passwd
    # Without a line here too, PAM takes the account for a broken one, and `su jjobs` fails for root as well. No password fits `*`.
    if [ -e /etc/shadow ]; then echo 'jjobs:*::0:99999:7:::' >>/etc/shadow; fi
fi

# Login shells read the folder. Other interactive ones read Debian's /etc/bash.bashrc, or Red Hat's /etc/bashrc, which in
# turn reads the folder, if the user's own file says so.
mkdir -p /etc/profile.d
cp "$files/aliases.sh" /etc/profile.d/jjobs-aliases.sh
chmod 0644 /etc/profile.d/jjobs-aliases.sh
if [ -e /etc/bash.bashrc ]; then
    echo '. /etc/profile.d/jjobs-aliases.sh' >>/etc/bash.bashrc
elif [ -e /etc/bashrc ] && ! grep -qs /etc/bashrc /root/.bashrc; then
    echo 'if [ -f /etc/bashrc ]; then . /etc/bashrc; fi' >>/root/.bashrc
fi
