//! `context-datasource.xml`: parameters behind the JDBC URL, and the encrypted login.
//!
//! A Spring file may hold several datasources, and only that of the meta DB is ours: the one whose URL is `JDBC_URL`,
//! which the installer wrote there. Values may stand in every form Spring reads: `value="…"`, `<value>…</value>`,
//! `p:url="…"`, in the bean or in its parent.

use super::{
    super::{
        files::{Edit, Severity},
        settings::Datasource,
        xml::{Document, Element, Span, Splices, escape, split_name, unescape},
    },
    edit_xml,
};
use crate::contract::secret::Secret;

const P_NAMESPACE: &[u8] = b"http://www.springframework.org/schema/p";
const PLAIN_CLASS: &str = "org.apache.commons.dbcp2.BasicDataSource";
const SECURE_CLASS: &str = "jjob.common.api.common.datasource.SecureDataSource";

/// Appends the parameters and writes the encrypted login.
pub(crate) fn edit(bytes: &[u8], settings: &Datasource) -> Edit {
    edit_xml(bytes, Severity::Error, |document, splices, edit| {
        let parameters = settings.parameters.expose();
        if parameters.is_empty() && settings.encrypted.is_none() {
            return;
        }
        let beans = meta_db_beans(document, settings.jdbc_url.expose());
        if beans.is_empty() {
            edit.miss(Severity::Error, "datasource bean with a url");
            return;
        }
        let mut editor = Editor { document, splices, edit, done: Vec::new() };
        for bean in beans {
            if !parameters.is_empty() {
                editor.append_parameters(bean, parameters);
            }
            if let Some(login) = &settings.encrypted {
                editor.make_secure(bean);
                editor.set(bean, "username", "encrypted user", &login.user);
                editor.set(bean, "password", "encrypted password", &login.password);
            }
        }
    })
}

struct Editor<'e, 'd> {
    document: &'e Document<'d>,
    splices: &'e mut Splices,
    edit: &'e mut Edit,
    /// Where something was edited already: beans may share a parent.
    done: Vec<usize>,
}

impl Editor<'_, '_> {
    fn append_parameters(&mut self, bean: &Element, parameters: &str) {
        for place in places(self.document, bean, "url") {
            if holds_parameters(&place.value(self.document), parameters)
                || !self.is_first(place.start())
            {
                continue;
            }
            self.splices.insert(place.end(self.document), escape(parameters));
            self.edit.things.push("url");
        }
    }

    fn make_secure(&mut self, bean: &Element) {
        let chain = with_parents(self.document, bean);
        let classes: Vec<&Span> = chain
            .iter()
            .filter_map(|bean| self.document.attribute(bean, "class"))
            .map(|class| &class.value)
            .collect();
        let is = |span: &Span, name: &str| {
            unescape(self.document.slice(span)).trim_ascii() == name.as_bytes()
        };
        if classes.iter().any(|span| is(span, SECURE_CLASS)) {
            return;
        }
        let Some(plain) = classes.into_iter().find(|span| is(span, PLAIN_CLASS)) else {
            self.edit.miss(Severity::Error, format!("class {PLAIN_CLASS} of the datasource"));
            return;
        };
        if self.is_first(plain.start) {
            self.splices.replace(plain.clone(), SECURE_CLASS);
            self.edit.things.push("datasource class");
        }
    }

    fn set(&mut self, bean: &Element, property: &'static str, thing: &'static str, value: &Secret) {
        let places = places(self.document, bean, property);
        if places.is_empty() {
            self.edit.miss(Severity::Error, format!("{property} of the datasource"));
        }
        for place in places {
            if place.value(self.document) == value.expose().as_bytes()
                || !self.is_first(place.start())
            {
                continue;
            }
            place.write(self.document, self.splices, &escape(value.expose()));
            self.edit.things.push(thing);
        }
    }

    fn is_first(&mut self, place: usize) -> bool {
        let is_first = !self.done.contains(&place);
        self.done.push(place);
        is_first
    }
}

/// Whether the URL has the parameters already: at its end, or, where somebody wrote more behind them, within.
fn holds_parameters(url: &[u8], parameters: &str) -> bool {
    let parameters = parameters.as_bytes();
    let begins_itself = matches!(parameters.first(), Some(b'?' | b'&' | b';'));
    let is_within = |at: usize| {
        url[at..]
            .strip_prefix(parameters)
            .is_some_and(|rest| matches!(rest.first(), Some(b'&' | b';')))
    };
    url.ends_with(parameters) || begins_itself && (0..url.len()).any(is_within)
}

/// Where a property's value stands, or can be written.
enum Place<'e> {
    /// Between an attribute's quotes.
    Attribute(Span),
    /// In this `<value>` element.
    Element(&'e Element),
    /// Nowhere yet: this `<property>` has neither attribute nor content.
    Nowhere(&'e Element),
}

impl Place<'_> {
    fn start(&self) -> usize {
        match self {
            Self::Attribute(span) => span.start,
            Self::Element(element) | Self::Nowhere(element) => element.tag.start,
        }
    }

    fn value(&self, document: &Document<'_>) -> Vec<u8> {
        match self {
            Self::Attribute(span) => unescape(document.slice(span)),
            Self::Element(element) => document.text(element),
            Self::Nowhere(_) => Vec::new(),
        }
    }

    /// Just behind the last character of a value that is not empty.
    fn end(&self, document: &Document<'_>) -> usize {
        let end_of = |element: &Element| {
            let is_text =
                |cdata: bool, span: &Span| cdata || !document.slice(span).trim_ascii().is_empty();
            let last = document
                .pieces_of(element)
                .filter(|piece| is_text(piece.cdata, &piece.span))
                .last();
            match last {
                Some(piece) if piece.cdata => piece.span.end + b"]]>".len(),
                Some(piece) => {
                    piece.span.start + document.slice(&piece.span).trim_ascii_end().len()
                }
                None => element.tag.end,
            }
        };
        match self {
            Self::Attribute(span) => span.end,
            Self::Element(element) | Self::Nowhere(element) => end_of(element),
        }
    }

    fn write(&self, document: &Document<'_>, splices: &mut Splices, escaped: &str) {
        match self {
            Self::Attribute(span) => splices.replace(span.clone(), escaped),
            Self::Nowhere(element) => {
                splices.insert(element.attributes_end(), format!(" value=\"{escaped}\""));
            }
            Self::Element(element) => {
                if let Some(content) = &element.content {
                    splices.replace(content.clone(), escaped);
                } else {
                    // `<value/>`, with any attributes it has: opened, filled and closed.
                    let end_tag =
                        [b">", escaped.as_bytes(), b"</", document.slice(&element.name), b">"]
                            .concat();
                    splices.replace(element.tag.end - 2..element.tag.end, end_tag);
                }
            }
        }
    }
}

/// Every place of a property: in the bean itself, else in the nearest parent that has it.
fn places<'e>(document: &'e Document<'_>, bean: &'e Element, property: &str) -> Vec<Place<'e>> {
    with_parents(document, bean)
        .into_iter()
        .map(|bean| own_places(document, bean, property))
        .find(|places| !places.is_empty())
        .unwrap_or_default()
}

fn own_places<'e>(document: &'e Document<'_>, bean: &'e Element, property: &str) -> Vec<Place<'e>> {
    let elements = document.children_named(bean, "property").filter(|element| {
        document.value(element, "name").is_some_and(|name| name == property.as_bytes())
    });
    let mut places: Vec<Place<'e>> =
        elements.filter_map(|element| property_place(document, element)).collect();
    let shorthand = bean.attributes.iter().find(|attribute| {
        let (prefix, name) = split_name(document.slice(&attribute.name));
        !prefix.is_empty()
            && name == property.as_bytes()
            && document.namespace(bean, prefix).is_none_or(|uri| uri == P_NAMESPACE)
    });
    places.extend(shorthand.map(|attribute| Place::Attribute(attribute.value.clone())));
    places
}

/// Where the value of a `<property>` stands; `None` where it is no plain value (a reference, a nested bean).
fn property_place<'e>(document: &'e Document<'_>, property: &'e Element) -> Option<Place<'e>> {
    if let Some(value) = document.attribute(property, "value") {
        return Some(Place::Attribute(value.value.clone()));
    }
    if let Some(value) = document.children_named(property, "value").next() {
        return Some(Place::Element(value));
    }
    let is_reference = document.attribute(property, "ref").is_some();
    (!is_reference && document.children(property).next().is_none())
        .then_some(Place::Nowhere(property))
}

/// A bean, its parent, and so on.
fn with_parents<'e>(document: &'e Document<'_>, bean: &'e Element) -> Vec<&'e Element> {
    let mut chain = vec![bean];
    while let Some(parent) = chain.last().and_then(|bean| document.value(bean, "parent")) {
        let found = document
            .named("bean")
            .find(|bean| document.value(bean, "id").is_some_and(|id| id == parent));
        match found {
            // A bean that is its own ancestor is the vendor's problem, not a reason to hang.
            Some(found) if !chain.iter().any(|bean| bean.index == found.index) => chain.push(found),
            _ => break,
        }
    }
    chain
}

/// Whether a bean with this URL is meant.
type Rule<'r> = dyn Fn(&Element, &[u8]) -> bool + 'r;

/// The beans that connect to the meta DB: those with its URL; without one, the one called `dataSource`; else those of a
/// class we know; else every one with something like a JDBC URL.
fn meta_db_beans<'e>(document: &'e Document<'_>, jdbc_url: &str) -> Vec<&'e Element> {
    let url = |bean: &Element| {
        let urls = places(document, bean, "url")
            .into_iter()
            .map(|place| place.value(document).trim_ascii().to_vec());
        urls.into_iter().find(|url| !url.is_empty())
    };
    let is_abstract =
        |bean: &Element| document.value(bean, "abstract").is_some_and(|value| value == b"true");
    // Other beans have URLs, too: of web services, of directories.
    let is_foreign =
        |url: &[u8]| !url.starts_with(b"jdbc:") && url.windows(3).any(|part| part == b"://");
    let candidates: Vec<(&Element, Vec<u8>)> = document
        .named("bean")
        .filter(|bean| !is_abstract(bean))
        .filter_map(|bean| Some((bean, url(bean)?)))
        .filter(|(_, url)| !is_foreign(url))
        .collect();
    let is_meta_db = |url: &[u8]| {
        let rest = url.strip_prefix(jdbc_url.as_bytes()).filter(|_| !jdbc_url.is_empty());
        rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'?' | b'&' | b';')))
    };
    let has = |bean: &Element, name: &str, values: &[&str]| {
        let value = document.value(bean, name).unwrap_or_default();
        values.iter().any(|wanted| value.trim_ascii().eq_ignore_ascii_case(wanted.as_bytes()))
    };
    let rules: [&Rule<'_>; 4] = [
        &|_, url| is_meta_db(url),
        &|bean, _| has(bean, "id", &["dataSource"]) || has(bean, "name", &["dataSource"]),
        &|bean, _| has(bean, "class", &[PLAIN_CLASS, SECURE_CLASS]),
        &|_, _| true,
    ];
    let chosen = |rule: &Rule<'_>| -> Vec<&Element> {
        candidates.iter().filter(|(bean, url)| rule(bean, url)).map(|(bean, _)| *bean).collect()
    };
    rules.into_iter().map(chosen).find(|beans| !beans.is_empty()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;
    use crate::contract::EncryptedLogin;

    fn settings(parameters: &str, encrypted: bool) -> Datasource {
        Datasource {
            jdbc_url: Secret::new("jdbc:postgresql://db/jjobs"),
            parameters: Secret::new(parameters),
            encrypted: encrypted.then(|| EncryptedLogin {
                user: Secret::new("eU=="),
                password: Secret::new("eP&+/="),
            }),
            decrypted: None,
        }
    }

    fn run(text: &str, settings: &Datasource) -> String {
        let edited = edit(text.as_bytes(), settings);
        assert_eq!(edited.findings, []);
        assert_eq!(
            edit(&edited.bytes, settings).bytes,
            edited.bytes,
            "a second run on the result adds nothing"
        );
        String::from_utf8(edited.bytes).unwrap()
    }

    #[test]
    fn parameters_are_appended_in_every_form_of_a_value() {
        for (before, after) in [
            (
                r#"<bean><property name="url" value="jdbc:x"/></bean>"#,
                r#"<bean><property name="url" value="jdbc:x?a=1&amp;b=2"/></bean>"#,
            ),
            (
                "<bean><property value='jdbc:x' name='url'></property></bean>",
                "<bean><property value='jdbc:x?a=1&amp;b=2' name='url'></property></bean>",
            ),
            (
                "<bean><property name='url'>
<value>
 jdbc:x
</value></property></bean>",
                "<bean><property name='url'>
<value>
 jdbc:x?a=1&amp;b=2
</value></property></bean>",
            ),
            (
                "<bean><property name='url'><value><![CDATA[jdbc:x]]> </value></property></bean>",
                "<bean><property name='url'><value><![CDATA[jdbc:x]]>?a=1&amp;b=2 </value></property></bean>",
            ),
            (
                "<b:bean xmlns:b='s' p:url='${jdbc.url}'/>",
                "<b:bean xmlns:b='s' p:url='${jdbc.url}?a=1&amp;b=2'/>",
            ),
        ] {
            assert_eq!(run(before, &settings("?a=1&b=2", false)), after);
        }
    }

    #[test]
    fn the_encrypted_login_is_written_in_every_form_of_a_value() {
        let text = r#"<beans><bean id="d" class=" org.apache.commons.dbcp2.BasicDataSource" p:username="u">
            <property name="url" value="jdbc:x"/><property name="password"><value type="x"/></property></bean></beans>"#;
        let edited = run(text, &settings("", true));
        assert!(
            edited.contains(
                r#"class="jjob.common.api.common.datasource.SecureDataSource" p:username="eU==""#
            ),
            "{edited}"
        );
        assert!(edited.contains(r#"<value type="x">eP&amp;+/=</value>"#), "{edited}");
        let text = text.replace(r#"<value type="x"/>"#, "").replace("></property>", "/>");
        assert!(
            run(&text, &settings("", true))
                .contains(r#"<property name="password" value="eP&amp;+/="/>"#)
        );
    }

    #[test]
    fn only_the_datasource_of_the_meta_db_is_edited() {
        let text = "<beans><bean id='other'><property name='url' value='jdbc:oracle:thin:@o:1:x'/></bean>                    <bean id='old'><property name='url' value='jdbc:postgresql://db/jjobs_old'/></bean>\
                    <bean id='web'><property name='url' value='http://db/jjobs'/></bean>\
                    <bean id='meta'><property name='url' value='jdbc:postgresql://db/jjobs'/></bean></beans>";
        let edited = run(text, &settings("?a=1", false));
        assert_eq!(
            edited,
            text.replace("db/jjobs'/></bean></beans>", "db/jjobs?a=1'/></bean></beans>")
        );
        let text = text
            .replace("db/jjobs'/></bean></beans>", "db/other'/></bean></beans>")
            .replace("'other'", "'dataSource'");
        assert_eq!(run(&text, &settings("?a=1", false)), text.replace("1:x", "1:x?a=1"));
    }

    #[test]
    fn a_login_in_the_parent_bean_is_found() {
        let text = "<beans><bean id='base' abstract='true' class='org.apache.commons.dbcp2.BasicDataSource'>                    <property name='username' value='u'/><property name='password' value='p'/></bean>                    <bean id='a' parent='base' p:url='jdbc:a'/><bean id='b' parent='base' p:url='jdbc:b'/></beans>";
        let edited = run(text, &settings("", true));
        assert!(edited.contains("value='eU=='") && edited.contains("SecureDataSource"), "{edited}");
    }

    #[test]
    fn what_is_not_found_is_named_all_at_once() {
        let edited = edit(
            b"<bean class='x'><property name='url' value='jdbc:x'/></bean>",
            &settings("", true),
        );
        let things: Vec<_> = edited.findings.iter().map(|finding| finding.thing.as_str()).collect();
        assert_eq!(
            things,
            [
                "class org.apache.commons.dbcp2.BasicDataSource of the datasource",
                "username of the datasource",
                "password of the datasource"
            ]
        );
        assert_eq!(
            edit(b"<beans/>", &settings("?a", false)).findings[0].thing,
            "datasource bean with a url"
        );
        assert_eq!(edit(b"<beans>", &settings("", false)).findings[0].severity, Severity::Error);
    }
}
