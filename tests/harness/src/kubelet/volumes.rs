//! A pod's volumes as folders of this machine, and where its containers mount them.

use super::{fields::list, security::volumes_group};
use crate::{engine::Volume, manifests::Manifests};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::{PermissionsExt, chown, symlink},
    path::{Path, PathBuf},
};

/// A plain file's mode where the manifest says none.
const DEFAULT_MODE: u64 = 0o644;

/// Where the kubelet puts the account's files, unless it is told not to.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Stands in for a signed one.
pub(super) const ACCOUNT_TOKEN: &str = "a-token-of-the-service-account";

/// The CA certificate of a cluster that is not there.
const ACCOUNT_CA: &str = "-----BEGIN CERTIFICATE-----\nMIIBhTCCASugAwIBAgIQIRi6zePL6mKjOipn+dNuaTAKBggqhkjOPQQDAjASMRAw\n-----END CERTIFICATE-----\n";

/// Where a volume's content is.
enum Place {
    Folder { path: PathBuf, read_only: bool },
    Memory(Volume),
}

/// All volumes of one pod.
pub(super) struct Volumes {
    places: BTreeMap<String, Place>,
    account: Option<PathBuf>,
}

/// Files by their names: content and mode.
type Files = BTreeMap<String, (Vec<u8>, u32)>;

impl Volumes {
    /// Makes them below `folder`, which is the pod's own; `claim` gives the folder of a claim.
    ///
    /// # Errors
    /// Something is referred to that is not there; the pod would wait for it.
    pub(super) fn prepare(
        spec: &Value,
        manifests: &Manifests,
        folder: &Path,
        claim: impl Fn(&str) -> PathBuf,
    ) -> Result<Self, String> {
        let group = volumes_group(spec);
        let mut places = BTreeMap::new();
        for volume in list(&spec["volumes"]) {
            let name = volume["name"].as_str().ok_or("a volume without a name")?;
            let own = folder.join(name);
            let place = if let Some(claimed) = volume["persistentVolumeClaim"]["claimName"].as_str()
            {
                let path = claim(claimed);
                give_to_group(&path, group).map_err(|error| error.to_string())?;
                let read_only = volume["persistentVolumeClaim"]["readOnly"] == true;
                Place::Folder { path, read_only }
            } else if volume["emptyDir"]["medium"] == "Memory" {
                Place::Memory(Volume::in_memory(group))
            } else if volume["emptyDir"].is_object() {
                make_folder(&own, 0o777, group).map_err(|error| error.to_string())?;
                Place::Folder { path: own, read_only: false }
            } else {
                let files = files_of(volume, manifests)?;
                write_files(&own, &files, group).map_err(|error| error.to_string())?;
                Place::Folder { path: own, read_only: true }
            };
            places.insert(name.to_owned(), place);
        }
        let account = (spec["automountServiceAccountToken"] != false)
            .then(|| write_account(&folder.join("account"), group))
            .transpose()
            .map_err(|error| error.to_string())?;
        Ok(Self { places, account })
    }

    /// Volumes in memory, which live as long as somebody has them.
    pub(super) fn in_memory(&self) -> impl Iterator<Item = &Volume> {
        self.places.values().filter_map(|place| match place {
            Place::Memory(volume) => Some(volume),
            Place::Folder { .. } => None,
        })
    }

    /// The options of `docker run` for a container's mounts.
    ///
    /// # Errors
    /// A mount of a volume that the pod has not.
    pub(super) fn mounts(&self, container: &Value) -> Result<Vec<String>, String> {
        let mut options = Vec::new();
        for mount in list(&container["volumeMounts"]) {
            let name = mount["name"].as_str().ok_or("a mount without a name")?;
            let target = mount["mountPath"].as_str().ok_or("a mount without a path")?;
            let place =
                self.places.get(name).ok_or_else(|| format!("there is no volume {name}"))?;
            let (kind, source, fixed) = match place {
                Place::Memory(volume) => ("volume", volume.name().to_owned(), false),
                Place::Folder { path, read_only } => {
                    let path = below(path, mount["subPath"].as_str(), *read_only)?;
                    ("bind", path.display().to_string(), *read_only)
                }
            };
            if matches!(place, Place::Memory(_)) && mount["subPath"].is_string() {
                return Err(format!("a subPath of {name}, which is in memory, is not known here"));
            }
            let read_only = if fixed || mount["readOnly"] == true { ",readonly" } else { "" };
            options.push(format!("--mount=type={kind},source={source},target={target}{read_only}"));
        }
        let has_own = options.iter().any(|option| option.contains(ACCOUNT));
        if let Some(account) = self.account.as_ref().filter(|_| !has_own) {
            let source = account.display();
            options.push(format!("--mount=type=bind,source={source},target={ACCOUNT},readonly"));
        }
        Ok(options)
    }
}

/// The part of a volume that is mounted. What is missing of a writable one is made.
fn below(volume: &Path, part: Option<&str>, is_fixed: bool) -> Result<PathBuf, String> {
    let Some(part) = part.filter(|part| !part.is_empty()) else { return Ok(volume.to_owned()) };
    if part.starts_with('/') || part.split('/').any(|word| word == "..") {
        return Err(format!("subPath {part} leads out of its volume"));
    }
    let path = volume.join(part);
    if !path.exists() && is_fixed {
        return Err(format!("there is no {part} in the volume"));
    }
    if !path.exists() {
        fs::create_dir_all(&path).map_err(|error| error.to_string())?;
    }
    // A mount of a link would follow it once only; so does the kubelet with files of Secrets.
    path.canonicalize().map_err(|error| error.to_string())
}

fn make_folder(path: &Path, mode: u32, group: Option<u32>) -> io::Result<()> {
    fs::create_dir_all(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    give_to_group(path, group)
}

/// What `fsGroup` does to a volume that can be written: all of it is the group's, and so is what is made in it later.
fn give_to_group(path: &Path, group: Option<u32>) -> io::Result<()> {
    let Some(group) = group else { return Ok(()) };
    let found = fs::symlink_metadata(path)?;
    if found.is_symlink() {
        return Ok(());
    }
    chown(path, None, Some(group))?;
    let mode = found.permissions().mode() | if found.is_dir() { 0o2770 } else { 0o660 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o7777))?;
    if found.is_dir() {
        for entry in fs::read_dir(path)? {
            give_to_group(&entry?.path(), Some(group))?;
        }
    }
    Ok(())
}

fn files_of(volume: &Value, manifests: &Manifests) -> Result<Files, String> {
    let projected = &volume["projected"];
    if projected.is_object() {
        let mut files = Files::new();
        for source in list(&projected["sources"]) {
            files.extend(source_files(source, &projected["defaultMode"], manifests)?);
        }
        return Ok(files);
    }
    let mode = [&volume["secret"], &volume["configMap"]]
        .into_iter()
        .find_map(|one| one.get("defaultMode"))
        .unwrap_or(&Value::Null);
    source_files(volume, mode, manifests)
}

fn source_files(source: &Value, mode: &Value, manifests: &Manifests) -> Result<Files, String> {
    let mode = mode.as_u64().unwrap_or(DEFAULT_MODE);
    let bits = |mode: u64| u32::try_from(mode & 0o777).unwrap_or(0);
    if let Some(path) = source["serviceAccountToken"]["path"].as_str() {
        let token = ACCOUNT_TOKEN.as_bytes().to_vec();
        return Ok(Files::from([(path.to_owned(), (token, bits(mode)))]));
    }
    for (kind, field) in [("ConfigMap", "configMap"), ("Secret", "secret")] {
        let object = &source[field];
        let Some(name) = object["secretName"].as_str().or(object["name"].as_str()) else {
            continue;
        };
        let Some(data) = manifests.data(kind, name) else {
            if object["optional"] == true {
                return Ok(Files::new());
            }
            return Err(format!("MountVolume.SetUp failed: {kind} {name} not found"));
        };
        if object["items"].is_null() {
            return Ok(data.into_iter().map(|(key, value)| (key, (value, bits(mode)))).collect());
        }
        let mut files = Files::new();
        for item in list(&object["items"]) {
            let key = item["key"].as_str().unwrap_or_default();
            let path = item["path"].as_str().unwrap_or(key);
            match data.get(key) {
                Some(value) => {
                    let mode = item["mode"].as_u64().unwrap_or(mode);
                    files.insert(path.to_owned(), (value.clone(), bits(mode)));
                }
                None if object["optional"] == true => {}
                None => return Err(format!("{kind} {name} has no key {key}")),
            }
        }
        return Ok(files);
    }
    Err(format!("a volume that is not known here: {source}"))
}

/// As the kubelet writes them: the files in a folder of their own, reached by links, so that all change at once.
fn write_files(folder: &Path, files: &Files, group: Option<u32>) -> io::Result<()> {
    let data = folder.join("..2026_01_01_00_00_00.1");
    fs::create_dir_all(&data)?;
    for path in [folder, &data] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    }
    symlink(data.file_name().unwrap_or_default(), folder.join("..data"))?;
    for (name, (content, mode)) in files {
        let path = data.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, content)?;
        // With a group, it may read what the owner may.
        chown(&path, None, group)?;
        let mode = mode | if group.is_some() { 0o440 } else { 0 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        let first = name.split('/').next().unwrap_or(name);
        let link = folder.join(first);
        if fs::symlink_metadata(&link).is_err() {
            symlink(Path::new("..data").join(first), link)?;
        }
    }
    Ok(())
}

fn write_account(folder: &Path, group: Option<u32>) -> io::Result<PathBuf> {
    let file = |name: &str, text: &str| (name.to_owned(), (text.as_bytes().to_vec(), 0o644));
    let files = [("ca.crt", ACCOUNT_CA), ("token", ACCOUNT_TOKEN), ("namespace", "default")];
    write_files(folder, &files.map(|(name, text)| file(name, text)).into(), group)?;
    Ok(folder.to_owned())
}

#[cfg(test)]
mod tests {
    use super::Volumes;
    use crate::manifests::Manifests;
    use serde_json::{Value, json};
    use std::{fs, os::unix::fs::PermissionsExt, path::Path};

    fn prepare(spec: &Value, folder: &Path) -> Result<Volumes, String> {
        let documents = vec![
            json!({"kind": "Secret", "metadata": {"name": "s"}, "stringData": {"a": "1", "b": "2"}}),
            json!({"kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"run.sh": "echo"}}),
        ];
        let claim = |name: &str| {
            let path = folder.join("claims").join(name);
            fs::create_dir_all(&path).unwrap();
            path
        };
        Volumes::prepare(spec, &Manifests { documents }, &folder.join("pod"), claim)
    }

    #[test]
    fn files_of_secrets_and_maps_have_their_names_and_modes() {
        let folder = tempfile::tempdir().unwrap();
        let spec = json!({ "volumes": [
            { "name": "s", "secret": { "secretName": "s", "defaultMode": 0o400 } },
            { "name": "p", "projected": { "sources": [
                { "secret": { "name": "s", "items": [{ "key": "b", "path": "x/y", "mode": 0o440 }] } },
                { "configMap": { "name": "c" } },
                { "serviceAccountToken": { "path": "token" } },
            ] } },
        ]});
        prepare(&spec, folder.path()).unwrap();
        for (path, content, mode) in
            [("s/a", "1", 0o400), ("p/x/y", "2", 0o440), ("p/run.sh", "echo", 0o644)]
        {
            let path = folder.path().join("pod").join(path);
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
            let found = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            assert_eq!(found, mode, "{path:?}");
        }
        assert!(folder.path().join("pod/p/token").exists());
    }

    #[test]
    fn mounts_name_the_place_the_part_and_who_may_write() {
        let folder = tempfile::tempdir().unwrap();
        let spec = json!({ "automountServiceAccountToken": false, "volumes": [
            { "name": "logs", "persistentVolumeClaim": { "claimName": "nfs" } },
            { "name": "s", "secret": { "secretName": "s" } },
        ]});
        let volumes = prepare(&spec, folder.path()).unwrap();
        let container = json!({ "volumeMounts": [
            { "name": "logs", "mountPath": "/logs", "subPath": "one/two" },
            { "name": "s", "mountPath": "/s" },
        ]});
        let mounts = volumes.mounts(&container).unwrap();
        assert!(mounts[0].contains("claims/nfs/one/two,target=/logs"), "{mounts:?}");
        assert!(!mounts[0].contains("readonly") && mounts[1].ends_with(",readonly"), "{mounts:?}");
        for part in ["../up", "/abs"] {
            let mount =
                json!({ "volumeMounts": [{ "name": "logs", "mountPath": "/l", "subPath": part }] });
            volumes.mounts(&mount).unwrap_err();
        }
        volumes
            .mounts(&json!({ "volumeMounts": [{ "name": "none", "mountPath": "/n" }] }))
            .unwrap_err();
    }

    #[test]
    fn a_missing_secret_keeps_the_pod_from_starting_unless_it_is_optional() {
        let folder = tempfile::tempdir().unwrap();
        let spec = |optional| json!({ "volumes": [{ "name": "v", "secret": { "secretName": "absent", "optional": optional } }] });
        assert!(prepare(&spec(false), folder.path()).err().unwrap().contains("absent"));
        prepare(&spec(true), folder.path()).unwrap();
    }
}
