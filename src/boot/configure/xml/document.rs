//! What a parsed file holds, and how to ask it.

use super::{Span, XML_PREFIXES, XmlError, parse, unescape};

/// A well-formed XML file: its elements and comments in document order, as byte ranges.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    /// The whole file.
    pub(crate) bytes: &'a [u8],
    /// All elements, in document order; the first is the root.
    pub(crate) elements: Vec<Element>,
    /// All comments but those inside a DTD.
    pub(crate) comments: Vec<Comment>,
    /// Text and CDATA, in document order.
    pub(crate) pieces: Vec<Piece>,
    /// `<!DOCTYPE …>`, if any.
    pub(crate) doctype: Option<Span>,
}

/// An element.
#[derive(Debug)]
pub(crate) struct Element {
    /// Its place in [`Document::elements`].
    pub(crate) index: usize,
    /// The name as written, prefix included.
    pub(crate) name: Span,
    /// From `<` to `>` of the start tag (or of the empty-element tag).
    pub(crate) tag: Span,
    /// In the order in which they are written.
    pub(crate) attributes: Vec<Attribute>,
    /// Between start and end tag; `None` for `<empty/>`.
    pub(crate) content: Option<Span>,
    /// Just behind the element.
    pub(crate) end: usize,
    /// Place of the enclosing element.
    pub(crate) parent: Option<usize>,
}

impl Element {
    /// From `<` of the start tag to `>` of the end tag.
    pub(crate) fn whole(&self) -> Span {
        self.tag.start..self.end
    }

    /// Where another attribute can be written: just behind the last one.
    pub(crate) fn attributes_end(&self) -> usize {
        self.attributes.last().map_or(self.name.end, |attribute| attribute.value.end + 1)
    }
}

/// An attribute.
#[derive(Debug)]
pub(crate) struct Attribute {
    /// The name as written, prefix included.
    pub(crate) name: Span,
    /// Between the quotes.
    pub(crate) value: Span,
}

/// A comment.
#[derive(Debug)]
pub(crate) struct Comment {
    /// From `<!--` to `-->`.
    pub(crate) span: Span,
    /// Place of the enclosing element; `None` outside the root.
    pub(crate) parent: Option<usize>,
}

impl Comment {
    /// Between `<!--` and `-->`.
    pub(crate) fn inner(&self) -> Span {
        self.span.start + 4..self.span.end - 3
    }
}

/// Text, or the inside of a CDATA section.
#[derive(Debug)]
pub(crate) struct Piece {
    /// The text as written (for CDATA without its markers).
    pub(crate) span: Span,
    /// Whether it stands in `<![CDATA[…]]>`.
    pub(crate) cdata: bool,
    /// Place of the enclosing element.
    pub(crate) parent: usize,
}

impl<'a> Document<'a> {
    /// Reads a file; fails where it is not well-formed, or in an encoding in which ASCII is not ASCII.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, XmlError> {
        parse::document(bytes)
    }

    /// The root element.
    pub(crate) fn root(&self) -> &Element {
        // A document without a root is not well-formed, so `parse` made none.
        &self.elements[0]
    }

    /// The bytes of `span`.
    pub(crate) fn slice(&self, span: &Span) -> &'a [u8] {
        &self.bytes[span.clone()]
    }

    /// The name of `element` without its prefix.
    pub(crate) fn local_name(&self, element: &Element) -> &'a [u8] {
        split_name(self.slice(&element.name)).1
    }

    /// The prefix of `element` with its colon (`beans:`), or nothing.
    pub(crate) fn prefix(&self, element: &Element) -> &'a [u8] {
        let name = self.slice(&element.name);
        &name[..name.len() - self.local_name(element).len()]
    }

    /// The elements with this local name, in document order.
    pub(crate) fn named(&self, local_name: &str) -> impl Iterator<Item = &Element> {
        self.elements
            .iter()
            .filter(move |element| self.local_name(element) == local_name.as_bytes())
    }

    /// The elements just inside `parent`, in document order.
    pub(crate) fn children(&self, parent: &Element) -> impl Iterator<Item = &Element> {
        let index = parent.index;
        // Descendants follow their ancestor and start before its end.
        self.elements[index + 1..]
            .iter()
            .take_while(move |element| element.tag.start < parent.end)
            .filter(move |element| element.parent == Some(index))
    }

    /// The children of `parent` with this local name.
    pub(crate) fn children_named(
        &self,
        parent: &Element,
        local_name: &str,
    ) -> impl Iterator<Item = &Element> {
        self.children(parent).filter(move |child| self.local_name(child) == local_name.as_bytes())
    }

    /// The attribute with this name (as written).
    pub(crate) fn attribute<'e>(&self, element: &'e Element, name: &str) -> Option<&'e Attribute> {
        element.attributes.iter().find(|attribute| self.slice(&attribute.name) == name.as_bytes())
    }

    /// The value of that attribute, entities resolved.
    pub(crate) fn value(&self, element: &Element, name: &str) -> Option<Vec<u8>> {
        self.attribute(element, name).map(|attribute| unescape(self.slice(&attribute.value)))
    }

    /// The text pieces just inside `element`.
    pub(crate) fn pieces_of(&self, element: &Element) -> impl Iterator<Item = &Piece> {
        let index = element.index;
        self.pieces.iter().filter(move |piece| piece.parent == index)
    }

    /// The text just inside `element`, without white space around it, entities resolved.
    pub(crate) fn text(&self, element: &Element) -> Vec<u8> {
        let mut text = Vec::new();
        for piece in self.pieces_of(element) {
            let raw = self.slice(&piece.span);
            if piece.cdata {
                text.extend_from_slice(raw);
            } else {
                text.extend(unescape(raw));
            }
        }
        text.trim_ascii().to_vec()
    }

    /// The namespace that `prefix` (empty: the default one) is bound to at `element`.
    pub(crate) fn namespace(&self, element: &Element, prefix: &[u8]) -> Option<Vec<u8>> {
        let declaration = if prefix.is_empty() {
            b"xmlns".to_vec()
        } else {
            [b"xmlns:".as_slice(), prefix].concat()
        };
        let mut at = Some(element);
        while let Some(element) = at {
            for attribute in &element.attributes {
                if self.slice(&attribute.name) == declaration {
                    return Some(unescape(self.slice(&attribute.value)));
                }
            }
            at = element.parent.map(|parent| &self.elements[parent]);
        }
        None
    }

    /// How many element and attribute names have a prefix that nothing declares.
    pub(crate) fn unbound_prefixes(&self) -> usize {
        let is_unbound = |element: &Element, name: &Span| {
            let (prefix, _) = split_name(self.slice(name));
            !prefix.is_empty()
                && !XML_PREFIXES.contains(&prefix)
                && self.namespace(element, prefix).is_none_or(|uri| uri.is_empty())
        };
        self.elements
            .iter()
            .map(|element| {
                usize::from(is_unbound(element, &element.name))
                    + element
                        .attributes
                        .iter()
                        .filter(|attribute| is_unbound(element, &attribute.name))
                        .count()
            })
            .sum()
    }

    /// The line on which a position stands, from 1.
    pub(crate) fn line(&self, at: usize) -> usize {
        line_of(self.bytes, at)
    }
}

/// Splits `p:url` into `p` and `url`; the prefix is empty where there is none.
pub(crate) fn split_name(name: &[u8]) -> (&[u8], &[u8]) {
    match name.iter().position(|&byte| byte == b':') {
        Some(colon) => (&name[..colon], &name[colon + 1..]),
        None => (&[], name),
    }
}

/// The line on which a position stands, from 1.
pub(crate) fn line_of(bytes: &[u8], at: usize) -> usize {
    bytes[..at.min(bytes.len())].split(|&byte| byte == b'\n').count()
}
