//! XML as bytes with positions: what the vendor's files say, and where exactly they say it.
//!
//! A file is never written from a tree. It is read into [`Document`], which only holds byte ranges, and edited by
//! replacing some of those ranges ([`Splices`]); every other byte (comments, order, quotes, line endings, unknown
//! elements) stays by construction. Bytes, not text: the vendor's files come in UTF-8 and EUC-KR alike, and in
//! both no byte of a Korean character looks like markup.

mod document;
mod edit;
mod parse;

pub(crate) use self::{
    document::{Attribute, Comment, Document, Element, Piece, split_name},
    edit::{Splices, escape, unescape},
    parse::{XmlError, is_element_sequence},
};

/// Bytes of the file, by position.
pub(crate) type Span = std::ops::Range<usize>;

/// Name of the namespace that `xmlns:` prefixes never need to declare.
const XML_PREFIXES: [&[u8]; 2] = [b"xml", b"xmlns"];
