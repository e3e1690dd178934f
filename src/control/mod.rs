//! The control socket: how every other command of ours talks to PID 1.
//!
//! A client connects, writes one line of JSON ([`message::Question`]) and reads lines of JSON ([`message::Reply`]) until
//! the one that says [`message::Answer::Done`]. Both carry a version. The socket lies in the run folder, which is PID 1's
//! user's alone, and who connects must be that user or root.

pub mod client;
pub mod message;
pub mod report;
pub mod server;

/// The socket's name in the run folder.
pub const SOCKET: &str = "control.sock";
