//! Reading XML 1.0 into positions, refusing what is not well-formed.
//!
//! Hand-written because the parsers of the field want text (the vendor's files may be EUC-KR) and do not tell where
//! an attribute's value stands between its quotes. It does not loop back, does not recurse and expands no entity, so
//! its cost is linear in the file's size whatever the file holds.

use super::{
    Attribute, Comment, Document, Element, Piece, Span, document::line_of, edit::character,
};

/// Why a file is not well-formed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not well-formed in line {line}: {what}")]
pub(crate) struct XmlError {
    /// Where, from 1.
    pub(crate) line: usize,
    /// What is wrong there.
    pub(crate) what: &'static str,
}

/// What is being read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// A file: a prolog and one root element.
    Document,
    /// The content of a comment: elements with white space between them and nothing else.
    Sequence {
        /// Whether the file around it has a DTD, which may declare entities.
        declares_entities: bool,
    },
}

/// Reads a whole file.
pub(super) fn document(bytes: &[u8]) -> Result<Document<'_>, XmlError> {
    let mut parser = Parser::new(bytes, Mode::Document);
    parser.check_encoding()?;
    parser.run()?;
    if parser.document.elements.is_empty() {
        return Err(parser.error(bytes.len(), "there is no root element"));
    }
    Ok(parser.document)
}

/// Whether `bytes` is one or more well-formed elements with nothing but white space around them.
pub(crate) fn is_element_sequence(bytes: &[u8], declares_entities: bool) -> bool {
    let mut parser = Parser::new(bytes, Mode::Sequence { declares_entities });
    parser.run().is_ok() && !parser.document.elements.is_empty()
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
    mode: Mode,
    open: Vec<usize>,
    document: Document<'a>,
}

impl<'a> Parser<'a> {
    fn new(bytes: &'a [u8], mode: Mode) -> Self {
        let document = Document {
            bytes,
            elements: Vec::new(),
            comments: Vec::new(),
            pieces: Vec::new(),
            doctype: None,
        };
        Self { bytes, at: 0, mode, open: Vec::new(), document }
    }

    fn error(&self, at: usize, what: &'static str) -> XmlError {
        XmlError { line: line_of(self.bytes, at), what }
    }

    fn fail<T>(&self, what: &'static str) -> Result<T, XmlError> {
        Err(self.error(self.at, what))
    }

    fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Steps over the byte-order mark and the XML declaration.
    fn check_encoding(&mut self) -> Result<(), XmlError> {
        if self.bytes.starts_with(&[0xEF, 0xBB, 0xBF]) {
            self.at = 3;
        } else if matches!(self.bytes, [0xFE, 0xFF, ..] | [0xFF, 0xFE, ..] | [0, ..] | [_, 0, ..]) {
            return self.fail("the encoding is not one in which ASCII is ASCII");
        }
        if !self.rest().starts_with(b"<?xml")
            || !self.rest().get(5).is_some_and(u8::is_ascii_whitespace)
        {
            return Ok(());
        }
        let Some(length) = find(self.rest(), b"?>") else {
            return self.fail("the XML declaration has no end");
        };
        let declaration = &self.rest()[5..length];
        if find(declaration, b"version").is_none() {
            return self.fail("the XML declaration has no version");
        }
        let encoding =
            find(declaration, b"encoding").map(|at| declaration[at..].to_ascii_lowercase());
        let is_foreign = |name: &[u8]| {
            ["utf-16", "utf-32", "ucs", "iso-2022", "utf-7", "ebcdic", "cp037", "ibm037"]
                .iter()
                .any(|foreign| find(name, foreign.as_bytes()).is_some())
        };
        if encoding.is_some_and(|name| is_foreign(&name)) {
            return self.fail("the encoding is not one in which ASCII is ASCII");
        }
        self.at += length + 2;
        Ok(())
    }

    fn run(&mut self) -> Result<(), XmlError> {
        if let Some(at) = self
            .bytes
            .iter()
            .position(|&byte| byte < b' ' && !byte.is_ascii_whitespace() || byte == 0x0C)
        {
            return Err(self.error(at, "a control character"));
        }
        while self.at < self.bytes.len() {
            let rest = self.rest();
            if rest.starts_with(b"<!--") {
                self.comment()?;
            } else if rest.starts_with(b"<![CDATA[") {
                self.cdata()?;
            } else if rest.starts_with(b"<!DOCTYPE") {
                self.doctype()?;
            } else if rest.starts_with(b"<?") {
                self.instruction()?;
            } else if rest.starts_with(b"</") {
                self.end_tag()?;
            } else if rest.starts_with(b"<") {
                self.start_tag()?;
            } else {
                self.text()?;
            }
        }
        match self.open.last() {
            Some(&open) => {
                Err(self.error(self.document.elements[open].tag.start, "an element is not closed"))
            }
            None => Ok(()),
        }
    }

    /// What stands outside every element of a sequence is not an element.
    fn refuse_between_elements(&self) -> Result<(), XmlError> {
        if self.open.is_empty() && self.mode != Mode::Document {
            return self.fail("there is more than elements");
        }
        Ok(())
    }

    fn comment(&mut self) -> Result<(), XmlError> {
        self.refuse_between_elements()?;
        let inside = self.at + 4;
        match find(&self.bytes[inside..], b"--") {
            Some(length) if self.bytes.get(inside + length + 2) == Some(&b'>') => {
                let span = self.at..inside + length + 3;
                self.at = span.end;
                self.document.comments.push(Comment { span, parent: self.open.last().copied() });
                Ok(())
            }
            Some(_) => self.fail("two hyphens inside a comment"),
            None => self.fail("a comment has no end"),
        }
    }

    fn cdata(&mut self) -> Result<(), XmlError> {
        let Some(&parent) = self.open.last() else {
            return self.fail("text outside the root element");
        };
        let start = self.at + b"<![CDATA[".len();
        let Some(length) = find(&self.bytes[start..], b"]]>") else {
            return self.fail("a CDATA section has no end");
        };
        self.document.pieces.push(Piece { span: start..start + length, cdata: true, parent });
        self.at = start + length + 3;
        Ok(())
    }

    fn instruction(&mut self) -> Result<(), XmlError> {
        self.refuse_between_elements()?;
        let start = self.at + 2;
        let target = name_length(&self.bytes[start..]);
        let name = &self.bytes[start..start + target];
        if target == 0 || name.eq_ignore_ascii_case(b"xml") {
            return self.fail("a processing instruction without a name of its own");
        }
        let behind = &self.bytes[start + target..];
        match find(behind, b"?>") {
            Some(0) => {}
            Some(_) if behind[0].is_ascii_whitespace() => {}
            Some(_) => return self.fail("a processing instruction's name holds a wrong character"),
            None => return self.fail("a processing instruction has no end"),
        }
        self.at = start + target + find(behind, b"?>").unwrap_or_default() + 2;
        Ok(())
    }

    /// Steps over the DTD. Its declarations are not checked; quotes, comments and brackets are.
    fn doctype(&mut self) -> Result<(), XmlError> {
        if self.mode != Mode::Document
            || !self.document.elements.is_empty()
            || self.document.doctype.is_some()
        {
            return self.fail("a document type declaration in the wrong place");
        }
        let start = self.at;
        let mut in_subset = false;
        self.at += b"<!DOCTYPE".len();
        while let Some(byte) = self.peek() {
            let skipped = match byte {
                b'"' | b'\'' => find(&self.rest()[1..], &[byte]).map(|length| length + 2),
                b'<' if self.rest().starts_with(b"<!--") => {
                    find(&self.rest()[4..], b"-->").map(|length| length + 7)
                }
                b'<' if self.rest().starts_with(b"<?") => {
                    find(&self.rest()[2..], b"?>").map(|length| length + 4)
                }
                b'[' | b']' => {
                    in_subset = byte == b'[';
                    Some(1)
                }
                b'>' if !in_subset => {
                    self.at += 1;
                    self.document.doctype = Some(start..self.at);
                    return Ok(());
                }
                _ => Some(1),
            };
            let Some(skipped) = skipped else { break };
            self.at += skipped;
        }
        Err(self.error(start, "the document type declaration has no end"))
    }

    fn end_tag(&mut self) -> Result<(), XmlError> {
        let name = self.at + 2..self.at + 2 + name_length(&self.bytes[self.at + 2..]);
        let end = name.end + white_space(&self.bytes[name.end..]);
        if self.bytes.get(end) != Some(&b'>') {
            return self.fail("an end tag holds more than a name");
        }
        let Some(index) = self.open.pop() else {
            return self.fail("an end tag without a start tag");
        };
        let element = &mut self.document.elements[index];
        if self.bytes[element.name.clone()] != self.bytes[name] {
            return self.fail("an end tag that does not fit its start tag");
        }
        element.content = Some(element.tag.end..self.at);
        element.end = end + 1;
        self.at = end + 1;
        Ok(())
    }

    fn start_tag(&mut self) -> Result<(), XmlError> {
        let start = self.at;
        if self.open.is_empty() && self.mode == Mode::Document && !self.document.elements.is_empty()
        {
            return self.fail("a second root element");
        }
        let name = start + 1..start + 1 + name_length(&self.bytes[start + 1..]);
        if name.is_empty() {
            return self.fail("a tag without a name");
        }
        self.at = name.end;
        let mut attributes: Vec<Attribute> = Vec::new();
        loop {
            let space = white_space(self.rest());
            self.at += space;
            match self.peek() {
                Some(b'>') => break,
                Some(b'/') if self.rest().starts_with(b"/>") => break,
                Some(_) if space > 0 => {
                    let attribute = self.attribute()?;
                    let name = &self.bytes[attribute.name.clone()];
                    if attributes.iter().any(|other| &self.bytes[other.name.clone()] == name) {
                        return self.fail("an attribute is doubled");
                    }
                    attributes.push(attribute);
                }
                _ => return Err(self.error(start, "a tag has no end")),
            }
        }
        let is_empty = self.peek() == Some(b'/');
        self.at += if is_empty { 2 } else { 1 };
        let index = self.document.elements.len();
        let parent = self.open.last().copied();
        let tag = start..self.at;
        self.document.elements.push(Element {
            index,
            name,
            tag,
            attributes,
            content: None,
            end: self.at,
            parent,
        });
        if !is_empty {
            self.open.push(index);
        }
        Ok(())
    }

    fn attribute(&mut self) -> Result<Attribute, XmlError> {
        let name = self.at..self.at + name_length(self.rest());
        let equals = name.end + white_space(&self.bytes[name.end..]);
        if name.is_empty() || self.bytes.get(equals) != Some(&b'=') {
            return self.fail("an attribute has no value");
        }
        let quote = equals + 1 + white_space(&self.bytes[equals + 1..]);
        let Some(&mark @ (b'"' | b'\'')) = self.bytes.get(quote) else {
            return self.fail("an attribute's value has no quotes");
        };
        let Some(length) = find(&self.bytes[quote + 1..], &[mark]) else {
            return self.fail("an attribute's value has no end");
        };
        let value = quote + 1..quote + 1 + length;
        if self.bytes[value.clone()].contains(&b'<') {
            return self.fail("a less-than sign in an attribute's value");
        }
        self.check_references(value.clone())?;
        self.at = value.end + 1;
        Ok(Attribute { name, value })
    }

    fn text(&mut self) -> Result<(), XmlError> {
        let length = find(self.rest(), b"<").unwrap_or(self.rest().len());
        let span = self.at..self.at + length;
        let text = &self.bytes[span.clone()];
        match self.open.last() {
            Some(&parent) => {
                if find(text, b"]]>").is_some() {
                    return self.fail("the end of a CDATA section without its start");
                }
                self.check_references(span.clone())?;
                self.document.pieces.push(Piece { span: span.clone(), cdata: false, parent });
            }
            None if text.iter().all(u8::is_ascii_whitespace) => {}
            None => return self.fail("text outside the root element"),
        }
        self.at = span.end;
        Ok(())
    }

    /// Every `&` must begin a reference to a character or to an entity that can be known.
    fn check_references(&self, span: Span) -> Result<(), XmlError> {
        let declares_entities = match self.mode {
            Mode::Document => self.document.doctype.is_some(),
            Mode::Sequence { declares_entities } => declares_entities,
        };
        let mut at = span.start;
        while let Some(ampersand) = find(&self.bytes[at..span.end], b"&") {
            let start = at + ampersand + 1;
            let reference = &self.bytes[start..span.end];
            let name = find(reference, b";").map(|length| &reference[..length]);
            let is_known = name.is_some_and(|name| {
                std::str::from_utf8(name).is_ok_and(|text| character(text).is_some())
                    || declares_entities && !name.is_empty() && name_length(name) == name.len()
            });
            if !is_known {
                return Err(self.error(start, "an ampersand that begins no known reference"));
            }
            at = start;
        }
        Ok(())
    }
}

/// Where `needle` begins in `haystack`.
pub(super) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn white_space(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count()
}

/// How many bytes of a name stand here. Any byte beyond ASCII counts as a letter.
fn name_length(bytes: &[u8]) -> usize {
    let is_start =
        |byte: &u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b':') || *byte >= 0x80;
    if !bytes.first().is_some_and(is_start) {
        return 0;
    }
    bytes
        .iter()
        .take_while(|byte| is_start(byte) || byte.is_ascii_digit() || matches!(byte, b'-' | b'.'))
        .count()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn positions_are_those_of_names_values_and_content() {
        let bytes = b"\xEF\xBB\xBF<?xml version='1.0'?>\r\n<a x='1'>\xB0\xA1<!-- c --><b y = \"2\" /><![CDATA[<&]]></a >";
        let document = Document::parse(bytes).unwrap();
        let root = document.root();
        assert_eq!(document.slice(&root.attributes[0].value), b"1");
        let child = document.children(root).next().unwrap();
        assert_eq!(document.slice(&child.tag), b"<b y = \"2\" />");
        assert_eq!(document.slice(&document.comments[0].inner()), b" c ");
        assert_eq!(document.text(root), b"\xB0\xA1<&");
        assert_eq!(root.end, bytes.len());
    }

    #[test]
    fn a_broken_file_is_refused_with_its_line() {
        let error = Document::parse(b"<a>\n<b>\n</a>").unwrap_err();
        assert_eq!(error.line, 3);
        for broken in [
            "",
            "text",
            "<a>",
            "<a/><b/>",
            "<a x=1/>",
            "<a x='1' x='2'/>",
            "<a>&no;</a>",
            "<a>& b</a>",
            "<a x='<'/>",
            "<a><!-- x -- y --></a>",
            "<a>]]></a>",
            "<a x='1'y='2'/>",
            "<a><?xml version='1.0'?></a>",
            "</a>",
            "<1/>",
            "<a>\u{1}</a>",
            "<a",
            "<!DOCTYPE a [",
            "<a/>text",
            "<a/><!DOCTYPE a>",
            "<a>&#0;</a>",
            "<?xml version='1.0' encoding='UTF-16'?><a/>",
        ] {
            assert!(Document::parse(broken.as_bytes()).is_err(), "{broken:?}");
        }
    }

    #[test]
    fn a_dtd_with_entities_is_stepped_over() {
        let text =
            "<!DOCTYPE a [<!ENTITY v \"<!-- ]> '\"><!-- ' ]> --> <?p ]> ?>]>\n<a x='&v;'>&v;</a>";
        let document = Document::parse(text.as_bytes()).unwrap();
        assert_eq!(document.elements.len(), 1);
        assert!(document.comments.is_empty());
    }

    #[test]
    fn a_sequence_is_elements_and_white_space_only() {
        for (text, is_sequence) in [
            ("<a/>", true),
            (" \n<a>x<b/></a>\t<c/> ", true),
            ("", false),
            (" ", false),
            ("use <a/>", false),
            ("<a/> or", false),
            ("<a>", false),
            ("<?pi?><a/>", false),
            ("<a>&e;</a>", false),
            ("<![CDATA[x]]>", false),
        ] {
            assert_eq!(is_element_sequence(text.as_bytes(), false), is_sequence, "{text:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        /// What an independent parser makes of a text, we make of it, too.
        #[test]
        fn we_accept_what_another_parser_accepts(
            parts in proptest::collection::vec(proptest::sample::select(vec![
                "<a>", "</a>", "<b x='1'", " y=\"&lt;\"", ">", "/>", "</b>", "text", "&amp;", "&#x41;", "&", ";", "<!--", "-->",
                "--", "<![CDATA[", "]]>", "<?p q?>", "<", "'", "\"", " ", "\n", "=", "<c/>", "한글", "<r>", "</r>",
            ]), 0..9),
            wrapped in any::<bool>(),
        ) {
            let inside = parts.concat();
            let text = if wrapped { format!("<r>{inside}</r>") } else { inside };
            let theirs = roxmltree::Document::parse(&text);
            let ours = Document::parse(text.as_bytes());
            prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{:?}: {:?}, {:?}", text, ours.err(), theirs.err());
        }

        #[test]
        fn any_bytes_at_all_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = Document::parse(&bytes);
            let _ = is_element_sequence(&bytes, true);
        }
    }
}
