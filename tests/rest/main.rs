//! The REST client against servers that behave in every way that servers and those in front of them do.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod calls;
mod failures;
mod schemes;
mod support;
mod tokens;
