//! Installed trees made of the vendor files in `tests/data/vendor`, and readers of them that share no code with ours.

use jjobs_init::{
    boot::configure::{Datasource, DecryptedLogin, Settings},
    contract::{AgentSettings, DnsCache, EncryptedLogin, LogDelete, Redis, secret::Secret},
    plan::Component,
};
use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, Permissions},
    io::Write,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::Command,
};

/// A tree in a folder that goes away with it.
pub(crate) struct Installed {
    folder: tempfile::TempDir,
}

/// The folder of a shape's own files.
pub(crate) fn vendor(shape: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/vendor").join(shape)
}

impl Installed {
    /// The files of `shape` over those of `classic`.
    pub(crate) fn of(shape: &str) -> Self {
        let installed = Self { folder: tempfile::tempdir().unwrap() };
        copy(&vendor("classic"), installed.folder.path());
        if shape == "jdk17" {
            fs::remove_dir_all(installed.path("amazon-corretto-8.462.08.1-linux-x64")).unwrap();
        }
        copy(&vendor(shape), installed.folder.path());
        fs::set_permissions(
            installed.path("manager/conf/context.xml"),
            Permissions::from_mode(0o640),
        )
        .unwrap();
        installed
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join(relative)
    }

    pub(crate) fn read(&self, relative: &str) -> Vec<u8> {
        fs::read(self.path(relative)).unwrap()
    }

    pub(crate) fn mode(&self, relative: &str) -> u32 {
        fs::metadata(self.path(relative)).unwrap().mode() & 0o7777
    }

    /// Every file but the program's own records, with its bytes.
    pub(crate) fn snapshot(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        for path in walk(self.folder.path()) {
            let relative = path.strip_prefix(self.folder.path()).unwrap().to_path_buf();
            if !relative.starts_with(".jjobs-init") {
                files.insert(relative, fs::read(&path).unwrap());
            }
        }
        files
    }

    /// The places of all files of this name.
    pub(crate) fn find(&self, name: &str) -> Vec<String> {
        self.snapshot()
            .into_keys()
            .filter(|path| path.file_name().unwrap() == name)
            .map(|path| path.to_str().unwrap().to_owned())
            .collect()
    }

    /// What another reader of Java properties makes of a file.
    pub(crate) fn properties(&self, relative: &str) -> HashMap<String, String> {
        let bytes = self.read(relative);
        java_properties::read(bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes)).unwrap()
    }

    /// What a shell that runs a script has in a variable when it comes to start Tomcat.
    pub(crate) fn variable_of_script(&self, script: &str, variable: &str) -> String {
        for component in ["server", "manager"] {
            let folder = self.path(component).join("bin");
            fs::create_dir_all(&folder).unwrap();
            for program in ["startup.sh", "catalina.sh"] {
                fs::write(folder.join(program), "#!/bin/sh\nenv\n").unwrap();
                fs::set_permissions(folder.join(program), Permissions::from_mode(0o755)).unwrap();
            }
        }
        // Line ends of the other kind are the vendor's problem; here only values are looked at.
        let text = String::from_utf8_lossy(&self.read(script)).replace('\r', "");
        let text = text.replace("/engn001/jjobs", self.folder.path().to_str().unwrap());
        let output = Command::new("bash")
            .args(["-c", &format!("{text}\nwait\n")])
            .arg(self.path(script))
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        let prefix = format!("{variable}=");
        let line = printed.lines().find_map(|line| line.strip_prefix(&prefix));
        line.unwrap_or_else(|| panic!("{variable} is not set by\n{text}\n{errors}")).to_owned()
    }

    /// Packs a folder into a WAR beside it, and removes the folder.
    pub(crate) fn pack(&self, relative: &str) {
        let folder = self.path(relative);
        let mut writer =
            zip::ZipWriter::new(fs::File::create(folder.with_extension("war")).unwrap());
        for path in walk(&folder) {
            let name = path.strip_prefix(&folder).unwrap().to_str().unwrap().to_owned();
            writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            writer.write_all(&fs::read(&path).unwrap()).unwrap();
        }
        writer.finish().unwrap();
        fs::remove_dir_all(folder).unwrap();
    }
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

fn copy(from: &Path, to: &Path) {
    for path in walk(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(&path, &target).unwrap();
    }
}

/// Settings in which every feature is on.
pub(crate) fn everything(installed: &Installed) -> Settings {
    Settings {
        jjobs_base: installed.path(""),
        logs_base: PathBuf::from("/logs/jjobs"),
        hostname: "jjobs-10".to_owned(),
        components: Component::ALL.to_vec(),
        program: Some(PathBuf::from("/bin/true")),
        dns_cache: DnsCache { ttl: 1, negative_ttl: -1 },
        agent: AgentSettings {
            group_id: 0,
            log_keep_days: 5,
            log_delete: LogDelete::BackUpCompressed,
        },
        server_number: 11,
        server_address: Some("jjobs-10.jjobs.default.svc".to_owned()),
        sso_issuer: Some("https://sso/realms/a?b=c&d='e'".to_owned()),
        datasource: Datasource {
            jdbc_url: Secret::new("jdbc:postgresql://db:5432/jjobs"),
            parameters: Secret::new("?sslmode=require&x='1'"),
            encrypted: Some(EncryptedLogin {
                user: Secret::new("eU+/=="),
                password: Secret::new("eP+/=="),
            }),
            decrypted: Some(DecryptedLogin {
                user: Secret::new("kim"),
                password: Secret::new("<p&w\"'비밀>"),
            }),
        },
        redis: Some(Redis {
            namespace: "jjobs:m".to_owned(),
            host: "redis".to_owned(),
            port: 6379,
        }),
    }
}

/// Settings of another pod, with every feature off, and the default folder for logs.
pub(crate) fn plain(installed: &Installed) -> Settings {
    Settings {
        logs_base: PathBuf::from("/logs001/jjobs"),
        hostname: "jjobs-0".to_owned(),
        server_number: 1,
        server_address: None,
        sso_issuer: None,
        datasource: Datasource {
            jdbc_url: Secret::new("jdbc:postgresql://db:5432/jjobs"),
            parameters: Secret::new(""),
            encrypted: None,
            decrypted: None,
        },
        redis: None,
        ..everything(installed)
    }
}

/// An XML file as roxmltree reads it.
pub(crate) struct Xml {
    pub(crate) text: String,
}

impl Xml {
    pub(crate) fn read(installed: &Installed, relative: &str) -> Self {
        let bytes = installed.read(relative);
        let start = String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).into_owned();
        let encoding =
            if start.contains("EUC-KR") { encoding_rs::EUC_KR } else { encoding_rs::UTF_8 };
        let (text, _, has_errors) = encoding.decode(&bytes);
        assert!(!has_errors, "{relative}");
        let xml = Self { text: text.into_owned() };
        xml.with(|_| ());
        xml
    }

    fn with<T>(&self, ask: impl FnOnce(&roxmltree::Document<'_>) -> T) -> T {
        let options =
            roxmltree::ParsingOptions { allow_dtd: true, ..roxmltree::ParsingOptions::default() };
        let document = roxmltree::Document::parse_with_options(&self.text, options);
        ask(&document.unwrap_or_else(|error| panic!("{error}\n{}", self.text)))
    }

    /// The tree, flat: one line for every element, attribute, text and comment, with its value apart.
    fn flat(&self) -> Vec<(String, String)> {
        self.with(|document| {
            let mut lines = Vec::new();
            for node in document.descendants() {
                let place = node
                    .ancestors()
                    .map(|node| node.tag_name().name().to_owned())
                    .collect::<Vec<_>>()
                    .join("<");
                if node.is_element() {
                    lines.push((place.clone(), String::new()));
                    let attributes = node.attributes();
                    lines.extend(
                        attributes.map(|a| (format!("{place}@{}", a.name()), a.value().to_owned())),
                    );
                    // An empty text is no node: it must be one to be compared with a text that was filled in.
                    if !node.children().any(|child| child.is_text() || child.is_element()) {
                        lines.push((format!("{place} text"), String::new()));
                    }
                } else if node.is_text() {
                    let text = node.text().unwrap_or_default().trim().to_owned();
                    let parent_has_elements =
                        node.parent().unwrap().children().any(|child| child.is_element());
                    if !text.is_empty() || !parent_has_elements {
                        lines.push((place.split_once('<').unwrap().1.to_owned() + " text", text));
                    }
                } else if node.is_comment() {
                    lines.push((
                        format!("{place} comment"),
                        node.text().unwrap_or_default().to_owned(),
                    ));
                }
            }
            lines
        })
    }

    /// The values that differ in a tree that is otherwise the same.
    pub(crate) fn changes(&self, after: &Self) -> Vec<(String, String)> {
        let (before, after) = (self.flat(), after.flat());
        let places = |lines: &[(String, String)]| {
            lines.iter().map(|(place, _)| place.clone()).collect::<Vec<_>>()
        };
        assert_eq!(places(&before), places(&after));
        let pairs = before.into_iter().zip(after);
        pairs.filter(|(old, new)| old != new).map(|(old, new)| (old.1, new.1)).collect()
    }

    pub(crate) fn comments(&self) -> Vec<String> {
        self.with(|document| {
            let comments = document.descendants().filter(roxmltree::Node::is_comment);
            comments.map(|comment| comment.text().unwrap_or_default().to_owned()).collect()
        })
    }

    /// The comments that have to stay: more than elements, or outside the root.
    pub(crate) fn comments_that_are_no_elements(&self) -> Vec<String> {
        self.with(|document| {
            let comments = document.descendants().filter(roxmltree::Node::is_comment);
            comments
                .filter(|comment| {
                    comment.parent_element().is_none()
                        || elements_of(comment.text().unwrap()).is_none()
                })
                .map(|comment| comment.text().unwrap().to_owned())
                .collect()
        })
    }

    pub(crate) fn elements(&self) -> usize {
        self.with(|document| document.descendants().filter(roxmltree::Node::is_element).count())
    }

    pub(crate) fn elements_in_comments(&self) -> usize {
        self.with(|document| {
            let comments = document
                .descendants()
                .filter(|node| node.is_comment() && node.parent_element().is_some());
            comments.filter_map(|comment| elements_of(comment.text().unwrap())).sum()
        })
    }

    /// The texts of `child` in all elements of this name, in order.
    pub(crate) fn texts_of(&self, element: &str, child: &str) -> Vec<String> {
        self.with(|document| {
            document
                .descendants()
                .filter(|node| node.tag_name().name() == element)
                .flat_map(|node| {
                    node.children()
                        .filter(|node| node.tag_name().name() == child)
                        .collect::<Vec<_>>()
                })
                .map(|node| node.text().unwrap_or_default().trim().to_owned())
                .collect()
        })
    }
}

/// How many elements a text is, if it is nothing else.
fn elements_of(text: &str) -> Option<usize> {
    let wrapped = format!("<w>{text}</w>");
    let document = roxmltree::Document::parse(&wrapped).ok()?;
    let root = document.root_element();
    let is_only = root
        .children()
        .all(|node| node.is_element() || node.text().is_some_and(|text| text.trim().is_empty()));
    let count = root.descendants().filter(roxmltree::Node::is_element).count() - 1;
    (is_only && count > 0).then_some(count)
}
