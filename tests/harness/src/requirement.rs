//! What a test needs and a machine may not have: a container engine, a database, a Tomcat.

use std::os::unix::ffi::OsStrExt;

/// What was found; without it `None`, and a word about it on stderr, so that the test can skip itself.
///
/// `scripts/test` installs what can be installed, so a skip is for machines where it may not.
///
/// # Panics
/// With `JJOBS_REQUIRE_TOOLS` set, as in CI, where nothing was found: a test that can skip itself everywhere tests nothing.
#[must_use = "None means that nothing was tested"]
pub fn unless_missing<T, E: std::fmt::Display>(what: &str, found: Result<T, E>) -> Option<T> {
    match found {
        Ok(found) => Some(found),
        Err(reason) => {
            let required = std::env::var_os("JJOBS_REQUIRE_TOOLS")
                .is_some_and(|value| !matches!(value.as_bytes(), b"" | b"0"));
            assert!(!required, "{what} is required, and cannot be had: {reason}");
            eprintln!("skipped: {what} is not to be had here ({reason})");
            None
        }
    }
}
