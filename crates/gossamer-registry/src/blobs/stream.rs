//! Bytes going out: one read for what is small, growing pieces read ahead for what is large.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::Stream;
use gossamer_oci::Digest;
use rustix::buffer::spare_capacity;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, ReadWriteFlags};
use tokio::task::{JoinHandle, spawn_blocking};

use super::files::open_read;
use crate::Error;
use crate::registry::blocking;

/// The largest part that is read at once, and the first piece of a larger one.
const WHOLE_BYTES_MAX: u64 = 256 << 10;

/// The largest piece. With the one read ahead a stream holds two.
const PIECE_BYTES_MAX: u64 = 1 << 20;

/// The largest part that is tried without leaving the thread.
const AT_ONCE_BYTES_MAX: u64 = 64 << 10;

/// Part of a blob, in order, in pieces that grow with it.
pub struct BlobStream {
    /// Read and not yet given.
    piece: Option<Bytes>,
    /// Being read; none if the piece is the last.
    next: Option<JoinHandle<Result<(Reader, Bytes), Error>>>,
    remaining: u64,
}

/// Reads the pieces of one part, on blocking threads.
struct Reader {
    file: File,
    digest: Digest,
    part: Range<u64>,
    piece: u64,
}

// === impl BlobStream ===

impl BlobStream {
    /// Opens the blob at `path`, of `size` bytes, and reads the first piece of `part`.
    pub(super) async fn open(
        path: &Path,
        digest: Digest,
        size: u64,
        part: Range<u64>,
    ) -> Result<Self, Error> {
        let remaining = part.end.saturating_sub(part.start);
        if remaining <= AT_ONCE_BYTES_MAX
            && let Some(bytes) = read_cached(path, size, &part)
        {
            return Ok(Self { piece: Some(bytes), next: None, remaining });
        }
        let path = path.to_owned();
        let (reader, bytes) = blocking::run(move || {
            let file = open_read(&path).map_err(|error| damaged(error, digest))?;
            if file.metadata()?.len() != size {
                return Err(Error::Damaged(digest));
            }
            Reader { file, digest, part, piece: WHOLE_BYTES_MAX }.read()
        })
        .await?;
        Ok(Self { piece: Some(bytes), next: reader.ahead(), remaining })
    }

    /// Bytes still to come.
    pub fn remaining(&self) -> u64 {
        self.remaining
    }

    /// All that is to come, if it was small enough to be read in one go; the stream is then at its end.
    pub fn take_whole(&mut self) -> Option<Bytes> {
        if self.next.is_none() { self.take_piece() } else { None }
    }

    fn take_piece(&mut self) -> Option<Bytes> {
        let piece = self.piece.take()?;
        self.remaining = self.remaining.saturating_sub(piece.len() as u64);
        Some(piece)
    }
}

impl Stream for BlobStream {
    type Item = Result<Bytes, Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.piece.is_none()
            && let Some(task) = &mut this.next
        {
            let read = ready!(blocking::poll(task, context));
            this.next = None;
            match read {
                Ok((reader, bytes)) => {
                    this.next = reader.ahead();
                    this.piece = Some(bytes);
                }
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
        Poll::Ready(this.take_piece().filter(|piece| !piece.is_empty()).map(Ok))
    }
}

// === impl Reader ===

impl Reader {
    /// Starts to read the next piece, if there is one.
    fn ahead(self) -> Option<JoinHandle<Result<(Self, Bytes), Error>>> {
        (!self.part.is_empty()).then(|| spawn_blocking(move || self.read()))
    }

    /// Reads the next piece; the one after it will be twice as large.
    fn read(mut self) -> Result<(Self, Bytes), Error> {
        let length = self.piece.min(self.part.end.saturating_sub(self.part.start));
        let mut piece = Vec::with_capacity(usize::try_from(length).unwrap_or(usize::MAX));
        while (piece.len() as u64) < length {
            let offset = self.part.start + piece.len() as u64;
            match rustix::io::pread(&self.file, spare_capacity(&mut piece), offset) {
                Ok(0) => return Err(Error::Damaged(self.digest)),
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(io::Error::from(error).into()),
            }
        }
        piece.truncate(usize::try_from(length).unwrap_or(usize::MAX));
        self.part.start += length;
        self.piece = (self.piece * 2).min(PIECE_BYTES_MAX);
        Ok((self, piece.into()))
    }
}

/// Reads a small part without waiting, if the kernel has its path and its pages in memory.
fn read_cached(path: &Path, size: u64, part: &Range<u64>) -> Option<Bytes> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file: OwnedFd = rustix::fs::openat2(CWD, path, flags, Mode::empty(), ResolveFlags::CACHED).ok()?;
    if u64::try_from(rustix::fs::fstat(file.as_fd()).ok()?.st_size) != Ok(size) {
        return None;
    }
    let mut content = vec![0; usize::try_from(part.end.saturating_sub(part.start)).ok()?];
    if content.is_empty() {
        return Some(Bytes::new());
    }
    let length = content.len();
    let mut target = [io::IoSliceMut::new(&mut content)];
    let read = rustix::io::preadv2(&file, &mut target, part.start, ReadWriteFlags::NOWAIT).ok()?;
    (read == length).then(|| content.into())
}

/// A blob that the catalog has and the disk has not.
fn damaged(error: io::Error, digest: Digest) -> Error {
    if error.kind() == io::ErrorKind::NotFound { Error::Damaged(digest) } else { error.into() }
}
