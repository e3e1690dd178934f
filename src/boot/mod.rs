//! The one-shot steps of a boot.

pub mod cancel;
pub mod configure;
pub mod download;
pub mod unpack;
