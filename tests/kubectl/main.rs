//! `KUBE_CONTEXTS` seen from where it is used: the real kubectl, against a server that plays a cluster's API.
//!
//! Every scene boots the real binary as PID 1, then calls `kubectl --context=<alias>` as the agent's job plug-in does. What
//! counts is what the API server was asked: which path, with which token.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]
#![expect(clippy::print_stderr, reason = "what is skipped is said")]

mod api_server;
mod aws;
mod eks;
mod incluster;
mod kubeconfig;
mod raw;
mod refused;
mod scene;
