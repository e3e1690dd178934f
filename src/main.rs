//! argv and environment in, exit code out; nothing else.

fn main() {}
