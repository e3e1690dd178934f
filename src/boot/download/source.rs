//! The network's side of the queue: turns the file's bytes into the archive's.

use super::{
    DownloadError,
    body::Body,
    feed::{Digest, Interruption, Message, PIECE},
    gzip::{Members, Peek},
};
use crate::boot::unpack::{Kind, Refusal, sniff};
use ring::digest::{Context, SHA256};
use std::{
    io::{self, BufRead, BufReader, Read},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender},
    },
};

/// The writing end of the queue.
pub(super) struct Source {
    pub(super) kind: Kind,
    /// The name says that the file is compressed and stays so.
    pub(super) keeps_gzip: bool,
    pub(super) wants_digest: bool,
    pub(super) max_bytes: u64,
    pub(super) discarding: Arc<AtomicBool>,
    pub(super) sender: SyncSender<Message>,
    pub(super) returned: Receiver<Vec<u8>>,
}

/// The reading end is gone.
struct Gone;

impl Source {
    /// Passes the file on until it is complete, has failed, or nobody wants it any more.
    pub(super) fn run(&self, mut body: Body) {
        loop {
            let message = match self.pass(&mut body) {
                Ok(message) => message,
                Err(error) => match Interruption::take(error) {
                    Ok(Interruption::Restart) => Message::Restart,
                    Ok(Interruption::Failed(error)) => Message::Failed(error),
                    Err(error) => Message::Failed(DownloadError::Setup(error.into())),
                },
            };
            let again = matches!(message, Message::Restart);
            if self.sender.send(message).is_err() || !again {
                return;
            }
        }
    }

    /// Passes the whole file on, from its first byte.
    fn pass(&self, body: &mut Body) -> io::Result<Message> {
        let encoding = body.open()?;
        let file = self.file(body, encoding.as_deref())?;
        let mut file = Peek::new(Hashing::new(file, self.wants_digest));
        let refusal = if self.kind == Kind::TarGz {
            self.inflate(&mut file, encoding.is_some())?
        } else {
            match self.send_all(&mut file) {
                // The one layer below that can be damaged: a transfer encoding.
                Err(error) if is_damage(&error) => Some(damage(&error)),
                Err(error) => return Err(error),
                Ok(()) => None,
            }
        };
        // What follows the archive's end belongs to the file as well.
        let whole = match (self.wants_digest || refusal.is_none(), drain(&mut file, self.max_bytes))
        {
            (false, _) => false,
            (true, Err(error)) if refusal.is_none() && is_damage(&error) => {
                return Ok(Message::Refused(damage(&error), None));
            }
            (true, Err(error)) if refusal.is_none() => return Err(error),
            (true, drained) => drained.unwrap_or(false),
        };
        let digest = if whole { file.into_inner().digest() } else { None };
        Ok(refusal.map_or(Message::End(digest), |why| Message::Refused(why, digest)))
    }

    /// The file itself, whatever the server did to it on the way.
    fn file<'a>(
        &self,
        body: &'a mut Body,
        encoding: Option<&str>,
    ) -> io::Result<Box<dyn BufRead + 'a>> {
        let mut body = Peek::new(body);
        match encoding {
            // Many servers call a `.tar.gz` "encoded" and send it as it is.
            Some("gzip" | "x-gzip") if self.kind == Kind::TarGz || self.keeps_gzip => {
                Ok(Box::new(body))
            }
            Some("gzip" | "x-gzip") if body.peek(sniff::GZIP.len())? == sniff::GZIP => {
                Ok(Box::new(BufReader::with_capacity(PIECE, Members::new(body))))
            }
            None | Some("gzip" | "x-gzip") => Ok(Box::new(body)),
            Some(other) => {
                Err(Interruption::Failed(DownloadError::Encoding { encoding: other.to_owned() })
                    .into())
            }
        }
    }

    /// Sends a `.tar.gz` inflated. The answer is what is wrong with it.
    fn inflate(
        &self,
        file: &mut Peek<impl BufRead>,
        was_encoded: bool,
    ) -> io::Result<Option<Refusal>> {
        let first = file.peek(sniff::WANTED)?;
        if !first.starts_with(sniff::GZIP) {
            let found = sniff::describe(first);
            let expected = "a gzip-compressed tar archive";
            return Ok(Some(Refusal::NotWhatItsNameSays { expected, found }));
        }
        let mut inflated = Members::new(file);
        let sent = if was_encoded {
            // The server may have compressed the compressed file once more.
            let mut inner = Peek::new(BufReader::with_capacity(PIECE, inflated));
            match inner.peek(sniff::GZIP.len()) {
                Ok(sniff::GZIP) => self.send_all(&mut Members::new(inner)),
                Ok(_) => self.send_all(&mut inner),
                Err(error) => Err(error),
            }
        } else {
            self.send_all(&mut inflated)
        };
        match sent {
            Err(error) if is_damage(&error) => Ok(Some(damage(&error))),
            other => other.map(|()| None),
        }
    }

    /// Sends bytes until their end, or until nobody wants them any more.
    fn send_all(&self, from: &mut dyn Read) -> io::Result<()> {
        loop {
            if self.discarding.load(Ordering::Relaxed) {
                return Ok(());
            }
            let mut data = self.returned.try_recv().unwrap_or_default();
            data.resize(PIECE, 0);
            let mut length = 0;
            while length < PIECE {
                match from.read(&mut data[length..]) {
                    Ok(0) => break,
                    Ok(got) => length += got,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            if length == 0 {
                return Ok(());
            }
            data.truncate(length);
            self.send(data).map_err(|Gone| Interruption::Failed(DownloadError::Cancelled))?;
        }
    }

    fn send(&self, data: Vec<u8>) -> Result<(), Gone> {
        self.sender.send(Message::Data(data)).map_err(|_| Gone)
    }
}

/// Reads to the end; false if that is further away than `limit` bytes.
fn drain(from: &mut impl BufRead, limit: u64) -> io::Result<bool> {
    let mut left = limit;
    loop {
        let length = from.fill_buf()?.len();
        if length == 0 {
            return Ok(true);
        }
        from.consume(length);
        match left.checked_sub(length as u64) {
            Some(rest) => left = rest,
            None => return Ok(false),
        }
    }
}

/// Whether the error is the decoder's, not the network's.
fn is_damage(error: &io::Error) -> bool {
    Interruption::of(error).is_none()
}

fn damage(error: &io::Error) -> Refusal {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        Refusal::Truncated
    } else {
        Refusal::Damaged(error.to_string())
    }
}

/// Hashes what is read through it.
struct Hashing<'a> {
    source: Box<dyn BufRead + 'a>,
    context: Option<Context>,
}

impl<'a> Hashing<'a> {
    fn new(source: Box<dyn BufRead + 'a>, wanted: bool) -> Self {
        Self { source, context: wanted.then(|| Context::new(&SHA256)) }
    }

    fn digest(self) -> Digest {
        self.context?.finish().as_ref().try_into().ok()
    }
}

impl BufRead for Hashing<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.source.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        if let Some(context) = &mut self.context
            // What is consumed was filled before, so this reads nothing.
            && let Ok(data) = self.source.fill_buf()
        {
            context.update(data.get(..amount).unwrap_or(data));
        }
        self.source.consume(amount);
    }
}

impl Read for Hashing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        super::read_buffered(self, buffer)
    }
}
