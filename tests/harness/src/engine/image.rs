//! An image that the engine has.

use super::{builder::ContainerBuilder, cli::command};
use crate::requirement::unless_missing;
use std::env;

/// The variable that names the image with the simulated J-Jobs in it.
const SIMULATED: &str = "JJOBS_TEST_IMAGE";

/// A reference to an image that was there when it was looked for.
#[derive(Debug, Clone)]
pub struct Image {
    reference: String,
}

impl Image {
    /// The image with the simulator's installer, which `JJOBS_TEST_IMAGE` names. `None`, and a word about it, without one.
    ///
    /// # Panics
    /// With `JJOBS_REQUIRE_TOOLS` set, in that case.
    #[must_use = "None means that nothing was tested"]
    pub fn simulated() -> Option<Self> {
        let reference = env::var(SIMULATED).ok().filter(|reference| !reference.is_empty());
        let found = reference
            .ok_or_else(|| {
                format!("{SIMULATED} names no image; scripts/image --simulated builds one")
            })
            .and_then(|reference| Self::find(&reference));
        unless_missing("an engine with the simulated image", found)
    }

    /// Any image that the engine has already; nothing is pulled.
    ///
    /// # Errors
    /// Says what the engine said, or that there is none.
    pub fn find(reference: &str) -> Result<Self, String> {
        let asked = command(["image", "inspect", "--format", "{{.Id}}", reference]).output();
        let asked = asked.map_err(|error| format!("docker cannot be started: {error}"))?;
        if asked.status.success() {
            return Ok(Self { reference: reference.to_owned() });
        }
        Err(String::from_utf8_lossy(&asked.stderr).trim().to_owned())
    }

    /// Its name, as given.
    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// A container of it, to be described further.
    pub fn container(&self) -> ContainerBuilder {
        ContainerBuilder::new(self.reference.clone())
    }
}
