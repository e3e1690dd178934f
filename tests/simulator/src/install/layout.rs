//! What each vendor version lays out: which files, for which components, in which form.
//!
//! The files themselves are in `vendor/`, with `@NAME@` where the installer puts a value in.

use super::arguments::Settings;
use std::{
    fs,
    fs::Permissions,
    io::{self, Cursor, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
};
use zip::{ZipWriter, write::SimpleFileOptions};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vendor {
    A,
    B,
}

/// One thing that the installer writes.
pub(crate) struct Piece {
    path: String,
    content: Content,
    mode: u32,
}

/// A file in a WAR: its name and its content.
type Entry = (&'static str, Vec<u8>);

enum Content {
    Bytes(Vec<u8>),
    Folder,
    /// The simulator's own binary, linked to the first copy where possible.
    Program,
}

impl Vendor {
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        match word {
            "a" => Some(Self::A),
            "b" => Some(Self::B),
            _ => None,
        }
    }

    pub(crate) fn release(self) -> &'static str {
        match self {
            Self::A => "2.9.1-sim",
            Self::B => "3.4.0-sim",
        }
    }

    fn jdk(self) -> &'static str {
        match self {
            Self::A => "jdk8u462-b08",
            Self::B => "jdk-17.0.12+7",
        }
    }

    /// Who gets which file: the letters of `kinds` are the components, `-` is everybody.
    fn files(self) -> &'static [File] {
        match self {
            Self::A => &A,
            Self::B => &B,
        }
    }
}

struct File {
    component: char,
    path: &'static str,
    mode: u32,
    content: &'static [u8],
}

macro_rules! file {
    ($component:literal, $mode:literal, $vendor:literal, $path:literal) => {
        file!($component, $mode, $vendor, $path, $path)
    };
    ($component:literal, $mode:literal, $vendor:literal, $path:literal, $source:literal) => {
        File {
            component: $component,
            path: $path,
            mode: $mode,
            content: include_bytes!(concat!("../../vendor/", $vendor, "/", $source)),
        }
    };
}

const A: [File; 32] = [
    file!('-', 0o755, "a", "encrypter.sh"),
    file!('-', 0o644, "a", "@JDK@/jre/lib/security/java.security", "java.security"),
    file!('M', 0o755, "a", "start_manager.sh"),
    file!('M', 0o755, "a", "stop_manager.sh"),
    file!('M', 0o755, "common", "manager/bin/catalina.sh", "catalina.sh"),
    file!('M', 0o755, "common", "manager/bin/setenv.sh", "setenv.sh"),
    file!('M', 0o755, "common", "manager/bin/startup.sh", "startup.sh"),
    file!('M', 0o755, "common", "manager/bin/shutdown.sh", "shutdown.sh"),
    file!('M', 0o600, "a", "manager/conf/server.xml"),
    file!('M', 0o600, "a", "manager/conf/context.xml"),
    file!('M', 0o644, "a", "manager/webapps/jjob-manager.war!/WEB-INF/web.xml", "manager/web.xml"),
    file!(
        'M',
        0o644,
        "a",
        "manager/webapps/jjob-manager.war!/WEB-INF/classes/properties/log4j2.xml",
        "manager/log4j2.xml"
    ),
    file!(
        'M',
        0o644,
        "a",
        "manager/webapps/jjob-manager.war!/WEB-INF/classes/spring/context-datasource.xml",
        "manager/context-datasource.xml"
    ),
    file!(
        'M',
        0o644,
        "a",
        "manager/webapps/jjob-manager.war!/WEB-INF/classes/spring/context-manager.xml",
        "manager/context-manager.xml"
    ),
    file!('M', 0o644, "common", "manager/webapps/jjob-manager.war!/index.jsp", "index.jsp"),
    file!('S', 0o755, "a", "start_server.sh"),
    file!('S', 0o755, "a", "stop_server.sh"),
    file!('S', 0o755, "common", "server/bin/catalina.sh", "catalina.sh"),
    file!('S', 0o755, "common", "server/bin/setenv.sh", "setenv.sh"),
    file!('S', 0o755, "common", "server/bin/startup.sh", "startup.sh"),
    file!('S', 0o755, "common", "server/bin/shutdown.sh", "shutdown.sh"),
    file!('S', 0o600, "a", "server/conf/server.xml"),
    file!('S', 0o644, "a", "server/webapps/jjob-server.war!/WEB-INF/web.xml", "server/web.xml"),
    file!(
        'S',
        0o644,
        "a",
        "server/webapps/jjob-server.war!/WEB-INF/classes/properties/log4j2.xml",
        "server/log4j2.xml"
    ),
    file!(
        'S',
        0o644,
        "a",
        "server/webapps/jjob-server.war!/WEB-INF/classes/properties/server.properties",
        "server/server.properties"
    ),
    file!(
        'S',
        0o644,
        "a",
        "server/webapps/jjob-server.war!/WEB-INF/classes/spring/context-datasource.xml",
        "server/context-datasource.xml"
    ),
    file!('S', 0o644, "common", "server/webapps/jjob-server.war!/test.jsp", "test.jsp"),
    file!('A', 0o755, "a", "start_agent.sh"),
    file!('A', 0o755, "a", "stop_agent.sh"),
    file!('A', 0o755, "common", "agent/setenv.sh", "agent-setenv.sh"),
    file!('A', 0o644, "a", "agent/app/META-INF/resource.properties", "resource.properties"),
    file!('A', 0o644, "common", "agent/app/META-INF/MANIFEST.MF", "MANIFEST.MF"),
];

const B: [File; 33] = [
    file!('-', 0o644, "b", "@JDK@/conf/security/java.security", "java.security"),
    file!('-', 0o755, "b", "encrypter.sh"),
    file!('A', 0o755, "b", "agent/healthcheck.sh"),
    file!('A', 0o755, "b", "start_agent.sh"),
    file!('A', 0o755, "b", "stop_agent.sh"),
    file!('A', 0o755, "common", "agent/setenv.sh", "agent-setenv.sh"),
    file!('A', 0o644, "b", "agent/app/META-INF/resource.properties", "resource.properties"),
    file!('A', 0o644, "common", "agent/app/META-INF/MANIFEST.MF", "MANIFEST.MF"),
    file!('S', 0o755, "b", "start_server.sh"),
    file!('S', 0o755, "b", "stop_server.sh"),
    file!('S', 0o755, "common", "server/bin/catalina.sh", "catalina.sh"),
    file!('S', 0o755, "common", "server/bin/setenv.sh", "setenv.sh"),
    file!('S', 0o755, "common", "server/bin/startup.sh", "startup.sh"),
    file!('S', 0o755, "common", "server/bin/shutdown.sh", "shutdown.sh"),
    file!('S', 0o640, "b", "server/conf/server.xml"),
    file!(
        'S',
        0o644,
        "b",
        "server/webapps/jjob-server.war!/WEB-INF/classes/spring/context-datasource.xml",
        "server/context-datasource.xml"
    ),
    file!(
        'S',
        0o644,
        "b",
        "server/webapps/jjob-server.war!/WEB-INF/classes/properties/server.properties",
        "server/server.properties"
    ),
    file!(
        'S',
        0o644,
        "b",
        "server/webapps/jjob-server.war!/WEB-INF/classes/properties/log4j2.xml",
        "server/log4j2.xml"
    ),
    file!('S', 0o644, "b", "server/webapps/jjob-server.war!/WEB-INF/web.xml", "server/web.xml"),
    file!('S', 0o644, "common", "server/webapps/jjob-server.war!/test.jsp", "test.jsp"),
    file!('M', 0o755, "b", "start_manager.sh"),
    file!('M', 0o755, "b", "stop_manager.sh"),
    file!('M', 0o755, "common", "manager/bin/catalina.sh", "catalina.sh"),
    file!('M', 0o755, "common", "manager/bin/setenv.sh", "setenv.sh"),
    file!('M', 0o755, "common", "manager/bin/startup.sh", "startup.sh"),
    file!('M', 0o755, "common", "manager/bin/shutdown.sh", "shutdown.sh"),
    file!('M', 0o640, "b", "manager/conf/server.xml"),
    file!('M', 0o640, "b", "manager/conf/context.xml"),
    file!(
        'M',
        0o644,
        "b",
        "manager/webapps/jjob-manager.war!/WEB-INF/classes/spring/context-manager.xml",
        "manager/context-manager.xml"
    ),
    file!(
        'M',
        0o644,
        "b",
        "manager/webapps/jjob-manager.war!/WEB-INF/classes/spring/context-datasource.xml",
        "manager/context-datasource.xml"
    ),
    file!(
        'M',
        0o644,
        "b",
        "manager/webapps/jjob-manager.war!/WEB-INF/classes/properties/log4j2.xml",
        "manager/log4j2.xml"
    ),
    file!('M', 0o644, "b", "manager/webapps/jjob-manager.war!/WEB-INF/web.xml", "manager/web.xml"),
    file!('M', 0o644, "common", "manager/webapps/jjob-manager.war!/index.jsp", "index.jsp"),
];

impl Piece {
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn write(&self, base: &Path) -> io::Result<()> {
        let path = base.join(&self.path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        match &self.content {
            Content::Folder => return fs::create_dir_all(&path),
            Content::Bytes(bytes) => fs::write(&path, bytes)?,
            Content::Program => write_program(base, &path)?,
        }
        fs::set_permissions(&path, Permissions::from_mode(self.mode))
    }
}

fn write_program(base: &Path, path: &Path) -> io::Result<()> {
    let first = base.join(".simulator/bin/jjobs-simulator");
    if !first.exists() {
        fs::create_dir_all(base.join(".simulator/bin"))?;
        // Not `current_exe`: the stub's copy has been removed already, but can still be read here. Moved into its place
        // when it is whole: this installer may be killed.
        let draft = first.with_extension("new");
        fs::copy("/proc/self/exe", &draft)?;
        fs::set_permissions(&draft, Permissions::from_mode(0o755))?;
        fs::rename(&draft, &first)?;
    }
    // A running JVM of an earlier installation keeps its file.
    if path.exists() {
        fs::remove_file(path)?;
    }
    fs::hard_link(&first, path).or_else(|_| fs::copy(&first, path).map(drop))
}

/// Everything that this installation consists of, in the order the vendor writes it.
pub(crate) fn pieces(vendor: Vendor, settings: &Settings) -> Vec<Piece> {
    let kind = settings.get("install_kind");
    let wanted = |component: char| match component {
        '-' => true,
        letter => kind == "F" || kind.contains(letter),
    };
    let mut pieces = vec![program(&format!("{}/bin/java", vendor.jdk()))];
    if vendor == Vendor::A {
        pieces.push(program(&format!("{}/jre/bin/java", vendor.jdk())));
    }
    for (letter, folders) in [
        ('M', ["manager/logs", "manager/temp", "manager/work"]),
        ('S', ["server/logs", "server/temp", "server/work"]),
        ('A', ["agent/lib", "agent/app/lib", "agent/work"]),
    ] {
        if wanted(letter) {
            pieces.extend(folders.map(|folder| Piece {
                path: folder.to_owned(),
                content: Content::Folder,
                mode: 0o755,
            }));
        }
    }
    let mut wars: Vec<(&str, Vec<Entry>)> = Vec::new();
    for file in vendor.files().iter().filter(|file| wanted(file.component)) {
        let content = filled(file.content, vendor, settings, file.component);
        match file.path.split_once("!/") {
            None => pieces.push(Piece {
                path: file.path.replace("@JDK@", vendor.jdk()),
                content: Content::Bytes(content),
                mode: file.mode,
            }),
            Some((war, entry)) => match wars.iter_mut().find(|(path, _)| *path == war) {
                Some((_, entries)) => entries.push((entry, content)),
                None => wars.push((war, vec![(entry, content)])),
            },
        }
    }
    for (path, entries) in wars {
        let content = Content::Bytes(war(&entries).unwrap_or_default());
        pieces.push(Piece { path: path.to_owned(), content, mode: 0o644 });
    }
    pieces
}

fn program(path: &str) -> Piece {
    Piece { path: path.to_owned(), content: Content::Program, mode: 0o755 }
}

fn war(entries: &[Entry]) -> zip::result::ZipResult<Vec<u8>> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default();
    archive.add_directory("META-INF/", options)?;
    archive.start_file("META-INF/MANIFEST.MF", options)?;
    archive.write_all(b"Manifest-Version: 1.0\r\nCreated-By: jjobs-simulator\r\n\r\n")?;
    archive.add_directory("WEB-INF/lib/", options)?;
    for (name, content) in entries {
        archive.start_file(*name, options)?;
        archive.write_all(content)?;
    }
    // Something with a name that is not ASCII, and something large that packs well.
    archive.start_file("resources/도움말.html", options)?;
    archive.write_all("<p>도움말</p>\n".as_bytes())?;
    archive.start_file("resources/filler.bin", options)?;
    archive.write_all(&vec![b'j'; 256 << 10])?;
    Ok(archive.finish()?.into_inner())
}

/// Puts the settings in for their `@NAME@`. Values inside XML are escaped, as any installer must.
fn filled(template: &[u8], vendor: Vendor, settings: &Settings, component: char) -> Vec<u8> {
    let port = |name: &str| settings.get(name).parse::<u16>().unwrap_or(0);
    let web_port =
        if component == 'M' { port("man_web_port") } else { port("svr_service_web_port") };
    let shutdown_port = web_port.checked_add(20).unwrap_or(web_port.saturating_sub(20));
    let values = [
        ("@BASE@", settings.base().to_owned()),
        ("@JDK@", vendor.jdk().to_owned()),
        ("@WEB_PORT@", web_port.to_string()),
        ("@SHUTDOWN_PORT@", shutdown_port.to_string()),
        ("@TCP_PORT@", settings.get("svr_cotrol_base_port").to_owned()),
        ("@JDBC_URL@", escaped(settings.get("jdbc_url"))),
        ("@DRIVER@", settings.driver().to_owned()),
        ("@DB_USER@", escaped(settings.get("dbms_user"))),
        ("@DB_PASSWORD@", escaped(settings.get("dbms_pswd"))),
        ("@GROUP@", settings.get("agnt_group").to_owned()),
        ("@STARTUP_HOST@", settings.get("agnt_startup_svc_domain").to_owned()),
        ("@STARTUP_PORT@", settings.get("agnt_startup_svc_port").to_owned()),
        ("@MAN_WEB_PORT@", settings.get("man_web_port").to_owned()),
    ];
    let mut rest = template;
    let mut filled = Vec::with_capacity(template.len());
    'next: while let Some((first, tail)) = rest.split_first() {
        if *first == b'@' {
            for (name, value) in &values {
                if let Some(tail) = rest.strip_prefix(name.as_bytes()) {
                    filled.extend_from_slice(value.as_bytes());
                    rest = tail;
                    continue 'next;
                }
            }
        }
        filled.push(*first);
        rest = tail;
    }
    filled
}

fn escaped(value: &str) -> String {
    value
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&apos;")
}
