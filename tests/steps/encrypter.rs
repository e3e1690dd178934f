//! Asking `encrypter.sh`.

use crate::support::{in_loop, script, stop, surroundings};
use jjobs_init::{
    boot::encrypter::{DecryptError, Encrypter},
    contract::secret::Secret,
    exit::ExitCode,
};
use std::time::Duration;
use tempfile::tempdir;

/// What a script with this text decrypts `abc=` to.
fn decrypt(text: &str) -> Result<Secret, DecryptError> {
    let base = tempdir().unwrap();
    if !text.is_empty() {
        script(&base.path().join("encrypter.sh"), text);
    }
    in_loop(async |children| {
        let surroundings = surroundings();
        let encrypter = Encrypter {
            children: &children,
            surroundings: &surroundings,
            jjobs_base: base.path(),
            limit: Duration::from_millis(500),
        };
        encrypter.decrypt(&Secret::new("abc="), &mut stop().1).await
    })
}

#[test]
fn the_decrypted_text_is_what_it_prints_last_on_its_output() {
    let text =
        "#!/bin/sh\necho noise >&2\necho starting in $(pwd)\nprintf '%s-%s\\r\\n' \"$1\" \"$2\"\n";
    assert_eq!(decrypt(text).unwrap().expose(), "d-abc=");
}

#[test]
fn failures_are_configuration_failures_with_a_hint() {
    for text in ["", "#!/bin/sh\necho x; exit 1\n", "#!/bin/sh\n:\n", "#!/bin/sh\nsleep 100\n"] {
        let error = decrypt(text).unwrap_err();
        assert_eq!(error.exit_code(), ExitCode::ConfigureFailed, "{text:?}");
        assert!(text.is_empty() || error.hint().is_some(), "{text:?}");
    }
    assert!(matches!(decrypt("#!/bin/sh\nsleep 100\n"), Err(DecryptError::Overdue(_))));
}
