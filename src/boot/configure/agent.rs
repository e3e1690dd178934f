//! The agent: where and how long it logs, its folder, and its health check.

use super::{
    files::{Severity, Tree, write},
    set_properties,
    settings::Settings,
};
use crate::{contract::LogDelete, plan::Component};
use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

const HEALTH_CHECK: &str = "agent/healthcheck.sh";
/// The vendor's, beside ours.
const KEPT: &str = "healthcheck.sh.vendor";

/// Configures the agent.
pub(crate) fn configure(tree: &mut Tree<'_>, settings: &Settings) {
    let logs = settings.logs_base.join("agent").join("$AGENT_NAME");
    let days = settings.agent.log_keep_days.to_string();
    let (base, backup) = (logs.join("logs"), logs.join("backup"));
    let (base, backup) = (base.to_string_lossy(), backup.to_string_lossy());
    let wanted = [
        ("log.file.base_path", base.as_ref()),
        ("log.file.keep.backup_path", backup.as_ref()),
        ("log.file.keep.date_cnt", days.as_str()),
        ("log.file.keep.backup_delete_yn", delete_letter(settings.agent.log_delete)),
    ];
    let properties = Path::new("agent/app/META-INF/resource.properties");
    tree.edit(properties, Severity::Error, |bytes| set_properties(bytes, &wanted, "log settings"));

    let script = Component::Agent.start_script(&settings.jjobs_base);
    if !script.is_file() {
        tree.miss(Severity::Error, &script, "the file is missing");
    }
    let folder = tree.path("agent/.bin");
    if !folder.is_dir() {
        match fs::create_dir(&folder) {
            Ok(()) => tree.done(&folder, "folder"),
            Err(error) => {
                tree.miss(Severity::Error, &folder, format!("the folder cannot be made: {error}"));
            }
        }
    }
    health_check(tree, settings);
}

fn delete_letter(delete: LogDelete) -> &'static str {
    match delete {
        LogDelete::Delete => "Y",
        LogDelete::BackUp => "N",
        LogDelete::BackUpCompressed => "Z",
    }
}

/// Makes `agent/healthcheck.sh` a link to our program, which knows by that name what is asked.
fn health_check(tree: &mut Tree<'_>, settings: &Settings) {
    let path = tree.path(HEALTH_CHECK);
    let linked =
        settings
            .program
            .clone()
            .map_or_else(|| fs::read_link("/proc/self/exe"), Ok)
            .and_then(|program| {
                if program.exists() { Ok(program) } else { Err(io::ErrorKind::NotFound.into()) }
            })
            .and_then(|program| link(&path, &program));
    match linked {
        Ok(true) => tree.done(&path, "health check"),
        Ok(false) => {}
        Err(error) => tree.miss(
            Severity::Error,
            &path,
            format!("cannot be made a link to our program: {error}"),
        ),
    }
}

/// Puts a vendor's health check back, or nothing, in the place of our link: an installer that runs again would write
/// through the link, into our own program. The image has the link before there is an agent: then the folder goes too, since an
/// installer may take it for an installed agent.
pub(super) fn unlink_health_check(jjobs_base: &Path) -> io::Result<()> {
    let path = jjobs_base.join(HEALTH_CHECK);
    if !fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_symlink()) {
        return Ok(());
    }
    match fs::rename(path.with_file_name(KEPT), &path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs::remove_file(&path)?,
        renamed => return renamed,
    }
    // Fails, as it should, where anything else is in it.
    if let Some(folder) = path.parent() {
        let _ = fs::remove_dir(folder);
    }
    Ok(())
}

/// Links `path` to `program`, keeping a vendor's file beside it. Says whether anything had to be done.
fn link(path: &Path, program: &Path) -> io::Result<bool> {
    let target = fs::read_link(path).ok();
    if target.as_deref() == Some(program) {
        return Ok(false);
    }
    let is_ours = target.is_some_and(|target| target.file_name() == program.file_name());
    if !is_ours && path.exists() {
        keep(path, &path.with_file_name(KEPT))?;
    }
    let temporary = write::beside(path)?;
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    symlink(program, &temporary)?;
    fs::rename(&temporary, path)?;
    Ok(true)
}

/// Gives the vendor's file a second name, so that there is never a moment without it or ours.
fn keep(path: &Path, kept: &PathBuf) -> io::Result<()> {
    match fs::remove_file(kept) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // Some file systems have no hard links.
    fs::hard_link(path, kept).or_else(|_| fs::rename(path, kept))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;

    #[test]
    fn a_vendors_health_check_is_kept_beside_ours() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("jjobs-init");
        fs::write(&program, "").unwrap();
        let path = folder.path().join("healthcheck.sh");
        fs::write(&path, "vendor").unwrap();

        assert!(link(&path, &program).unwrap());
        assert!(!link(&path, &program).unwrap());

        assert_eq!(fs::read_link(&path).unwrap(), program);
        assert_eq!(
            fs::read_to_string(folder.path().join("healthcheck.sh.vendor")).unwrap(),
            "vendor"
        );
    }

    #[test]
    fn the_images_link_leaves_no_trace_and_anything_beside_it_stays() {
        let base = tempfile::tempdir().unwrap();
        let agent = base.path().join("agent");
        fs::create_dir(&agent).unwrap();
        symlink("/usr/local/bin/jjobs-init", agent.join("healthcheck.sh")).unwrap();

        unlink_health_check(base.path()).unwrap();
        assert!(!agent.exists());

        fs::create_dir(&agent).unwrap();
        fs::write(agent.join("app.jar"), "vendor").unwrap();
        symlink("/usr/local/bin/jjobs-init", agent.join("healthcheck.sh")).unwrap();
        unlink_health_check(base.path()).unwrap();
        assert_eq!(fs::read_dir(&agent).unwrap().count(), 1);
    }

    #[test]
    fn a_dangling_or_old_link_of_ours_is_replaced_and_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("jjobs-init");
        fs::write(&program, "").unwrap();
        let path = folder.path().join("healthcheck.sh");
        for old in ["/nowhere/else", "/old/jjobs-init"] {
            let _ = fs::remove_file(&path);
            symlink(old, &path).unwrap();
            assert!(link(&path, &program).unwrap());
            assert_eq!(fs::read_link(&path).unwrap(), program);
        }
        assert!(!folder.path().join("healthcheck.sh.vendor").exists());
    }
}
