//! Every value to hide in what we print.

use super::files::secret_for_masking;
use crate::contract::{
    EnvVars,
    redact::{password_ranges, percent_decoded},
    secret::Secret,
    vars,
};
use std::{collections::BTreeSet, ffi::OsStr};

/// Shorter values stand in ordinary words, and hiding them would make a log unreadable without hiding much.
const SHORTEST: usize = 6;

/// Variables that hold a secret, and the ones that name a file with it.
const WHOLE: [(&str, &str); 4] = [
    ("DB_PASSWD", "DB_PASSWD_FILE"),
    ("ENCRYPTED_DB_USER", "ENCRYPTED_DB_USER_FILE"),
    ("ENCRYPTED_DB_PASSWD", "ENCRYPTED_DB_PASSWD_FILE"),
    ("API_PRIVATE_TOKEN", "API_PRIVATE_TOKEN_FILE"),
];

/// Secrets of programs that are called (the aws CLI for `KUBE_CONTEXTS`), which inherit them and may print them.
const OF_OTHERS: [&str; 2] = ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];

/// Variables in which a URL or its parameters may hold one. Proxies are read in both cases.
const PARTLY: [&str; 10] = [
    "JDBC_URL",
    "JDBC_PARAMETERS",
    "WGET_URL",
    "SSO_KEYCLOAK_ISSUER_URI",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "ALL_PROXY",
    "https_proxy",
    "http_proxy",
    "all_proxy",
];

/// The secrets in `env`, the longest first.
///
/// Looks at the environment itself and not at what was made of it: a value that is refused, overruled by a file or
/// not used in this container is secret all the same.
pub(super) fn secrets(env: &EnvVars) -> Vec<Secret> {
    let text =
        |name: &str| env.get(OsStr::new(name)).and_then(|value| value.to_str()).unwrap_or_default();
    let mut found = BTreeSet::new();
    for (name, file_name) in WHOLE {
        add(&mut found, text(name));
        if let Some(content) = secret_for_masking(text(file_name)) {
            add(&mut found, &content);
        }
    }
    for name in OF_OTHERS {
        add(&mut found, text(name));
    }
    for name in PARTLY {
        for range in password_ranges(text(name)) {
            add(&mut found, &text(name)[range]);
        }
    }
    add_header(&mut found, text("WGET_HEADER"));
    let mut secrets: Vec<String> = found.into_iter().collect();
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets.into_iter().map(Secret::new).collect()
}

/// `Authorization: Bearer abc`: the value, and what follows the scheme.
fn add_header(found: &mut BTreeSet<String>, header: &str) {
    let value = header.split_once(':').map_or(header, |(_, value)| value).trim();
    add(found, value);
    if let Some((_, credentials)) = value.split_once(' ') {
        add(found, credentials.trim());
    }
}

/// Adds `text`, without the space around it, and as it looks when percent-decoded.
fn add(found: &mut BTreeSet<String>, text: &str) {
    let decoded = percent_decoded(text);
    for text in [Some(text), Some(text.trim()), decoded.as_deref()].into_iter().flatten() {
        // A documented default is no secret, and hiding a word such as `postgres` everywhere would blind the log.
        let is_default = || vars::all().any(|variable| variable.default == text);
        if text.chars().count() >= SHORTEST && !is_default() {
            found.insert(text.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(vars: &[(&str, &str)]) -> Vec<String> {
        let env = vars.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        secrets(&env).iter().map(|secret| secret.expose().to_owned()).collect()
    }

    #[test]
    fn every_place_of_a_secret_is_known() {
        for (name, value, expected) in [
            ("DB_PASSWD", "hunter22", "hunter22"),
            ("ENCRYPTED_DB_USER", "c2NvdHQ=", "c2NvdHQ="),
            ("ENCRYPTED_DB_PASSWD", "dGlnZXI=", "dGlnZXI="),
            ("API_PRIVATE_TOKEN", "tok-123456\n", "tok-123456"),
            ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG", "wJalrXUtnFEMI/K7MDENG"),
            ("AWS_SESSION_TOKEN", "IQoJb3JpZ2luX2Vj", "IQoJb3JpZ2luX2Vj"),
            ("WGET_HEADER", "Authorization: Bearer abc.def", "abc.def"),
            ("WGET_HEADER", "X-Token: abc.def", "abc.def"),
            ("WGET_URL", "https://u:p%40ssword@h/x", "p@ssword"),
            ("WGET_URL", "https://u:p%40ssword@h/x", "p%40ssword"),
            ("WGET_URL", "https://h/x?X-Amz-Signature=0123abcd&y=1", "0123abcd"),
            ("JDBC_URL", "jdbc:postgresql://h/d?user=a&password=hunter22&b=c", "hunter22"),
            ("JDBC_URL", "jdbc:oracle:thin:scott/hunter22@//h/s", "hunter22"),
            ("JDBC_URL", "jdbc:oracle:thin:scott/\"hunt@er22\"@//h/s", "hunt@er22"),
            ("JDBC_URL", "jdbc:mysql://address=(host=h)(user=u)(password=hunter22)/d", "hunter22"),
            ("JDBC_URL", "jdbc:mysql://(host=h,password=hunter22,port=1)/d", "hunter22"),
            ("JDBC_URL", "jdbc:mysql://u1:hunter22@h1,u2:hunter33@h2/d", "hunter33"),
            ("JDBC_PARAMETERS", "?sslmode=require&sslpassword=hunter22", "hunter22"),
            ("HTTPS_PROXY", "http://u:hunter22@proxy:3128", "hunter22"),
            ("http_proxy", "http://u:hunter22@proxy:3128", "hunter22"),
        ] {
            let found = found(&[(name, value)]);
            assert!(found.iter().any(|secret| secret == expected), "{name}={value}: {found:?}");
        }
    }

    #[test]
    fn short_values_and_documented_words_are_not_masked() {
        assert!(found(&[("DB_PASSWD", "abc12")]).is_empty());
        assert!(found(&[("JDBC_URL", "jdbc:postgresql://u:postgres@h/d")]).is_empty());
        assert_eq!(found(&[("DB_PASSWD", "비밀번호입니다")]), ["비밀번호입니다"]);
    }

    #[test]
    fn the_longest_secret_comes_first() {
        let found = found(&[("DB_PASSWD", "hunter22"), ("API_PRIVATE_TOKEN", "hunter22-and-more")]);
        assert_eq!(found, ["hunter22-and-more", "hunter22"]);
    }
}
