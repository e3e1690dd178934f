//! `log4j2.xml`: file logging switched on, below `LOGS_BASE`.
//!
//! The vendor ships the file appenders and their references commented out, beside comments that explain. A comment is
//! switched on by its content, not by its place: it is nothing but elements, and the file parses with them in it.

use super::super::{
    files::{Edit, Severity},
    xml::{Document, Splices, escape, is_element_sequence},
};

/// What to make of a component's `log4j2.xml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogFolder {
    /// The vendor's folder: `/logs001/jjobs/server`.
    pub(crate) vendor: String,
    /// Ours: `$LOGS_BASE/server/$HOSTNAME`, expanded.
    pub(crate) wanted: String,
}

/// Switches the file appenders on and moves every path.
pub(crate) fn edit(bytes: &[u8], folder: &LogFolder) -> Edit {
    let mut edit = Edit::unchanged(bytes);
    if let Err(error) = Document::parse(bytes) {
        edit.miss(Severity::Warning, error.to_string());
        return edit;
    }
    let uncommented = uncomment(bytes);
    if uncommented != bytes {
        edit.things.push("file appenders");
    }
    edit.bytes = uncommented;
    if let Ok(document) = Document::parse(&edit.bytes) {
        let still = commented_appenders(&document);
        let (moved, is_found) = move_folder(&document, folder);
        if moved != edit.bytes {
            edit.bytes = moved;
            edit.things.push("log folder");
        }
        for line in still {
            edit.miss(
                Severity::Warning,
                format!("file appender in the comment of line {line} stays commented out"),
            );
        }
        if !is_found {
            edit.miss(Severity::Warning, format!("log folder {}", folder.vendor));
        }
    }
    edit
}

/// The file with every comment live that is nothing but elements.
fn uncomment(bytes: &[u8]) -> Vec<u8> {
    let Ok(document) = Document::parse(bytes) else { return bytes.to_vec() };
    let unbound = document.unbound_prefixes();
    // log4j's parser knows namespaces: a prefix that nothing declares is no well-formed file to it.
    let parses = |bytes: &[u8]| {
        Document::parse(bytes).is_ok_and(|document| document.unbound_prefixes() <= unbound)
    };
    let candidates: Vec<_> = document
        .comments
        .iter()
        .filter(|comment| comment.parent.is_some())
        .filter(|comment| {
            is_element_sequence(document.slice(&comment.inner()), document.doctype.is_some())
        })
        .map(|comment| (comment.span.clone(), comment.inner()))
        .collect();
    let with = |chosen: &[usize]| {
        let mut splices = Splices::default();
        for &index in chosen {
            let (span, inner) = &candidates[index];
            splices.replace(span.clone(), &bytes[inner.clone()]);
        }
        splices.apply(bytes)
    };
    let all: Vec<usize> = (0..candidates.len()).collect();
    let everything = with(&all);
    if parses(&everything) {
        return everything;
    }
    let mut chosen = Vec::new();
    for index in all {
        chosen.push(index);
        if !parses(&with(&chosen)) {
            chosen.pop();
        }
    }
    with(&chosen)
}

/// The lines of comments that hold a file appender.
fn commented_appenders(document: &Document<'_>) -> Vec<usize> {
    document
        .comments
        .iter()
        .filter(|comment| holds_file_appender(document.slice(&comment.inner())))
        .map(|comment| document.line(comment.span.start))
        .collect()
}

/// Whether a text has the start tag of a file appender, with attributes: `<RollingFile name=…`, `<File …`,
/// `<Appender type="RandomAccessFile" …`, in any case (log4j's names have none). A name alone is an explanation.
fn holds_file_appender(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text).to_lowercase();
    text.split('<').skip(1).any(|tag| {
        let tag = tag.split('>').next().unwrap_or_default();
        let (name, attributes) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
        let is_file = name.ends_with("file") || name == "appender" && attributes.contains("file");
        is_file && attributes.contains('=')
    })
}

/// Every occurrence of the vendor's folder replaced by ours, and whether there was either.
fn move_folder(document: &Document<'_>, folder: &LogFolder) -> (Vec<u8>, bool) {
    let bytes = document.bytes;
    let (vendor, wanted) = (folder.vendor.as_bytes(), folder.wanted.as_bytes());
    let written = written_forms(&folder.wanted);
    let mut splices = Splices::default();
    let mut is_found = false;
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let ours = written
            .iter()
            .find(|form| rest.starts_with(form) && is_end_of_name(&rest[form.len()..]));
        if let Some(form) = ours {
            // Moved already, by an earlier run whose record is lost.
            is_found = true;
            at += form.len();
        } else if rest.starts_with(vendor)
            && is_end_of_name(&rest[vendor.len()..])
            && is_start_of_path(&bytes[..at])
        {
            is_found = true;
            splices.replace(at..at + vendor.len(), text_at(document, at, &folder.wanted));
            at += vendor.len();
        } else {
            at += 1;
        }
    }
    let moved = splices.apply(bytes);
    // `--` in a host name cannot stand in a comment: then the comments stay as they are.
    if Document::parse(&moved).is_ok() {
        return (moved, is_found);
    }
    let mut splices = Splices::default();
    let outside = |at: usize| !document.comments.iter().any(|comment| comment.span.contains(&at));
    for at in occurrences(bytes, vendor).filter(|&at| outside(at)) {
        let behind = &bytes[at + vendor.len()..];
        let is_ours = bytes[at..].starts_with(wanted);
        if !is_ours && is_end_of_name(behind) && is_start_of_path(&bytes[..at]) {
            splices.replace(at..at + vendor.len(), escape(&folder.wanted));
        }
    }
    (splices.apply(bytes), is_found)
}

fn occurrences<'b>(bytes: &'b [u8], needle: &'b [u8]) -> impl Iterator<Item = usize> + 'b {
    (0..bytes.len()).filter(move |&at| bytes[at..].starts_with(needle))
}

/// How our folder may stand in the file: escaped or, in comments and CDATA, as it is.
fn written_forms(wanted: &str) -> [Vec<u8>; 2] {
    [wanted.as_bytes().to_vec(), escape(wanted).into_bytes()]
}

/// How to write `wanted` at this place.
fn text_at(document: &Document<'_>, at: usize, wanted: &str) -> String {
    let is_raw = document.comments.iter().any(|comment| comment.span.contains(&at))
        || document.pieces.iter().any(|piece| piece.cdata && piece.span.contains(&at));
    let is_entity = document.doctype.as_ref().is_some_and(|doctype| doctype.contains(&at));
    if is_raw {
        return wanted.to_owned();
    }
    // In the value of an entity `%` begins a reference of its own.
    if is_entity { escape(wanted).replace('%', "&#37;") } else { escape(wanted) }
}

/// `/logs001/jjobs/server2` is another folder; `/logs001/jjobs/server.log` and `…/server/x` are in this one's place.
fn is_end_of_name(behind: &[u8]) -> bool {
    let continues = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80;
    match behind {
        [b'-', next, ..] => !continues(next),
        [first, ..] => !continues(first),
        [] => true,
    }
}

/// `/mnt/logs001/jjobs/server` is another folder.
fn is_start_of_path(before: &[u8]) -> bool {
    before.last().is_none_or(|byte| {
        !(byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.') || *byte >= 0x80)
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;

    fn folder(wanted: &str) -> LogFolder {
        LogFolder { vendor: "/logs001/jjobs/server".to_owned(), wanted: wanted.to_owned() }
    }

    fn run(text: &str, wanted: &str) -> (String, Vec<String>) {
        let edited = edit(text.as_bytes(), &folder(wanted));
        let again = edit(&edited.bytes, &folder(wanted));
        assert_eq!(again.bytes, edited.bytes, "a second run on the result adds nothing");
        let findings = edited.findings.into_iter().map(|finding| finding.thing).collect();
        (String::from_utf8(edited.bytes).unwrap(), findings)
    }

    #[test]
    fn comments_that_are_elements_go_live_and_others_stay() {
        let text = "<!-- <Root/> -->\n<C>\n<!-- file logging -->\n<!--\n <File name=\"f\" fileName=\"/logs001/jjobs/server/a.log\"/>\n-->\n\
                    <!-- use <File/> here --><!--<R ref='f'/><R ref='g'/>--><!-- <open> --><!-- <x:R/> --><!-- /logs001/jjobs/server--></C>";
        let (edited, findings) = run(text, "/l/server/h");
        assert_eq!(
            edited,
            "<!-- <Root/> -->\n<C>\n<!-- file logging -->\n\n <File name=\"f\" fileName=\"/l/server/h/a.log\"/>\n\n\
             <!-- use <File/> here --><R ref='f'/><R ref='g'/><!-- <open> --><!-- <x:R/> --><!-- /l/server/h--></C>"
        );
        assert_eq!(findings, Vec::<String>::new());
    }

    #[test]
    fn a_file_appender_that_stays_commented_out_is_reported_with_its_line() {
        let text = "<C d='/logs001/jjobs/server'>\n<!-- like this: <RollingFile name='r' fileName='x'/> --></C>";
        let (edited, findings) = run(text, "/logs001/jjobs/server/h");
        assert!(edited.contains("<!-- like this"));
        assert_eq!(findings, ["file appender in the comment of line 2 stays commented out"]);
    }

    #[test]
    fn a_file_appender_is_known_in_any_case() {
        let text = "<C d='/logs001/jjobs/server'><!-- like: <rollingfile name='r'/> --><!-- or: <appender type='file'/> --></C>";
        assert_eq!(run(text, "/logs001/jjobs/server/h").1.len(), 2);
    }

    #[test]
    fn the_default_folder_is_moved_once() {
        let text = "<C a='/logs001/jjobs/server/x.log' b='/logs001/jjobs/server' c='/logs001/jjobs/server2/x' \
                    d='/mnt/logs001/jjobs/server' e='file:///logs001/jjobs/server'>/logs001/jjobs/server-old</C>";
        let (edited, _) = run(text, "/logs001/jjobs/server/jjobs-0");
        assert_eq!(
            edited,
            "<C a='/logs001/jjobs/server/jjobs-0/x.log' b='/logs001/jjobs/server/jjobs-0' c='/logs001/jjobs/server2/x' \
             d='/mnt/logs001/jjobs/server' e='file:///logs001/jjobs/server/jjobs-0'>/logs001/jjobs/server-old</C>"
        );
    }

    #[test]
    fn any_folder_is_written_so_that_the_file_still_parses() {
        for wanted in [
            "/l&l/server/a--b",
            "/l's \"<\"/server/h",
            "/로그/server/h",
            "/logs001/jjobs/server/x/server/a--",
        ] {
            let text = "<!DOCTYPE C [<!ENTITY d '/logs001/jjobs/server'>]>\n<C a='/logs001/jjobs/server/x' b=\"/logs001/jjobs/server\">\
                        <!-- in /logs001/jjobs/server. --><![CDATA[/logs001/jjobs/server]]></C>";
            let (edited, _) = run(text, wanted);
            let document = Document::parse(edited.as_bytes()).unwrap();
            assert_eq!(
                document.value(document.root(), "a").unwrap(),
                format!("{wanted}/x").as_bytes()
            );
            assert_eq!(document.value(document.root(), "b").unwrap(), wanted.as_bytes());
        }
    }

    #[test]
    fn a_file_that_is_not_well_formed_is_named_and_left() {
        let edited = edit(b"<C>", &folder("/l"));
        assert_eq!(edited.bytes, b"<C>");
        assert_eq!(edited.findings[0].severity, Severity::Warning);
    }
}
