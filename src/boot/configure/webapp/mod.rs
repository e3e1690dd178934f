//! Manager and server: what is edited inside their unpacked web applications and beside them.

pub(crate) mod datasource;
pub(crate) mod log4j2;
pub(crate) mod redis_beans;
pub(crate) mod redis_filter;
pub(crate) mod session_store;
pub(crate) mod war;

use super::{
    files::{Edit, Severity},
    xml::{Document, Splices},
};

/// Runs an XML editor on a file; what is not well-formed before, or would not be afterwards, is not edited.
///
/// `severity` is that of such a file.
pub(crate) fn edit_xml(
    bytes: &[u8],
    severity: Severity,
    editor: impl FnOnce(&Document<'_>, &mut Splices, &mut Edit),
) -> Edit {
    let mut edit = Edit::unchanged(bytes);
    let document = match Document::parse(bytes) {
        Ok(document) => document,
        Err(error) => {
            edit.miss(severity, error.to_string());
            return edit;
        }
    };
    let mut splices = Splices::default();
    editor(&document, &mut splices, &mut edit);
    if !splices.is_empty() {
        edit.bytes = splices.apply(bytes);
    }
    // A value with a character that XML cannot hold, for one.
    if let Err(error) = Document::parse(&edit.bytes) {
        edit = Edit::unchanged(bytes);
        edit.miss(severity, format!("cannot be edited: {error}"));
    }
    edit
}
