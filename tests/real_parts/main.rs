//! Real parts in J-Jobs' place: Debian's Tomcat 10 on `OpenJDK` as manager and server, `PostgreSQL` as meta DB.
//!
//! What the simulator only plays happens here: Tomcat's own `startup.sh` backgrounds a JVM, its `shutdown.sh` asks it to stop with a
//! second one, JDBC logs in with what we have configured, and a heap can really be full. `tests/data/real` has the parts. A JVM's
//! start costs seconds of computing, so scenes share their containers.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed step is a failed test")]

mod by_hand;
mod crashes;
mod life;
mod stops;
mod support;
