//! What a component *effectively* runs with: read back from the installed tree and from its own process, so that a
//! test asks the component, not the files.

use super::life::Life;
use crate::{crypto, ledger};
use roxmltree::{Document, Node};
use serde_json::{Map, Value, json};
use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

const SECURE: &str = "jjob.common.api.common.datasource.SecureDataSource";

/// The report of manager or server, also kept as `.simulator/effective/<component>.json`.
pub(crate) fn report(life: &Life, home: &Path) -> Value {
    let classes = home.join(format!("webapps/jjob-{}/WEB-INF/classes", life.component));
    let mut report = process(life);
    report["jdbc"] = datasource(&classes.join("spring/context-datasource.xml"));
    report["log_files"] = open_logs(&classes.join("properties/log4j2.xml"));
    report["dns_cache"] = dns_cache(&life.base);
    if life.component == "manager" {
        report["session_store"] = session_store(&home.join("conf/context.xml"));
        report["redis"] = redis(&home.join("webapps/jjob-manager/WEB-INF"));
    }
    keep(life, &report);
    report
}

/// The part that every JVM has: what it inherited.
pub(crate) fn process(life: &Life) -> Value {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let umask = status.lines().find_map(|line| line.strip_prefix("Umask:")).map(str::trim);
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let open_files = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))
        .and_then(|rest| rest.split_whitespace().next());
    let variables: BTreeMap<String, String> = env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into(), value.to_string_lossy().into()))
        .collect();
    json!({
        "component": life.component,
        "pid": std::process::id(),
        "argv": env::args_os().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>(),
        "cwd": env::current_dir().unwrap_or_default(),
        "umask": umask,
        "open_files": open_files,
        "env": variables,
    })
}

pub(crate) fn keep(life: &Life, report: &Value) {
    let folder = life.base.join(".simulator/effective");
    let _ = fs::create_dir_all(&folder);
    let _ = fs::write(folder.join(format!("{}.json", life.component)), format!("{report:#}\n"));
}

/// The text of a file in UTF-8, or in an encoding whose letters beyond ASCII do not matter here.
pub(crate) fn read_text(path: &Path) -> Option<String> {
    let bytes = fs::read(path).ok()?;
    let text = String::from_utf8(bytes)
        .unwrap_or_else(|error| error.into_bytes().into_iter().map(char::from).collect());
    Some(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// Runs `read` on the parsed file; a file that is missing or not well-formed is an error that shows.
fn parsed(path: &Path, read: impl Fn(&Document<'_>) -> Value) -> Value {
    let Some(text) = read_text(path) else {
        return json!({ "error": format!("cannot read {}", path.display()) });
    };
    match Document::parse(&text) {
        Ok(document) => read(&document),
        Err(error) => json!({ "error": format!("{}: {error}", path.display()) }),
    }
}

/// A Spring bean's property, written as attribute or as element.
fn property(bean: Node<'_, '_>, name: &str) -> Option<String> {
    let property = bean.children().find(|node| {
        node.tag_name().name() == "property" && node.attribute("name") == Some(name)
    })?;
    let as_element = || {
        let value = property.children().find(|node| node.tag_name().name() == "value")?;
        Some(value.text().unwrap_or_default().trim().to_owned())
    };
    property.attribute("value").map(str::to_owned).or_else(as_element)
}

fn beans<'a, 'b>(document: &'a Document<'b>) -> impl Iterator<Item = Node<'a, 'b>> {
    document.descendants().filter(|node| node.tag_name().name() == "bean")
}

fn datasource(path: &Path) -> Value {
    parsed(path, |document| {
        let Some(bean) = beans(document).find(|bean| property(*bean, "url").is_some()) else {
            return json!({ "error": "no bean has a url" });
        };
        let class = bean.attribute("class").unwrap_or_default();
        let read = |name: &str| {
            let value = property(bean, name)?;
            if class == SECURE { crypto::decrypt(&value) } else { Some(value) }
        };
        json!({
            "class": class,
            "driver": property(bean, "driverClassName"),
            "url": property(bean, "url"),
            "username": read("username"),
            "password": read("password"),
        })
    })
}

fn session_store(path: &Path) -> Value {
    parsed(path, |document| {
        let store = document.descendants().find(|node| node.attribute("driverClassName").is_some());
        store.map_or_else(Value::default, |store| {
            json!({
                "username": store.attribute("username"),
                "password": store.attribute("password"),
                "driver": store.attribute("driverClassName"),
            })
        })
    })
}

/// Sessions are in Redis when both the filter and the configuration are there.
fn redis(web_inf: &Path) -> Value {
    let filters = parsed(&web_inf.join("web.xml"), |document| {
        let names = document
            .descendants()
            .filter(|node| {
                node.has_tag_name(node.tag_name()) && node.tag_name().name() == "filter-mapping"
            })
            .filter_map(|mapping| {
                let name =
                    mapping.children().find(|node| node.tag_name().name() == "filter-name")?;
                name.text().map(|text| text.trim().to_owned())
            });
        names.collect::<Vec<_>>().into()
    });
    let mut report = parsed(&web_inf.join("classes/spring/context-manager.xml"), |document| {
        let of_class = |class: &str| {
            let is_it = |bean: &Node<'_, '_>| {
                bean.attribute("class").is_some_and(|name| name.ends_with(class))
            };
            beans(document).find(is_it)
        };
        let (Some(session), Some(connection)) =
            (of_class(".RedisHttpSessionConfiguration"), of_class(".LettuceConnectionFactory"))
        else {
            return json!({});
        };
        json!({
            "namespace": property(session, "redisNamespace"),
            "host": property(connection, "hostName"),
            "port": property(connection, "port"),
            "template": of_class(".RedisTemplate").is_some(),
        })
    });
    report["filters"] = filters;
    report
}

/// Opens every live file appender as log4j does, writes a line, and says which files those are.
fn open_logs(path: &Path) -> Value {
    parsed(path, |document| {
        let mut variables = Map::new();
        for node in document.descendants().filter(|node| node.has_tag_name("Property")) {
            if let (Some(name), Some(text)) = (node.attribute("name"), node.text()) {
                variables.insert(format!("${{{name}}}"), text.trim().into());
            }
        }
        let referred: Vec<&str> = document
            .descendants()
            .filter(|node| node.has_tag_name("AppenderRef"))
            .filter_map(|node| node.attribute("ref"))
            .collect();
        let mut files = Vec::new();
        for appender in document.descendants().filter(|node| node.has_attribute("fileName")) {
            let mut file = appender.attribute("fileName").unwrap_or_default().to_owned();
            for (name, value) in &variables {
                file = file.replace(name, value.as_str().unwrap_or_default());
            }
            if appender.attribute("name").is_some_and(|name| referred.contains(&name)) {
                let is_open = write_log(Path::new(&file)).is_ok();
                files.push(json!({ "file": file, "open": is_open }));
            }
        }
        files.into()
    })
}

fn write_log(path: &Path) -> std::io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    fs::write(path, format!("INFO {} has started\n", ledger::hostname()))
}

/// What the JVM would have read from the `java.security` beside its own executable.
fn dns_cache(base: &Path) -> Value {
    let java = env::current_exe().unwrap_or_default();
    let home = java.parent().and_then(Path::parent).unwrap_or(base);
    let candidates = [
        "jre/lib/security/java.security",
        "lib/security/java.security",
        "conf/security/java.security",
    ];
    let found: Option<PathBuf> =
        candidates.iter().map(|path| home.join(path)).find(|path| path.exists());
    let settings = found.as_deref().map(properties).unwrap_or_default();
    json!({
        "file": found,
        "ttl": settings.get("networkaddress.cache.ttl"),
        "negative_ttl": settings.get("networkaddress.cache.negative.ttl"),
    })
}

/// A Java properties file, as far as the installed ones go: continuation lines, three separators, the last
/// of several equal keys.
pub(crate) fn properties(path: &Path) -> BTreeMap<String, String> {
    let text = read_text(path).unwrap_or_default().replace("\r\n", "\n");
    let mut settings = BTreeMap::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let mut line = line.trim_start().to_owned();
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        while line.ends_with('\\') && !line.ends_with("\\\\") {
            line.pop();
            line.push_str(lines.next().unwrap_or_default().trim_start());
        }
        let end = line.find(['=', ':', ' ', '\t']).unwrap_or(line.len());
        let (key, rest) = line.split_at(end);
        let value = rest.trim_start().trim_start_matches(['=', ':']).trim_start();
        settings.insert(
            key.to_owned(),
            value.replace("\\:", ":").replace("\\=", "=").replace("\\\\", "\\"),
        );
    }
    settings
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;

    #[test]
    fn properties_are_read_as_java_reads_them() {
        let path = env::temp_dir().join(format!("properties-{}", std::process::id()));
        fs::write(
            &path,
            "# a=1\r\n! b\r\nc = d e\r\nf:g\\\r\n   h\r\nc=last\r\npath=$AGENT_NAME/logs\r\n",
        )
        .unwrap();
        let settings = properties(&path);
        fs::remove_file(&path).unwrap();
        let pairs: Vec<_> =
            settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("c", "last"), ("f", "gh"), ("path", "$AGENT_NAME/logs")]);
    }
}
