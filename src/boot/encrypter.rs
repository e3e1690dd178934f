//! Asking the vendor's `encrypter.sh` for the clear text of an encrypted value.
//!
//! What it prints is known only as "the decrypted text" (contract.md §2), so its answer is read with care: the last line
//! that is not empty is taken, because a JVM may have written something before it, and a label such as `decrypted: ` is
//! removed. The answer is a secret: it is never printed, and the caller adds it to what is masked.

use super::{
    child::{self, Answer, Limit, Outcome, RunError},
    runnable::{self, NotRunnable},
    step::StopSignal,
};
use crate::{
    contract::secret::Secret,
    exit::ExitCode,
    process::{Children, OutputTo, ProcessEnd, Spawn, Surroundings},
};
use std::{path::Path, time::Duration};

/// It starts one short JVM.
pub const LIMIT: Duration = Duration::from_mins(1);
/// A login is short; more than this is not an answer.
const MAX_ANSWER: usize = 64 * 1024;

/// The vendor's `encrypter.sh`.
#[derive(Debug)]
pub struct Encrypter<'a> {
    /// Starts it.
    pub children: &'a Children,
    /// What it inherits.
    pub surroundings: &'a Surroundings,
    /// The installed tree.
    pub jjobs_base: &'a Path,
    /// How long it may take, normally [`LIMIT`].
    pub limit: Duration,
}

/// A value could not be decrypted.
#[derive(Debug, thiserror::Error)]
pub enum DecryptError {
    /// The script cannot be executed.
    #[error("cannot run encrypter.sh")]
    NotRunnable(#[from] NotRunnable),
    /// The operating system did not let it run.
    #[error("cannot run encrypter.sh")]
    Run(#[from] RunError),
    /// It failed.
    #[error("encrypter.sh failed: {0}")]
    Failed(ProcessEnd),
    /// It took too long.
    #[error("encrypter.sh did not end within {} s", .0.as_secs())]
    Overdue(Duration),
    /// It printed nothing.
    #[error("encrypter.sh printed no decrypted text")]
    NoAnswer,
    /// It printed something else than text.
    #[error("encrypter.sh printed something that is not UTF-8 text")]
    NotText,
    /// The boot was told to stop.
    #[error("stopped while decrypting")]
    Stopped,
}

impl DecryptError {
    /// The code to exit with.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        if matches!(self, Self::Stopped) { ExitCode::Done } else { ExitCode::ConfigureFailed }
    }

    /// What an operator can do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotRunnable(error) => error.hint(),
            Self::Stopped | Self::Run(_) => None,
            Self::Failed(_) | Self::Overdue(_) | Self::NoAnswer | Self::NotText => Some(
                "ENCRYPTED_DB_USER and ENCRYPTED_DB_PASSWD must be made by this version's encrypter.sh; \
                 try `encrypter.sh d <text>` in the container"
                    .to_owned(),
            ),
        }
    }
}

impl Encrypter<'_> {
    /// Decrypts `text`.
    ///
    /// # Errors
    /// When `encrypter.sh` cannot be run, fails or does not answer; or when the boot is to end.
    pub async fn decrypt(
        &self,
        text: &Secret,
        stop: &mut StopSignal,
    ) -> Result<Secret, DecryptError> {
        let script = self.jjobs_base.join("encrypter.sh");
        runnable::check(&script)?;
        let mut surroundings = self.surroundings.clone();
        // The vendor's scripts use paths relative to their own folder.
        surroundings.folder = Some(self.jjobs_base.to_owned());
        // The vendor's interface: the text is an argument.
        let mut spawn = Spawn::new(&script, surroundings).arg("d").arg(text.expose());
        spawn.output = OutputTo::PipeOutputOnly;
        let answer = Answer::up_to(MAX_ANSWER);
        let limit = Limit::Total(self.limit);
        match child::run((self.children, &spawn), &answer, limit, stop).await? {
            Outcome::Ended(end) if end.is_success() => {}
            Outcome::Ended(end) => return Err(DecryptError::Failed(end)),
            Outcome::Overdue => return Err(DecryptError::Overdue(self.limit)),
            Outcome::Stopped => return Err(DecryptError::Stopped),
        }
        let decrypted = decrypted(&answer.borrow().bytes)?;
        if decrypted == *text {
            tracing::warn!("encrypter.sh printed the encrypted text again");
        }
        Ok(decrypted)
    }
}

/// The decrypted text in what was printed.
fn decrypted(printed: &[u8]) -> Result<Secret, DecryptError> {
    let printed = std::str::from_utf8(printed).map_err(|_| DecryptError::NotText)?;
    let last = printed
        .split('\n')
        .map(|line| line.trim_end_matches('\r'))
        .rfind(|line| !line.trim().is_empty());
    let text = last.map(without_label).unwrap_or_default();
    if text.is_empty() { Err(DecryptError::NoAnswer) } else { Ok(Secret::new(text)) }
}

/// Removes a label such as `Decrypted text : `.
///
/// A password may itself hold colons and equal signs, so only a line that starts with a word for "decrypted" or "plain"
/// counts, with blanks after its separator (`decrypted: x`, `plain text = x`) and nothing but a few words before it.
fn without_label(line: &str) -> &str {
    let Some((at, separator)) = [": ", " = ", " -> ", " => "]
        .iter()
        .filter_map(|mark| Some((line.find(mark)?, mark)))
        .min()
    else {
        return line;
    };
    let (label, rest) = line.split_at(at);
    let label = label.trim().to_lowercase();
    let is_label = ["decrypt", "plain", "복호화"].iter().any(|word| label.starts_with(word))
        && label.split_whitespace().count() <= 4;
    if is_label { rest.strip_prefix(separator).unwrap_or(rest).trim_start() } else { line }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;

    #[test]
    fn the_last_line_that_is_not_empty_is_the_answer() {
        for (printed, wanted) in [
            ("secret", "secret"),
            ("secret\n", "secret"),
            ("secret\r\n\r\n", "secret"),
            ("Picked up JAVA_TOOL_OPTIONS: -Xmx1g\nsecret\n", "secret"),
            ("a: b=c ->d\n", "a: b=c ->d"),
            (" leading blank", " leading blank"),
            ("pass=word: 1\n", "pass=word: 1"),
            ("비밀번호\n", "비밀번호"),
        ] {
            assert_eq!(decrypted(printed.as_bytes()).unwrap().expose(), wanted, "{printed:?}");
        }
    }

    #[test]
    fn a_label_is_removed() {
        for printed in [
            "Decrypted: s3 cret",
            "decrypted text : s3 cret\r\n",
            "DECRYPTED = s3 cret",
            "plain text -> s3 cret",
            "복호화 결과: s3 cret",
        ] {
            assert_eq!(decrypted(printed.as_bytes()).unwrap().expose(), "s3 cret", "{printed:?}");
        }
    }

    #[test]
    fn no_answer_is_an_error() {
        assert!(matches!(decrypted(b""), Err(DecryptError::NoAnswer)));
        assert!(matches!(decrypted(b" \r\n\n"), Err(DecryptError::NoAnswer)));
        assert!(matches!(decrypted(b"\xff\xfe"), Err(DecryptError::NotText)));
    }
}
