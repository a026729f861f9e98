//! Bytes coming in: written and hashed on blocking threads, one buffer behind the network.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::pin::pin;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use gossamer_oci::{Digest, Hasher};
use tokio::sync::OwnedMutexGuard;
use tokio::task::JoinHandle;

use super::files::{open_write, sync_folder};
use crate::registry::blocking;
use crate::{Cause, Error};

/// Bytes collected before they go to a blocking thread: worth the way there, and small enough that
/// a thousand slow uploads fit in memory.
const BUFFER_BYTES: usize = 256 << 10;

/// Bytes read at once when content is hashed a second time.
const REREAD_BYTES: usize = 256 << 10;

/// How far content has come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    pub(crate) length: u64,
    /// Of those bytes, if they were all seen by this process.
    pub(crate) hasher: Option<Hasher>,
}

/// Takes the next bytes of one upload. Holds the upload for as long as anything may still be written,
/// also when whoever asked for it is gone.
pub(crate) struct Sink {
    path: PathBuf,
    file: Option<File>,
    progress: Progress,
    held: OwnedMutexGuard<Progress>,
}

// === impl Sink ===

impl Sink {
    /// Goes on where `held` is. What the file has beyond was never acknowledged and goes.
    pub(crate) fn new(path: PathBuf, held: OwnedMutexGuard<Progress>) -> Self {
        Self { path, file: None, progress: held.clone(), held }
    }

    /// Takes a body of at most `room` bytes. Answers the sink and the last bytes, not yet absorbed: small
    /// bodies cost one visit to a blocking thread in all, the caller's.
    pub(crate) async fn take<S, E>(self, body: S, room: Room) -> Result<(Self, Vec<Bytes>), Error>
    where
        S: Stream<Item = Result<Bytes, E>>,
        E: Into<Cause>,
    {
        let mut body = pin!(body);
        let mut work = Work::Idle(Box::new(self));
        let (mut taken, mut waiting, mut tail) = (0_u64, 0_usize, Vec::new());
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| Error::Body(error.into()))?;
            taken = taken.saturating_add(chunk.len() as u64);
            if taken > room.bytes {
                return Err(room.exceeded());
            }
            waiting += chunk.len();
            tail.push(chunk);
            if waiting >= BUFFER_BYTES {
                work = work.next(std::mem::take(&mut tail)).await?;
                waiting = 0;
            }
        }
        Ok((work.finish().await?, tail))
    }

    /// Writes and hashes. Blocks.
    pub(crate) fn absorb(&mut self, chunks: &[Bytes]) -> Result<(), Error> {
        let Self { path, file, progress, held: _ } = self;
        let file = opened(path, file, progress.length)?;
        for chunk in chunks {
            file.write_all(chunk)?;
            if let Some(hasher) = &mut progress.hasher {
                hasher.update(chunk);
            }
            progress.length += chunk.len() as u64;
        }
        Ok(())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where this request began.
    pub(crate) fn start(&self) -> u64 {
        self.held.length
    }

    /// Bytes absorbed, of this request and those before.
    pub(crate) fn length(&self) -> u64 {
        self.progress.length
    }

    /// Whether what was absorbed ends where the client said.
    ///
    /// # Errors
    /// [`Error::RangeInvalid`].
    pub(crate) fn check_end(&self, span: Option<Range<u64>>) -> Result<(), Error> {
        match span {
            Some(span) if span.end != self.length() => Err(Error::RangeInvalid { offset: self.start() }),
            Some(_) | None => Ok(()),
        }
    }

    /// What the content hashes to in the algorithm of `expected`; reads it again if that was not computed
    /// on the way. Blocks.
    ///
    /// # Errors
    /// [`Error::DigestMismatch`].
    pub(crate) fn verify(&mut self, expected: &Digest) -> Result<(), Error> {
        let on_the_way = self.progress.hasher.clone().map(Hasher::finish);
        let actual = match on_the_way.filter(|digest| digest.algorithm() == expected.algorithm()) {
            Some(digest) => digest,
            None => self.reread(Hasher::new(expected.algorithm()))?,
        };
        if actual == *expected {
            Ok(())
        } else {
            Err(Error::DigestMismatch { expected: Box::new(*expected), actual: Box::new(actual) })
        }
    }

    fn reread(&mut self, mut hasher: Hasher) -> Result<Digest, Error> {
        let file = opened(&self.path, &mut self.file, self.progress.length)?;
        file.seek(SeekFrom::Start(0))?;
        let mut buffer = vec![0; REREAD_BYTES];
        loop {
            let read = file.read(&mut buffer)?;
            let Some(content) = buffer.get(..read).filter(|content| !content.is_empty()) else { break };
            hasher.update(content);
        }
        Ok(hasher.finish())
    }

    /// Makes the content durable, and its name too if `named`. Blocks.
    pub(crate) fn sync(&mut self, named: bool) -> Result<(), Error> {
        opened(&self.path, &mut self.file, self.progress.length)?.sync_data()?;
        if named && let Some(folder) = self.path.parent() {
            sync_folder(folder)?;
        }
        Ok(())
    }

    /// Makes this the progress of the upload, and lets go of it.
    pub(crate) fn keep(mut self) -> u64 {
        let length = self.progress.length;
        *self.held = self.progress;
        length
    }
}

/// The file, opened where its `acknowledged` bytes end; what is beyond goes.
fn opened<'f>(path: &Path, file: &'f mut Option<File>, acknowledged: u64) -> Result<&'f mut File, Error> {
    match file {
        Some(file) => Ok(file),
        None => {
            let mut found = open_write(path, acknowledged == 0).map_err(gone)?;
            if found.metadata()?.len() < acknowledged {
                return Err(Error::UploadUnknown);
            }
            found.set_len(acknowledged)?;
            found.seek(SeekFrom::Start(acknowledged))?;
            Ok(file.insert(found))
        }
    }
}

/// A file that was published or swept is no upload any more.
fn gone(error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::NotFound { Error::UploadUnknown } else { error.into() }
}

/// How many more bytes are allowed, and what to say beyond.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub(crate) bytes: u64,
    pub(crate) refusal: Refusal,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Refusal {
    /// More than the client said: the upload goes on at this offset.
    Range {
        offset: u64,
    },
    TooLarge {
        limit: u64,
    },
}

impl Room {
    pub(crate) fn exceeded(&self) -> Error {
        match self.refusal {
            Refusal::Range { offset } => Error::RangeInvalid { offset },
            Refusal::TooLarge { limit } => Error::TooLarge { what: "a blob", limit },
        }
    }
}

/// The sink, or the thread that has it.
enum Work {
    Idle(Box<Sink>),
    Busy(JoinHandle<Result<Sink, Error>>),
}

impl Work {
    /// Waits for the last buffer to be written and starts the next.
    async fn next(self, chunks: Vec<Bytes>) -> Result<Self, Error> {
        let mut sink = self.finish().await?;
        Ok(Self::Busy(tokio::task::spawn_blocking(move || {
            sink.absorb(&chunks)?;
            Ok(sink)
        })))
    }

    async fn finish(self) -> Result<Sink, Error> {
        match self {
            Self::Idle(sink) => Ok(*sink),
            Self::Busy(task) => blocking::joined(task).await,
        }
    }
}
