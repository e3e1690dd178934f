//! The token, as a header.
//!
//! A file is read anew at every use: a drain outlives a mounted token. It may be on a volume that hangs, so it is
//! not read by the thread that asks.

use super::FileThread;
use crate::{
    contract::{TokenSource, secret::Secret},
    log::Mask,
};
use reqwest::header::HeaderValue;
use std::{fs::File, io::Read, path::Path, time::Duration};
use tokio::time::timeout;

/// A token is some dozens of characters; whatever is longer is another file.
const MOST_BYTES: u64 = 16 << 10;

/// Reads the token.
#[derive(Debug)]
pub(super) struct Token {
    source: TokenSource,
    mask: Option<Mask>,
    files: FileThread,
}

impl Token {
    pub(super) fn new(source: TokenSource) -> Self {
        Self { source, mask: None, files: FileThread::new() }
    }

    /// The same token; what is read from its file is hidden by `mask` from then on.
    pub(super) fn masked_by(&self, mask: Mask) -> Self {
        Self { source: self.source.clone(), mask: Some(mask), files: self.files.clone() }
    }

    /// The header's value, or what is wrong with the token. The file's volume may hang: it is waited for within `limit`,
    /// so that nobody looks for the fault at the server.
    pub(super) async fn header(&self, limit: Duration) -> Result<HeaderValue, String> {
        let path = match &self.source {
            TokenSource::Value(value) => return header_of(value, "API_PRIVATE_TOKEN"),
            TokenSource::File(path) => path.clone(),
        };
        let mask = self.mask.clone();
        let late = format!(
            "the token file {} was not read within {limit:?}: its volume hangs",
            path.display()
        );
        let read = self.files.run(move || read(&path, mask.as_ref()));
        timeout(limit, read).await.map_err(|_| late)??
    }
}

fn read(path: &Path, mask: Option<&Mask>) -> Result<HeaderValue, String> {
    let named = path.display();
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("the token file {named} cannot be read: {error}"))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(format!("the token file {named} is too long to be one"));
    }
    let text =
        String::from_utf8(bytes).map_err(|_| format!("the token file {named} is no text"))?;
    let token = Secret::new(text.trim());
    if let Some(mask) = mask {
        mask.add(&token);
    }
    header_of(&token, &format!("the token file {named}"))
}

fn header_of(token: &Secret, origin: &str) -> Result<HeaderValue, String> {
    if token.expose().is_empty() {
        return Err(format!("{origin} is empty"));
    }
    if !token.expose().chars().all(|c| c == ' ' || c.is_ascii_graphic()) {
        return Err(format!("{origin} holds a line break or a character that no header may have"));
    }
    let mut value = HeaderValue::from_str(token.expose())
        .map_err(|_| format!("{origin} cannot be sent in a header"))?;
    value.set_sensitive(true);
    Ok(value)
}
