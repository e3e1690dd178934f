//! `context-manager.xml`: the beans that keep the manager's sessions in Redis, beside the vendor's.
//!
//! Each is recognised by its class, so a file that already has one gets its values set, not a second bean.

use super::{
    super::{
        files::{Edit, Severity},
        properties::newline,
        xml::{Document, Element, Splices, escape, unescape},
    },
    edit_xml,
};
use crate::contract::Redis;

const CONFIGURATION: &str = "org.springframework.session.data.redis.config.annotation.web.http.RedisHttpSessionConfiguration";
const CONNECTION: &str =
    "org.springframework.data.redis.connection.lettuce.LettuceConnectionFactory";
const TEMPLATE: &str = "org.springframework.data.redis.core.RedisTemplate";
const CONSTANT_BEAN: &str = "org.springframework.beans.factory.config.FieldRetrievingFactoryBean";
/// Managed Redis services refuse the CONFIG command, which Spring Session sends without this.
const NO_OP: &str = "org.springframework.session.data.redis.config.ConfigureRedisAction.NO_OP";

/// Makes the file hold the four beans with these values.
pub(crate) fn edit(bytes: &[u8], redis: &Redis) -> Edit {
    edit_xml(bytes, Severity::Error, |document, splices, edit| {
        let root = document.root();
        if document.local_name(root) != b"beans" {
            edit.miss(Severity::Error, "beans element");
            return;
        }
        let mut writer = Writer { document, splices, new: Vec::new(), things: &mut edit.things };
        let port = redis.port.to_string();
        writer.bean(
            "redis session configuration",
            CONFIGURATION,
            None,
            &[("redisNamespace", &redis.namespace)],
        );
        let connection = writer.connection_id();
        let host = [("hostName", redis.host.as_str()), ("port", port.as_str())];
        writer.bean("redis connection", CONNECTION, Some(&connection), &host);
        writer.template(&connection);
        writer.constant();
        let new = std::mem::take(&mut writer.new);
        insert(document, splices, &new);
    })
}

struct Writer<'w, 'd> {
    document: &'w Document<'d>,
    splices: &'w mut Splices,
    /// Beans to add: one line each, without indentation.
    new: Vec<Vec<u8>>,
    things: &'w mut Vec<&'static str>,
}

impl<'w> Writer<'w, '_> {
    fn find(&self, class: &str) -> Option<&'w Element> {
        let document = self.document;
        document.named("bean").find(|bean| {
            document
                .value(bean, "class")
                .is_some_and(|value| value.trim_ascii() == class.as_bytes())
        })
    }

    /// The id by which the connection can be referred to.
    fn connection_id(&mut self) -> String {
        let Some(bean) = self.find(CONNECTION) else {
            return self.free_id("redisConnectionFactory");
        };
        if let Some(id) = self.document.value(bean, "id") {
            return String::from_utf8_lossy(&id).into_owned();
        }
        let id = self.free_id("redisConnectionFactory");
        self.splices.insert(bean.attributes_end(), format!(" id=\"{id}\""));
        id
    }

    /// `wanted`, or the like of it where another bean has that name.
    fn free_id(&self, wanted: &str) -> String {
        let is_taken = |id: &str| {
            self.document.elements.iter().any(|element| {
                ["id", "name"].iter().any(|name| {
                    self.document.value(element, name).is_some_and(|value| value == id.as_bytes())
                })
            })
        };
        let mut id = wanted.to_owned();
        while is_taken(&id) {
            id.push_str("OfSessions");
        }
        id
    }

    fn bean(
        &mut self,
        thing: &'static str,
        class: &str,
        id: Option<&str>,
        properties: &[(&str, &str)],
    ) {
        if let Some(bean) = self.find(class) {
            for (name, value) in properties {
                self.set(bean, thing, name, value);
            }
            return;
        }
        let values: Vec<u8> = properties
            .iter()
            .flat_map(|(name, value)| {
                self.line("property", &format!(" name=\"{name}\" value=\"{}\"/", escape(value)))
            })
            .collect();
        self.add(thing, id, class, &values);
    }

    fn template(&mut self, connection: &str) {
        if self.find(TEMPLATE).is_none() {
            let id = self.free_id("redisTemplate");
            let reference = format!(" name=\"connectionFactory\" ref=\"{}\"/", escape(connection));
            let property = self.line("property", &reference);
            self.add("redis template", Some(&id), TEMPLATE, &property);
        }
    }

    fn constant(&mut self) {
        let document = self.document;
        let has_attribute = document.elements.iter().any(|element| {
            element
                .attributes
                .iter()
                .any(|attribute| unescape(document.slice(&attribute.value)) == NO_OP.as_bytes())
        });
        if !has_attribute
            && !document.elements.iter().any(|element| document.text(element) == NO_OP.as_bytes())
        {
            let property =
                self.line("property", &format!(" name=\"staticField\" value=\"{NO_OP}\"/"));
            self.add("redis action", None, CONSTANT_BEAN, &property);
        }
    }

    /// Sets a property of a bean that is there.
    fn set(&mut self, bean: &Element, thing: &'static str, name: &str, value: &str) {
        let document = self.document;
        let shorthand = format!("p:{name}");
        let property = document.children_named(bean, "property").find(|property| {
            document.value(property, "name").is_some_and(|n| n == name.as_bytes())
        });
        let attribute = document
            .attribute(bean, &shorthand)
            .or_else(|| property.and_then(|property| document.attribute(property, "value")));
        let line = self.line("property", &format!(" name=\"{name}\" value=\"{}\"/", escape(value)));
        match (attribute, property) {
            (Some(attribute), _)
                if unescape(document.slice(&attribute.value)) == value.as_bytes() =>
            {
                return;
            }
            (Some(attribute), _) => self.splices.replace(attribute.value.clone(), escape(value)),
            (None, Some(property)) if document.text(property) == value.as_bytes() => return,
            (None, Some(property)) => {
                let is_value = document
                    .children_named(property, "value")
                    .next()
                    .is_some_and(|element| document.text(element) == value.as_bytes());
                if is_value {
                    return;
                }
                self.splices.replace(property.whole(), line);
            }
            (None, None) => {
                if let Some(content) = &bean.content {
                    self.splices.insert(content.start, line);
                } else {
                    let end_tag =
                        [b">", line.as_slice(), b"</", document.slice(&bean.name), b">"].concat();
                    self.splices.replace(bean.tag.end - 2..bean.tag.end, end_tag);
                }
            }
        }
        self.things.push(thing);
    }

    fn add(&mut self, thing: &'static str, id: Option<&str>, class: &str, content: &[u8]) {
        let id = id.map(|id| format!(" id=\"{}\"", escape(id))).unwrap_or_default();
        let mut bean = self.line("bean", &format!("{id} class=\"{class}\""));
        bean.extend_from_slice(content);
        bean.extend(self.line("/bean", ""));
        self.new.push(bean);
        self.things.push(thing);
    }

    /// A tag with the prefix that the file's own `beans` element has.
    fn line(&self, name: &str, rest: &str) -> Vec<u8> {
        let prefix = self.document.prefix(self.document.root());
        let (slash, name) = name.strip_prefix('/').map_or(("", name), |name| ("/", name));
        [b"<", slash.as_bytes(), prefix, name.as_bytes(), rest.as_bytes(), b">"].concat()
    }
}

/// Puts the beans just before the end of the file's root.
fn insert(document: &Document<'_>, splices: &mut Splices, beans: &[Vec<u8>]) {
    if beans.is_empty() {
        return;
    }
    let root = document.root();
    let newline = newline(document.bytes).as_bytes();
    let lines: Vec<u8> = beans
        .iter()
        .flat_map(|bean| [newline, b"    ", bean.as_slice()].concat())
        .chain(newline.iter().copied())
        .collect();
    if let Some(content) = &root.content {
        let end = content.start + document.slice(content).trim_ascii_end().len();
        splices.replace(end..content.end, lines);
    } else {
        let end_tag = [b">", lines.as_slice(), b"</", document.slice(&root.name), b">"].concat();
        splices.replace(root.tag.end - 2..root.tag.end, end_tag);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;

    fn redis() -> Redis {
        Redis { namespace: "j:<obs>".to_owned(), host: "redis.local".to_owned(), port: 6379 }
    }

    fn run(text: &str) -> String {
        let edited = edit(text.as_bytes(), &redis());
        assert_eq!(edited.findings, []);
        assert_eq!(edit(&edited.bytes, &redis()).bytes, edited.bytes);
        String::from_utf8(edited.bytes).unwrap()
    }

    #[test]
    fn the_beans_are_added_once_with_the_files_own_prefix_and_line_ends() {
        let edited = run(
            "<s:beans xmlns:s='x'>\r\n    <s:bean id='redisTemplate' class='v'/>\r\n</s:beans>\r\n",
        );
        assert!(edited.starts_with("<s:beans xmlns:s='x'>\r\n    <s:bean id='redisTemplate' class='v'/>\r\n    <s:bean class="));
        assert!(edited.ends_with("</s:bean>\r\n</s:beans>\r\n"));
        for class in [CONFIGURATION, CONNECTION, TEMPLATE, NO_OP] {
            assert_eq!(edited.matches(&format!("\"{class}\"")).count(), 1, "{class}");
        }
        assert!(edited.contains("name=\"redisNamespace\" value=\"j:&lt;obs&gt;\""));
        assert!(edited.contains("id=\"redisTemplateOfSessions\""));
        run("<beans/>");
    }

    #[test]
    fn beans_that_are_there_get_their_values() {
        let text = format!(
            "<beans><bean class='{CONFIGURATION}' p:redisNamespace='x'/><bean class='{CONNECTION}'>\
             <property name='hostName'><value>old</value></property></bean></beans>"
        );
        let edited = run(&text);
        assert_eq!(edited.matches(CONNECTION).count(), 1);
        assert!(edited.contains("p:redisNamespace='j:&lt;obs&gt;'"));
        assert!(edited.contains("<property name=\"hostName\" value=\"redis.local\"/>"));
        assert!(
            edited.contains("id=\"redisConnectionFactory\"")
                && edited.contains("ref=\"redisConnectionFactory\"")
        );
    }
}
