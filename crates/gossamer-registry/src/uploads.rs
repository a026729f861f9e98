//! Upload sessions.

use std::ops::Range;

use bytes::Bytes;
use futures::Stream;
use gossamer_oci::{Algorithm, Digest, RepositoryName};

use crate::{Cause, Error, Registry};

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

impl std::fmt::Display for UploadId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl std::str::FromStr for UploadId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut id = [0; 16];
        hex::decode_to_slice(text, &mut id).map_err(|_| Error::UploadUnknown)?;
        Ok(Self(id))
    }
}

impl Registry {
    /// Starts an upload. `algorithm` is what the client says its digest will be in; another one costs
    /// a second reading.
    pub async fn start_upload(
        &self,
        _repository: &RepositoryName,
        _principal: &str,
        _algorithm: Algorithm,
    ) -> Result<Upload, Error> {
        Err(Error::Closed)
    }

    /// Appends `body`. `span` is where the client says the bytes belong (`Content-Range`, end exclusive);
    /// without it they go to the end. Answers the new length, durable. All of `body` or nothing is appended.
    pub async fn append<S, E>(
        &self,
        _upload: &Upload,
        _span: Option<Range<u64>>,
        _body: S,
    ) -> Result<u64, Error>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Into<Cause>,
    {
        Err(Error::Closed)
    }

    /// Appends `body` as [`Registry::append`] does, checks the digest, and makes the blob visible. Answers its size.
    pub async fn finish<S, E>(
        &self,
        _upload: &Upload,
        _digest: &Digest,
        _span: Option<Range<u64>>,
        _body: S,
    ) -> Result<u64, Error>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Into<Cause>,
    {
        Err(Error::Closed)
    }

    /// How many bytes the upload has.
    pub async fn upload_status(&self, _upload: &Upload) -> Result<u64, Error> {
        Err(Error::Closed)
    }

    /// Ends the upload without a blob.
    pub async fn cancel(&self, _upload: &Upload) -> Result<(), Error> {
        Err(Error::Closed)
    }
}
