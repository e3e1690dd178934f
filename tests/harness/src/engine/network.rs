//! What containers share: networks and volumes. Each is removed when nobody has it any more.

use super::{
    cli::{docker, docker_ok, fresh_name, label},
    container::Container,
};
use std::sync::Arc;

/// A bridge of its own, in which containers find each other by their names and aliases. Clones mean the same one.
#[derive(Debug, Clone)]
pub struct Network(Arc<Made>);

/// A named volume. Clones mean the same one.
#[derive(Debug, Clone)]
pub struct Volume(Arc<Made>);

#[derive(Debug)]
struct Made {
    kind: &'static str,
    name: String,
}

impl Made {
    #[track_caller]
    fn create(kind: &'static str, options: &[&str]) -> Arc<Self> {
        let name = fresh_name();
        let label = label();
        let words = [kind, "create", "--label", &label].into_iter();
        docker_ok(words.chain(options.iter().copied()).chain([name.as_str()]));
        Arc::new(Self { kind, name })
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        docker([self.kind, "rm", &self.name]);
    }
}

impl Network {
    /// Makes one.
    #[track_caller]
    #[expect(clippy::new_without_default, reason = "it asks the engine for something")]
    pub fn new() -> Self {
        Self(Made::create("network", &[]))
    }

    /// The engine's name for it.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Pulls the container's plug.
    #[track_caller]
    pub fn disconnect(&self, container: &Container) {
        docker_ok(["network", "disconnect", self.name(), container.name()]);
    }

    /// Puts it in again, with these names beside the container's own.
    #[track_caller]
    pub fn connect(&self, container: &Container, aliases: &[&str]) {
        let aliases = aliases.iter().flat_map(|alias| ["--alias", *alias]);
        let ends = [self.name(), container.name()];
        docker_ok(["network", "connect"].into_iter().chain(aliases).chain(ends));
    }
}

impl Volume {
    /// Makes an empty one.
    #[track_caller]
    #[expect(clippy::new_without_default, reason = "it asks the engine for something")]
    pub fn new() -> Self {
        Self(Made::create("volume", &[]))
    }

    /// One in memory, which everybody may write; it belongs to that group, if one is given. It is empty again once no container has it.
    #[track_caller]
    pub fn in_memory(group: Option<u32>) -> Self {
        let group = group.map_or(String::new(), |gid| format!(",gid={gid}"));
        let mode = format!("o=mode=0777{group}");
        let words = ["--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", &mode];
        Self(Made::create("volume", &words))
    }

    /// The engine's name for it.
    pub fn name(&self) -> &str {
        &self.0.name
    }
}
