//! The kubeconfig file: read, changed in place, written as a whole or not at all.
//!
//! Whatever else stands in it stays: other clusters, users and contexts, the current context, keys that we do not know.
//! Comments do not survive, as they do not survive `kubectl config`; a file in which nothing changes is not touched.

use serde_json::{Map, Value, json};
use std::{
    fs::{self, DirBuilder, Permissions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// The kubeconfig cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum KubeconfigError {
    #[error("cannot make {}", path.display())]
    Folder { path: PathBuf, source: io::Error },
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot move the unreadable {} out of the way", path.display())]
    MoveAway { path: PathBuf, source: io::Error },
    #[error("cannot write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot express {} as YAML", .0.display())]
    Express(PathBuf),
}

/// The content of a kubeconfig.
#[derive(Debug)]
pub(super) struct Kubeconfig {
    path: PathBuf,
    before: Map<String, Value>,
    content: Map<String, Value>,
}

impl Kubeconfig {
    /// Reads `folder/config`, making the folder; a file that is no kubeconfig is moved out of the way.
    pub(super) fn open(folder: &Path) -> Result<Self, KubeconfigError> {
        make_folder(folder)?;
        let path = target(folder.join("config"));
        let before = match fs::read(&path) {
            Ok(text) => match understand(&text) {
                Some(content) => content,
                None => move_away(&path)?,
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Map::new(),
            Err(source) => return Err(KubeconfigError::Read { path, source }),
        };
        let content = before.clone();
        Ok(Self { path, before, content })
    }

    /// The context that kubectl takes without `--context`.
    pub(super) fn current_context(&self) -> Option<String> {
        self.content
            .get("current-context")?
            .as_str()
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
    }

    /// Sets it.
    pub(super) fn set_current_context(&mut self, name: String) {
        self.content.insert("current-context".to_owned(), Value::String(name));
    }

    /// Puts `{name, key: value}` into `list`, in the place of one of that name.
    pub(super) fn put(&mut self, list: &str, name: &str, key: &str, value: &Value) {
        let item = json!({ "name": name, key: value });
        let items = self.content.entry(list).or_insert_with(|| Value::Array(Vec::new()));
        if !items.is_array() {
            *items = Value::Array(Vec::new());
        }
        let Some(items) = items.as_array_mut() else { return };
        let is_same = |item: &Value| item.get("name").and_then(Value::as_str) == Some(name);
        let Some(at) = items.iter().position(is_same) else {
            items.push(item);
            return;
        };
        items.retain(|item| !is_same(item));
        items.insert(at, item);
    }

    /// Writes it, if anything changed.
    pub(super) fn save(mut self) -> Result<(), KubeconfigError> {
        let failed = |source| KubeconfigError::Write { path: self.path.clone(), source };
        if self.content == self.before {
            return set_mode(&self.path, 0o600).map_err(failed);
        }
        for (key, value) in [("apiVersion", "v1"), ("kind", "Config")] {
            self.content.entry(key).or_insert_with(|| value.into());
        }
        let text = serde_saphyr::to_string(&self.content)
            .ok()
            // Our own words for it must be read again as they were meant.
            .filter(|text| understand(text.as_bytes()).as_ref() == Some(&self.content))
            .ok_or_else(|| KubeconfigError::Express(self.path.clone()))?;
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        // In the same folder, mode 600, gone if this fails.
        let mut file =
            tempfile::Builder::new().prefix(".config.").tempfile_in(folder).map_err(failed)?;
        file.write_all(text.as_bytes()).map_err(failed)?;
        file.persist(&self.path).map_err(|error| failed(error.error))?;
        Ok(())
    }
}

/// Sets a mode where it is another.
pub(super) fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    let permissions = match fs::metadata(path) {
        Ok(metadata) => metadata.permissions(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if permissions.mode() & 0o7777 == mode {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(mode))
}

fn make_folder(folder: &Path) -> Result<(), KubeconfigError> {
    let failed = |source| KubeconfigError::Folder { path: folder.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    if let Err(error) = set_mode(folder, 0o700) {
        // A mounted volume that is another user's: usable all the same.
        tracing::warn!(path = %folder.display(), %error, "[KUBE_CONTEXTS] cannot make the folder private");
    }
    Ok(())
}

/// Where a symbolic link leads, so that the link stays; a few links deep, also where the end is not there yet.
fn target(mut path: PathBuf) -> PathBuf {
    for _ in 0..8 {
        let Ok(link) = fs::read_link(&path) else { break };
        path = path.parent().unwrap_or(Path::new("/")).join(link);
    }
    path
}

/// The content of a kubeconfig's text; an empty file is an empty one.
fn understand(text: &[u8]) -> Option<Map<String, Value>> {
    let text = std::str::from_utf8(text).ok()?;
    let is_blank = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    if text.lines().all(is_blank) {
        return Some(Map::new());
    }
    let content = match serde_saphyr::from_str(text).ok()? {
        Value::Null => Map::new(),
        Value::Object(content) => content,
        _ => return None,
    };
    let is_list =
        |key: &str| matches!(content.get(key), None | Some(Value::Null | Value::Array(_)));
    ["clusters", "users", "contexts"].iter().all(|key| is_list(key)).then_some(content)
}

/// Keeps what cannot be understood under another name, and starts anew.
fn move_away(path: &Path) -> Result<Map<String, Value>, KubeconfigError> {
    let mut kept = path.with_extension("unreadable");
    let mut number = 1;
    while kept.symlink_metadata().is_ok() {
        number += 1;
        kept = path.with_extension(format!("unreadable.{number}"));
    }
    fs::rename(path, &kept)
        .map_err(|source| KubeconfigError::MoveAway { path: path.to_owned(), source })?;
    tracing::warn!(
        path = %path.display(),
        kept = %kept.display(),
        "[KUBE_CONTEXTS] the kubeconfig cannot be understood; it is kept under another name"
    );
    Ok(Map::new())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;
    use std::os::unix::fs::symlink;

    const EXISTING: &str = "\
# mine
apiVersion: v1
kind: Config
preferences: {colors: true}
current-context: mine
extra: [1, 2.5, null, 'yes', \"0123\", 2024-01-01, ~]
clusters:
- name: mine
  cluster: {server: 'https://mine', certificate-authority-data: QUJD}
- name: a.b
  cluster: {server: 'https://old'}
users:
- name: mine
  user:
    token: '1e3'
    exec:
      args:
        - eks
        - |
          two
          lines
contexts: ~
";

    fn open(folder: &Path) -> Kubeconfig {
        Kubeconfig::open(folder).unwrap()
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn everything_else_in_the_file_stays() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(".kube");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("config"), EXISTING).unwrap();
        let mut config = open(&folder);
        let mut expected = config.before.clone();
        config.put("clusters", "a.b", "cluster", &json!({ "server": "https://new" }));
        config.put("contexts", "on", "context", &json!({ "cluster": "a.b", "namespace": "no" }));
        config.save().unwrap();
        expected["clusters"][1]["cluster"]["server"] = "https://new".into();
        expected["contexts"] =
            json!([{ "name": "on", "context": { "cluster": "a.b", "namespace": "no" } }]);
        let again = open(&folder);
        assert_eq!(again.content, expected);
        assert_eq!(again.current_context().unwrap(), "mine");
        assert_eq!((mode(&folder), mode(&folder.join("config"))), (0o700, 0o600));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }

    #[test]
    fn a_file_in_which_nothing_changes_is_not_touched() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("config"), EXISTING).unwrap();
        open(home.path()).save().unwrap();
        assert_eq!(fs::read_to_string(home.path().join("config")).unwrap(), EXISTING);
    }

    #[test]
    fn a_file_that_is_no_kubeconfig_is_kept_under_another_name() {
        for text in ["clusters: {a: 1}\n", "a: [\n", "- 1\n", "{{ template }}\n"] {
            let home = tempfile::tempdir().unwrap();
            fs::write(home.path().join("config"), text).unwrap();
            let mut config = open(home.path());
            config.put("clusters", "a", "cluster", &json!({}));
            config.save().unwrap();
            assert_eq!(fs::read_to_string(home.path().join("config.unreadable")).unwrap(), text);
            assert_eq!(open(home.path()).content["clusters"][0]["name"], "a");
        }
    }

    #[test]
    fn an_empty_file_is_an_empty_kubeconfig() {
        for text in ["", "# only a comment\n", "---\n", "null\n"] {
            let home = tempfile::tempdir().unwrap();
            fs::write(home.path().join("config"), text).unwrap();
            assert!(open(home.path()).content.is_empty(), "{text:?}");
        }
    }

    #[test]
    fn a_link_stays_a_link() {
        let home = tempfile::tempdir().unwrap();
        symlink("real/config", home.path().join("config")).unwrap();
        fs::create_dir(home.path().join("real")).unwrap();
        let mut config = open(home.path());
        config.put("clusters", "a", "cluster", &json!({}));
        config.save().unwrap();
        assert!(home.path().join("config").is_symlink());
        assert!(fs::read_to_string(home.path().join("real/config")).unwrap().contains("name: a"));
    }

    #[test]
    fn texts_that_look_like_something_else_are_read_as_texts_by_older_yaml_too() {
        // kubectl's reader knows YAML 1.1: unquoted, these would be truth values, numbers, dates, nothing.
        let odd = [
            "yes",
            "No",
            "on",
            "OFF",
            "y",
            "n",
            "~",
            "null",
            "0123",
            "1_000",
            "1e3",
            "0x1f",
            "1:30",
            "2024-01-01",
            "",
            " a",
            "a: b",
            "- a",
            "#a",
            "*a",
            "&a",
            "!a",
            "%a",
            "@a",
            "`a",
            "'a'",
            "\"a\"",
            "a\nb\n",
            "한글",
            "{a}",
            "[a]",
            "=",
            "<<",
            ".nan",
        ];
        let home = tempfile::tempdir().unwrap();
        let mut config = open(home.path());
        for text in odd {
            config.put("contexts", text, "context", &json!({ "namespace": text }));
        }
        let expected = config.content.clone();
        config.save().unwrap();
        let again = open(home.path()).content;
        assert_eq!(again["contexts"], expected["contexts"]);
        let text = fs::read_to_string(home.path().join("config")).unwrap();
        for word in [
            "yes",
            "No",
            "on",
            "OFF",
            "y",
            "n",
            "~",
            "null",
            "0123",
            "1_000",
            "1e3",
            "0x1f",
            "1:30",
            "2024-01-01",
            "=",
            "<<",
            ".nan",
        ] {
            assert!(!text.contains(&format!("name: {word}\n")), "{word} is not quoted:\n{text}");
        }
    }
}
