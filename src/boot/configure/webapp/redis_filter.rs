//! `web.xml`: Spring Session's filter, before every other.
//!
//! Filters run in the order of their mappings: what runs before this one would see Tomcat's sessions instead.

use super::{
    super::{
        files::{Edit, Severity},
        properties::newline,
        xml::{Document, Element, Splices},
    },
    edit_xml,
};

const NAME: &str = "springSessionRepositoryFilter";
const CLASS: &str = "org.springframework.web.filter.DelegatingFilterProxy";

/// What a `web-app` of an old version, whose DTD fixes the order, must have before its filters.
const BEFORE_FILTERS: [&[u8]; 9] = [
    b"icon",
    b"display-name",
    b"description",
    b"distributable",
    b"context-param",
    b"module-name",
    b"absolute-ordering",
    b"default-context-path",
    b"request-character-encoding",
];

/// Makes the file hold the filter once, mapped to `/*` before the others.
pub(crate) fn edit(bytes: &[u8]) -> Edit {
    edit_xml(bytes, Severity::Error, |document, splices, edit| {
        let root = document.root();
        if document.local_name(root) != b"web-app" {
            edit.miss(Severity::Error, "web-app element");
            return;
        }
        let (filters, mappings) = (all(document, "filter"), all(document, "filter-mapping"));
        let is_right = matches!(filters.as_slice(), [filter] if child_text(document, filter, "filter-class") == CLASS.as_bytes())
            && mappings.len() == 1
            && document.children_named(root, "filter-mapping").next().is_some_and(|first| {
                first.index == mappings[0].index
                    && child_text(document, first, "url-pattern") == b"/*"
            });
        if is_right {
            return;
        }
        for element in filters.iter().chain(&mappings) {
            remove(document, splices, element);
        }
        let is_ours = |element: &Element| {
            filters.iter().chain(&mappings).any(|ours| ours.index == element.index)
        };
        let other = |name: &'static str| {
            document.children_named(root, name).filter(move |element| !is_ours(element))
        };
        let filter = element(document, "filter", &[("filter-name", NAME), ("filter-class", CLASS)]);
        let mapping =
            element(document, "filter-mapping", &[("filter-name", NAME), ("url-pattern", "/*")]);
        edit.things.push("session filter");
        let Some(content) = &root.content else {
            let end_tag =
                [b">".as_slice(), &filter, &mapping, b"</", document.slice(&root.name), b">"]
                    .concat();
            splices.replace(root.tag.end - 2..root.tag.end, end_tag);
            return;
        };
        let after_head = document
            .children(root)
            .filter(|child| BEFORE_FILTERS.contains(&document.local_name(child)))
            .last()
            .map_or(content.start, |child| child.end);
        let before_filters = other("filter").next().map(|first| before(document, first));
        let filter_at = before_filters.unwrap_or(after_head);
        let mapping_at = match (other("filter-mapping").next(), other("filter").last()) {
            (Some(first), _) => before(document, first),
            (None, Some(last)) => last.end,
            (None, None) => filter_at,
        };
        splices.insert(filter_at, filter);
        splices.insert(mapping_at, mapping);
    })
}

/// The filters, or mappings, that have our filter's name.
fn all<'e>(document: &'e Document<'_>, kind: &'static str) -> Vec<&'e Element> {
    document
        .children_named(document.root(), kind)
        .filter(|element| child_text(document, element, "filter-name") == NAME.as_bytes())
        .collect()
}

fn child_text(document: &Document<'_>, element: &Element, name: &str) -> Vec<u8> {
    document
        .children_named(element, name)
        .next()
        .map(|child| document.text(child))
        .unwrap_or_default()
}

/// Where a new element goes before `next`: behind whatever precedes it on the lines above, so that its indentation stays.
fn before(document: &Document<'_>, next: &Element) -> usize {
    document.bytes[..next.tag.start].trim_ascii_end().len()
}

/// Takes an element out together with the white space before it.
fn remove(document: &Document<'_>, splices: &mut Splices, element: &Element) {
    splices.replace(before(document, element)..element.end, "");
}

/// An element of the file's own prefix and line ends, on lines of its own.
fn element(document: &Document<'_>, name: &str, children: &[(&str, &str)]) -> Vec<u8> {
    let prefix = String::from_utf8_lossy(document.prefix(document.root())).into_owned();
    let newline = newline(document.bytes);
    let children = children.iter().fold(String::new(), |text, (child, value)| {
        text + &format!("{newline}        <{prefix}{child}>{value}</{prefix}{child}>")
    });
    format!("{newline}    <{prefix}{name}>{children}{newline}    </{prefix}{name}>").into_bytes()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;

    fn run(text: &str) -> String {
        let edited = edit(text.as_bytes());
        assert_eq!(edited.findings, []);
        assert_eq!(edit(&edited.bytes).bytes, edited.bytes);
        let document = Document::parse(&edited.bytes).unwrap();
        let (filters, mappings) = (all(&document, "filter"), all(&document, "filter-mapping"));
        assert_eq!((filters.len(), mappings.len()), (1, 1));
        for kind in ["filter", "filter-mapping"] {
            let first = document.children_named(document.root(), kind).next().unwrap();
            assert_eq!(child_text(&document, first, "filter-name"), NAME.as_bytes());
        }
        assert_eq!(child_text(&document, mappings[0], "url-pattern"), b"/*");
        String::from_utf8(edited.bytes).unwrap()
    }

    fn order(text: &str) -> Vec<String> {
        let document = Document::parse(text.as_bytes()).unwrap();
        document
            .children(document.root())
            .map(|child| String::from_utf8_lossy(document.local_name(child)).into_owned())
            .collect()
    }

    const OTHER: &str =
        "<filter><filter-name>a</filter-name><filter-class>A</filter-class></filter>";
    const OTHER_MAPPING: &str = "<filter-mapping><filter-name>a</filter-name><url-pattern>*.do</url-pattern></filter-mapping>";

    #[test]
    fn the_filter_is_first_and_the_order_of_the_old_dtd_is_kept() {
        let head = "<display-name>m</display-name><context-param/>";
        let tail = "<listener/><servlet/>";
        for (middle, expected) in [
            (format!("{OTHER}{OTHER_MAPPING}"), "filter filter filter-mapping filter-mapping"),
            (OTHER.to_owned(), "filter filter filter-mapping"),
            (String::new(), "filter filter-mapping"),
        ] {
            let edited = run(&format!("<web-app>{head}{middle}{tail}</web-app>"));
            assert_eq!(
                order(&edited).join(" "),
                format!("display-name context-param {expected} listener servlet")
            );
        }
        run("<j:web-app xmlns:j='x'/>");
    }

    #[test]
    fn a_filter_that_is_there_is_moved_to_the_front_and_never_doubled() {
        let ours = OTHER.replace(">a<", &format!(">{NAME}<"));
        let mapping = OTHER_MAPPING.replace(">a<", &format!(">\n {NAME}\n<"));
        run(&format!("<web-app>{OTHER}{ours}{OTHER_MAPPING}{mapping}</web-app>"));
        run(&format!("<web-app>{ours}{mapping}{ours}{OTHER}{OTHER_MAPPING}{mapping}</web-app>"));
        run(&format!("<web-app>{ours}</web-app>"));
    }
}
