//! `manager/conf/context.xml`: the login of Tomcat's session store.
//!
//! The store keeps the login itself (`<Manager>`, `<Store>`) or names a `<Resource>` that does. Which driver it uses is the
//! vendor's choice and stays.

use super::{
    super::{
        files::{Edit, Severity},
        settings::DecryptedLogin,
        xml::{Document, Element, escape, unescape},
    },
    edit_xml,
};

/// The names that a user and a password have: in a datasource, and in Tomcat's older `JDBCStore`.
const LOGINS: [(&str, &str); 2] =
    [("username", "password"), ("connectionName", "connectionPassword")];

/// Writes the login. `severity` is that of there being no store.
pub(crate) fn edit(bytes: &[u8], login: &DecryptedLogin, severity: Severity) -> Edit {
    edit_xml(bytes, severity, |document, splices, edit| {
        let stores = stores(document);
        if stores.is_empty() {
            edit.miss(severity, "session store with username, password and driverClassName");
        }
        for (store, (user, password)) in stores {
            for (name, thing, value) in [
                (user, "session store user", &login.user),
                (password, "session store password", &login.password),
            ] {
                if let Some(attribute) = document.attribute(store, name)
                    && unescape(document.slice(&attribute.value)) != value.expose().as_bytes()
                {
                    splices.replace(attribute.value.clone(), escape(value.expose()));
                    edit.things.push(thing);
                }
            }
        }
    })
}

type Login = (&'static str, &'static str);

/// The elements that hold the session store's login: the store itself, else the resource it names, else every database
/// resource there is.
fn stores<'e>(document: &'e Document<'_>) -> Vec<(&'e Element, Login)> {
    let login = |element: &Element| {
        LOGINS.into_iter().find(|(user, password)| {
            document.attribute(element, user).is_some()
                && document.attribute(element, password).is_some()
        })
    };
    let with_login = |name: &'static str| {
        document
            .named(name)
            .filter_map(move |element| Some((element, login(element)?)))
            .collect::<Vec<_>>()
    };
    let own = [with_login("Manager"), with_login("Store")].concat();
    if !own.is_empty() {
        return own;
    }
    let is_database = |element: &Element| {
        ["driverClassName", "driverName", "url"]
            .iter()
            .any(|name| document.attribute(element, name).is_some())
            || document.value(element, "type").is_some_and(|kind| kind.ends_with(b"DataSource"))
    };
    let resources: Vec<_> =
        with_login("Resource").into_iter().filter(|(element, _)| is_database(element)).collect();
    let named: Vec<Vec<u8>> = ["Manager", "Store"]
        .into_iter()
        .flat_map(|name| document.named(name))
        .filter_map(|element| document.value(element, "dataSourceName"))
        .collect();
    let is_named = |element: &Element| {
        document.value(element, "name").is_some_and(|name| named.iter().any(|n| n.ends_with(&name)))
    };
    let chosen: Vec<_> =
        resources.iter().copied().filter(|(element, _)| is_named(element)).collect();
    if chosen.is_empty() { resources } else { chosen }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;
    use crate::contract::secret::Secret;

    fn run(text: &str) -> (String, usize) {
        let login = DecryptedLogin { user: Secret::new("kim"), password: Secret::new("<p'w\">") };
        let edited = edit(text.as_bytes(), &login, Severity::Error);
        assert_eq!(edit(&edited.bytes, &login, Severity::Error).bytes, edited.bytes);
        (String::from_utf8(edited.bytes).unwrap(), edited.findings.len())
    }

    #[test]
    fn the_login_is_written_where_the_store_keeps_it() {
        for (before, after) in [
            (
                "<Context><Manager><Store driverClassName='d'\n\tpassword='y' username=\"x\"/></Manager></Context>",
                "<Context><Manager><Store driverClassName='d'\n\tpassword='&lt;p&apos;w&quot;&gt;' username=\"kim\"/></Manager></Context>",
            ),
            (
                "<Context><Store driverName='d' connectionName='x' connectionPassword='y'/></Context>",
                "<Context><Store driverName='d' connectionName='kim' connectionPassword='&lt;p&apos;w&quot;&gt;'/></Context>",
            ),
            (
                "<Context><Resource name='mail' type='javax.mail.Session' username='m' password='n'/>\
                 <Resource name='a' url='u' username='m' password='n'/><Resource name='jdbc/s' url='u' username='x' password='y'/>\
                 <Manager><Store dataSourceName='jdbc/s'/></Manager></Context>",
                "<Context><Resource name='mail' type='javax.mail.Session' username='m' password='n'/>\
                 <Resource name='a' url='u' username='m' password='n'/>\
                 <Resource name='jdbc/s' url='u' username='kim' password='&lt;p&apos;w&quot;&gt;'/>\
                 <Manager><Store dataSourceName='jdbc/s'/></Manager></Context>",
            ),
        ] {
            assert_eq!(run(before), (after.to_owned(), 0));
        }
    }

    #[test]
    fn a_file_without_a_store_is_reported_and_left() {
        for text in [
            "<Context/>",
            "<Context><!-- <Store username='x' password='y'/> --></Context>",
            "<Context>",
        ] {
            assert_eq!(run(text), (text.to_owned(), 1));
        }
    }
}
