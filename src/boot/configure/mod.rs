//! Configuring the installed tree: what must be true of the vendor's files before anything is started.
//!
//! By content, never by line number: vendor releases move lines and rename JDK folders. Every edit replaces bytes of the
//! vendor's own file and keeps all others, so that configuring twice gives the same bytes; how is told in [`files`].
//! Everything that is missing is found in one run, because each failed boot costs the operator a pod restart.

mod agent;
mod error;
mod files;
mod java_security;
mod properties;
mod scripts;
mod settings;
mod webapp;
mod xml;

pub use self::{
    error::{ConfigureError, Missing, Report},
    settings::{Datasource, DecryptedLogin, Settings},
};

use self::{
    files::{Edit, Severity, Tree},
    scripts::Script,
    webapp::{
        datasource, log4j2, redis_beans, redis_filter, session_store,
        war::{self, Limit, Unpacked, WarError},
    },
};
use super::cancel::Cancel;
use crate::plan::Component;
use std::{
    fs, io,
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
};

/// The file with the manager's beans, below its web application.
const MANAGER_BEANS: &str = "WEB-INF/classes/spring/context-manager.xml";

/// Configures the installed tree. Blocks; belongs in a thread of its own.
///
/// # Errors
/// Everything that is missing and without which a component would run wrongly; or the boot was asked to stop. Files are
/// edited one by one, each wholly or not at all.
pub fn run(settings: &Settings, cancel: &Cancel) -> Result<Report, ConfigureError> {
    let mut tree = Tree::new(&settings.jjobs_base);
    for &component in &settings.components {
        stop_if(cancel)?;
        match component {
            Component::Agent => agent::configure(&mut tree, settings),
            Component::Server | Component::Manager => {
                tomcat(&mut tree, settings, component, cancel);
            }
        }
    }
    stop_if(cancel)?;
    java_security::configure(&mut tree, settings, cancel);
    stop_if(cancel)?;
    if tree.errors.is_empty() { Ok(tree.report) } else { Err(ConfigureError::Missing(tree.errors)) }
}

/// Takes away what an installer that runs again must not write to: our link in the place of the agent's health check, and
/// the FIFOs in the place of Tomcat's consoles, at which it would wait for ever for a reader.
///
/// # Errors
/// When one of them is there and cannot be removed.
pub fn make_way_for_installer(jjobs_base: &Path) -> io::Result<()> {
    agent::unlink_health_check(jjobs_base)?;
    for component in [Component::Manager, Component::Server] {
        let console = jjobs_base.join(component.name()).join("logs/catalina.out");
        if fs::symlink_metadata(&console).is_ok_and(|metadata| metadata.file_type().is_fifo()) {
            fs::remove_file(&console)?;
        }
    }
    Ok(())
}

fn stop_if(cancel: &Cancel) -> Result<(), ConfigureError> {
    if cancel.is_cancelled() { Err(ConfigureError::Cancelled) } else { Ok(()) }
}

/// The manager or the server: its web application, then what lies beside it.
fn tomcat(tree: &mut Tree<'_>, settings: &Settings, component: Component, cancel: &Cancel) {
    let application = PathBuf::from(format!("{component}/webapps/jjob-{component}"));
    if unpack(tree, &application, cancel) {
        let folder = log4j2::LogFolder {
            vendor: format!("/logs001/jjobs/{component}"),
            wanted: settings
                .logs_base
                .join(component.name())
                .join(&settings.hostname)
                .to_string_lossy()
                .into_owned(),
        };
        let log4j2 = application.join("WEB-INF/classes/properties/log4j2.xml");
        tree.edit(&log4j2, Severity::Warning, |bytes| log4j2::edit(bytes, &folder));
        let datasource = application.join("WEB-INF/classes/spring/context-datasource.xml");
        tree.edit(&datasource, Severity::Error, |bytes| {
            datasource::edit(bytes, &settings.datasource)
        });
        if component == Component::Manager {
            redis(tree, settings, &application);
        }
    }
    if component == Component::Manager {
        session_store(tree, settings);
    }
    let script = PathBuf::from(format!("start_{component}.sh"));
    tree.edit(&script, Severity::Error, |bytes| {
        scripts::edit(bytes, &start_script(settings, component))
    });
}

/// Unpacks `<application>.war`; says whether there is something to configure then.
fn unpack(tree: &mut Tree<'_>, application: &Path, cancel: &Cancel) -> bool {
    let folder = tree.path(application);
    let war = tree.path(application.with_extension("war"));
    match war::unpack(&war, &folder, Limit::new(cancel), || tree.forget_below(application)) {
        Ok(Unpacked::Now) => {
            tree.done(&folder, "web application");
            true
        }
        Ok(Unpacked::Before | Unpacked::ByVendor) => true,
        // `run` says so.
        Err(WarError::Cancelled) => false,
        Err(error) => {
            tree.miss(Severity::Error, &war, error.to_string());
            false
        }
    }
}

fn redis(tree: &mut Tree<'_>, settings: &Settings, application: &Path) {
    let (beans, filter) = (application.join(MANAGER_BEANS), application.join("WEB-INF/web.xml"));
    if let Some(redis) = &settings.redis {
        tree.edit(&beans, Severity::Error, |bytes| redis_beans::edit(bytes, redis));
        tree.edit(&filter, Severity::Error, redis_filter::edit);
    } else {
        tree.restore(&beans);
        tree.restore(&filter);
    }
}

/// Tomcat's own session store, which cannot decrypt.
fn session_store(tree: &mut Tree<'_>, settings: &Settings) {
    let context = Path::new("manager/conf/context.xml");
    // With sessions in Redis nobody asks for this store.
    let severity = if settings.redis.is_some() { Severity::Warning } else { Severity::Error };
    match (&settings.datasource.encrypted, &settings.datasource.decrypted) {
        (Some(_), Some(login)) => {
            tree.edit(context, severity, |bytes| session_store::edit(bytes, login, severity));
        }
        (Some(_), None) => {
            let path = tree.path(context);
            tree.miss(severity, &path, "decrypted login of the session store");
        }
        (None, _) => tree.restore(context),
    }
}

fn start_script(settings: &Settings, component: Component) -> Script {
    if component == Component::Server {
        Script {
            replaced: vec![("JJOB_SERVER_ID", format!("1-{}", settings.server_number))],
            exported: settings
                .server_address
                .iter()
                .map(|address| ("JJOB_SERVER_IP", address.clone()))
                .collect(),
        }
    } else {
        Script {
            replaced: Vec::new(),
            exported: settings
                .sso_issuer
                .iter()
                .map(|uri| ("SSO_KEYCLOAK_ISSUER_URI", uri.clone()))
                .collect(),
        }
    }
}

/// A properties editor as a file's [`Edit`].
fn set_properties(bytes: &[u8], wanted: &[(&str, &str)], thing: &'static str) -> Edit {
    let edited = properties::set(bytes, wanted);
    let things = if edited == bytes { Vec::new() } else { vec![thing] };
    Edit { bytes: edited, things, findings: Vec::new() }
}
