//! Why a registry operation failed, and whether it changed anything.

use std::io;

use gossamer_oci::{Digest, InvalidManifest, Reference, RepositoryName};

/// The cause of a failure somewhere below.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a registry operation failed. Nothing was changed unless the variant says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("repository {0} is unknown")]
    NameUnknown(RepositoryName),
    #[error("blob {0} is unknown")]
    BlobUnknown(Digest),
    #[error("manifest {0} is unknown")]
    ManifestUnknown(Reference),
    #[error("the manifest is not valid")]
    ManifestInvalid(#[from] InvalidManifest),
    #[error("the manifest names {0}, which its repository does not have")]
    ManifestBlobUnknown(Digest),
    #[error("the manifest says {stated} bytes of {digest}, which has {actual}")]
    ManifestBlobSize { digest: Digest, stated: u64, actual: u64 },
    /// An upload that was to be finished is gone: its content can never be right.
    #[error("content hashes to {actual}, not to {expected}")]
    DigestMismatch { expected: Box<Digest>, actual: Box<Digest> },
    /// Also for another repository's or principal's upload.
    #[error("the upload is unknown")]
    UploadUnknown,
    #[error("another request is writing to the upload")]
    UploadBusy,
    #[error("{limit} uploads are open, and no more are allowed")]
    TooManyUploads { limit: usize },
    /// The chunk leaves a gap, overlaps, or is not as long as it said. The upload is where it was.
    #[error("the upload goes on at offset {offset}")]
    RangeInvalid { offset: u64 },
    #[error("{what} of more than {limit} bytes")]
    TooLarge { what: &'static str, limit: u64 },
    /// The sender broke off. The upload is where it was before this request.
    #[error("the body ended early")]
    Body(#[source] Cause),
    #[error("the storage is full")]
    StorageFull,
    #[error("the storage is read-only")]
    ReadOnly,
    /// The catalog knows the content and the disk does not have it, or not all of it.
    #[error("the stored content of {0} is damaged")]
    Damaged(Digest),
    /// What was being written may survive as an unreachable file, swept when the registry opens.
    #[error("cannot read or write the storage")]
    Io(#[source] io::Error),
    /// A failed commit is rolled back; whether a crash right then keeps it is not known.
    #[error("the catalog failed")]
    Catalog(#[source] Cause),
    #[error("the catalog has version {found}, and this program knows versions up to {known}")]
    CatalogVersion { found: i64, known: i64 },
    #[error("another process has the registry open")]
    Locked,
    #[error("the registry is closed")]
    Closed,
}

// === impl Error ===

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::StorageFull || error.kind() == io::ErrorKind::QuotaExceeded {
            Self::StorageFull
        } else if error.kind() == io::ErrorKind::ReadOnlyFilesystem {
            Self::ReadOnly
        } else {
            Self::Io(error)
        }
    }
}
