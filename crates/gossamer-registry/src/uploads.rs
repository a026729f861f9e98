//! Upload sessions: begun, continued at the exact offset, also after a restart, and finished or dropped.

use std::fmt;
use std::io;
use std::ops::Range;
use std::str::FromStr;

use bytes::Bytes;
use futures::Stream;
use gossamer_oci::{Algorithm, Digest, RepositoryName};
use time::OffsetDateTime;
use tracing::warn;

use crate::blobs::sink::{Refusal, Room, Sink};
use crate::catalog::{Change, UploadRow};
use crate::registry::blocking;
use crate::{Cause, Error, Registry};

pub(crate) mod sessions;

use sessions::Session;

/// The name of an upload: 128 random bits, in hex.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UploadId([u8; 16]);

/// Which upload a request means, and whose request it is. All three must fit what it was started with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    pub id: UploadId,
    pub repository: RepositoryName,
    pub principal: String,
}

// === impl UploadId ===

impl UploadId {
    pub(crate) fn random() -> Result<Self, Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl FromStr for UploadId {
    type Err = Error;

    /// What is not the name of an upload is the name of no upload.
    fn from_str(text: &str) -> Result<Self, Error> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| Error::UploadUnknown)?;
        Ok(Self(bytes))
    }
}

// === impl Registry ===

impl Registry {
    /// Starts an upload. `algorithm` is what the client says its digest will be in; another one costs
    /// a second reading. Survives the end of the process, and a power cut once it has bytes.
    ///
    /// # Errors
    /// [`Error::TooManyUploads`].
    pub async fn start_upload(
        &self,
        repository: &RepositoryName,
        principal: &str,
        algorithm: Algorithm,
    ) -> Result<Upload, Error> {
        let limit = self.inner.limits.uploads_max;
        if self.inner.sessions.len() >= limit {
            self.expire_uploads().await?;
        }
        let upload = Upload {
            id: UploadId::random()?,
            repository: repository.clone(),
            principal: principal.to_owned(),
        };
        let touched = OffsetDateTime::now_utc();
        let row = UploadRow { upload: upload.clone(), algorithm, size: 0, touched };
        self.inner.sessions.begin(&row, limit)?;
        if let Err(error) = self.inner.catalog.apply(Change::StartUpload(row)).await {
            self.inner.sessions.remove(&upload.id);
            return Err(error);
        }
        Ok(upload)
    }

    /// Appends `body`. `span` is where the client says the bytes belong (`Content-Range`, end exclusive);
    /// without it they go to the end. Answers the new length, durable. All of `body` or nothing is appended.
    ///
    /// # Errors
    /// [`Error::UploadUnknown`], [`Error::UploadBusy`], [`Error::RangeInvalid`], [`Error::TooLarge`],
    /// [`Error::Body`].
    pub async fn append<S, E>(&self, upload: &Upload, span: Option<Range<u64>>, body: S) -> Result<u64, Error>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Into<Cause>,
    {
        let session = self.inner.sessions.find(upload)?;
        let (mut sink, tail) = self.receive(&session, span.as_ref(), body).await?;
        let sink = blocking::run(move || {
            sink.absorb(&tail)?;
            sink.check_end(span)?;
            sink.sync(sink.start() == 0)?;
            Ok(sink)
        })
        .await?;
        let (id, size, at) = (upload.id, sink.length(), OffsetDateTime::now_utc());
        self.inner.catalog.apply(Change::AdvanceUpload { id, size, at }).await?;
        session.advance(sink.keep(), at);
        Ok(size)
    }

    /// Appends `body` as [`Registry::append`] does, checks the digest, and makes the blob visible. Answers
    /// its size.
    ///
    /// # Errors
    /// As [`Registry::append`], and [`Error::DigestMismatch`], after which the upload is gone.
    pub async fn finish<S, E>(
        &self,
        upload: &Upload,
        digest: &Digest,
        span: Option<Range<u64>>,
        body: S,
    ) -> Result<u64, Error>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Into<Cause>,
    {
        let session = self.inner.sessions.find(upload)?;
        let (sink, tail) = self.receive(&session, span.as_ref(), body).await?;
        match self.publish(sink, tail, *digest, span).await {
            Ok(sink) => {
                // The file is no upload's any more. If linking fails, the upload is gone all the same.
                self.inner.sessions.remove(&upload.id);
                self.link(&upload.repository, digest, sink.length(), Some(upload.id)).await
            }
            Err(error) => {
                if matches!(error, Error::DigestMismatch { .. }) {
                    self.end(upload.id).await?;
                }
                Err(error)
            }
        }
    }

    /// How many bytes the upload has.
    ///
    /// # Errors
    /// [`Error::UploadUnknown`].
    pub async fn upload_status(&self, upload: &Upload) -> Result<u64, Error> {
        Ok(self.inner.sessions.find(upload)?.length())
    }

    /// Ends the upload without a blob.
    ///
    /// # Errors
    /// [`Error::UploadUnknown`], [`Error::UploadBusy`].
    pub async fn cancel(&self, upload: &Upload) -> Result<(), Error> {
        let session = self.inner.sessions.find(upload)?;
        let _held = session.hold().await?;
        self.end(upload.id).await
    }

    /// Ends the uploads that nobody touched for longer than the configured time. Answers how many.
    /// The registry does so when it opens and when there are too many; a server may do so by the hour.
    pub async fn expire_uploads(&self) -> Result<usize, Error> {
        let oldest = OffsetDateTime::now_utc() - self.inner.limits.upload_idle();
        let expired = self.inner.sessions.idle_since(oldest);
        for id in &expired {
            self.end(*id).await?;
        }
        Ok(expired.len())
    }

    /// Takes the body where the session is, if the span begins there.
    async fn receive<S, E>(
        &self,
        session: &Session,
        span: Option<&Range<u64>>,
        body: S,
    ) -> Result<(Sink, Vec<Bytes>), Error>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Into<Cause>,
    {
        let held = session.hold().await?;
        self.inner.sessions.find(session.upload())?; // whoever held it may have ended it
        let (offset, limit) = (held.length, self.inner.limits.blob_bytes_max);
        let free = Room { bytes: limit.saturating_sub(offset), refusal: Refusal::TooLarge { limit } };
        let room = match span {
            None => free,
            Some(span) if span.start != offset || span.is_empty() => {
                return Err(Error::RangeInvalid { offset });
            }
            Some(span) if span.end > limit => return Err(free.exceeded()),
            Some(span) => Room { bytes: span.end - span.start, refusal: Refusal::Range { offset } },
        };
        let path = self.inner.files.upload(&session.upload().id);
        Sink::new(path, held).take(body, room).await
    }

    async fn end(&self, id: UploadId) -> Result<(), Error> {
        self.inner.sessions.remove(&id);
        self.discard(id).await;
        self.inner.catalog.apply(Change::EndUpload { id }).await.map(drop)
    }

    /// Removes the file of an upload. If that fails, the next opening sweeps it.
    pub(crate) async fn discard(&self, id: UploadId) {
        let files = self.inner.files.clone();
        if let Err(error) = blocking::run(move || Ok(files.discard(&id)?)).await {
            warn!(upload = %id, %error, "Cannot remove the file of an upload");
        }
    }
}

/// The row and the file of an upload that is begun again after a restart agree.
pub(crate) fn is_intact(row: &UploadRow, file_bytes: Option<u64>) -> bool {
    row.size == 0 || file_bytes.is_some_and(|bytes| bytes >= row.size)
}

#[cfg(test)]
mod tests;
