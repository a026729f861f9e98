//! Failures become OCI error JSON here, in one exhaustive match. What is our own fault goes to the log
//! whole, once, and to the client not at all.

use std::error::Error as _;

use axum::Json;
use axum::response::{IntoResponse, Response};
use gossamer_oci::{
    ErrorBody, ErrorCode, InvalidDigest, InvalidManifest, InvalidReference, InvalidRepositoryName,
    InvalidTag, Manifest,
};
use gossamer_registry::Error;
use http::header::{ALLOW, RANGE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};

use super::headers;
use super::manifests::TAGS_MAX;
use super::uploads::received;
use crate::chain::Chain;
use crate::http::problem::CHALLENGE;

/// When to come back after 429, in seconds: uploads end in minutes, not in moments.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("30");

/// Why a request was not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("there is nothing here")]
    NotFound,
    #[error("only {allow} is possible here")]
    MethodNotAllowed { allow: &'static str },
    #[error("credentials are required")]
    Unauthorized,
    #[error("access is denied")]
    Denied,
    #[error(transparent)]
    Name(#[from] InvalidRepositoryName),
    #[error(transparent)]
    Digest(#[from] InvalidDigest),
    #[error(transparent)]
    Tag(#[from] InvalidTag),
    #[error("the digest parameter is missing")]
    NoDigest,
    #[error("the parameter {0} is not valid")]
    Parameter(&'static str),
    #[error("a push takes at most {TAGS_MAX} tags")]
    TooManyTags,
    #[error("a manifest has at most {} bytes", Manifest::SIZE_MAX)]
    ManifestTooLarge,
    #[error("the Content-Type is not a media type")]
    ContentType,
    #[error(transparent)]
    Registry(Box<Error>),
}

/// What the client is told.
struct Told {
    status: StatusCode,
    /// `None` if the fault is ours and nobody else's business.
    code: Option<ErrorCode>,
    header: Option<(HeaderName, HeaderValue)>,
}

// === impl Failure ===

impl Failure {
    #[cfg(test)]
    pub(super) fn status(&self) -> StatusCode {
        self.told().status
    }

    fn told(&self) -> Told {
        match self {
            Self::NotFound => told(StatusCode::NOT_FOUND, ErrorCode::NameUnknown),
            Self::MethodNotAllowed { allow } => told(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::Unsupported)
                .with(ALLOW, HeaderValue::from_static(allow)),
            Self::Unauthorized => {
                told(StatusCode::UNAUTHORIZED, ErrorCode::Unauthorized).with(WWW_AUTHENTICATE, CHALLENGE)
            }
            Self::Denied => told(StatusCode::FORBIDDEN, ErrorCode::Denied),
            Self::Name(_) => told(StatusCode::BAD_REQUEST, ErrorCode::NameInvalid),
            Self::Digest(_) | Self::NoDigest => told(StatusCode::BAD_REQUEST, ErrorCode::DigestInvalid),
            Self::Tag(_) | Self::ContentType => told(StatusCode::BAD_REQUEST, ErrorCode::ManifestInvalid),
            Self::Parameter(_) => told(StatusCode::BAD_REQUEST, ErrorCode::Unsupported),
            Self::TooManyTags => told(StatusCode::URI_TOO_LONG, ErrorCode::ManifestInvalid),
            Self::ManifestTooLarge => told(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::ManifestInvalid),
            Self::Registry(error) => of_registry(error),
        }
    }

    /// What a person reads. Of a wrapped error the innermost reason is the useful one.
    fn message(&self) -> String {
        match self {
            Self::Registry(error) => match (&**error, error.source()) {
                (Error::ManifestInvalid(reason), _) => reason.to_string(),
                (error, Some(source)) => format!("{error}: {source}"),
                (error, None) => error.to_string(),
            },
            Self::NotFound
            | Self::MethodNotAllowed { .. }
            | Self::Unauthorized
            | Self::Denied
            | Self::Name(_)
            | Self::Digest(_)
            | Self::Tag(_)
            | Self::NoDigest
            | Self::Parameter(_)
            | Self::TooManyTags
            | Self::ManifestTooLarge
            | Self::ContentType => self.to_string(),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Registry(Box::new(error))
    }
}

impl From<InvalidReference> for Failure {
    fn from(error: InvalidReference) -> Self {
        match error {
            InvalidReference::Tag(error) => Self::Tag(error),
            InvalidReference::Digest(error) => Self::Digest(error),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Told { status, code, header } = self.told();
        if status.is_server_error() {
            tracing::error!(error = %Chain(&self), %status, "Registry request failed");
        }
        let mut response = match code {
            Some(code) => (status, Json(ErrorBody::new(code, self.message()))).into_response(),
            None => (status, Json(ErrorBody { errors: Vec::new() })).into_response(),
        };
        response.headers_mut().extend(header);
        response
    }
}

// === impl Told ===

impl Told {
    fn with(self, name: HeaderName, value: HeaderValue) -> Self {
        Self { header: Some((name, value)), ..self }
    }
}

fn told(status: StatusCode, code: ErrorCode) -> Told {
    Told { status, code: Some(code), header: None }
}

fn our_fault(status: StatusCode) -> Told {
    Told { status, code: None, header: None }
}

fn of_registry(error: &Error) -> Told {
    match error {
        Error::NameUnknown(_) => told(StatusCode::NOT_FOUND, ErrorCode::NameUnknown),
        Error::BlobUnknown(_) => told(StatusCode::NOT_FOUND, ErrorCode::BlobUnknown),
        Error::ManifestUnknown(_) => told(StatusCode::NOT_FOUND, ErrorCode::ManifestUnknown),
        Error::ManifestInvalid(InvalidManifest::TooLarge { .. }) => {
            told(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::ManifestInvalid)
        }
        Error::ManifestInvalid(_) | Error::ManifestBlobSize { .. } => {
            told(StatusCode::BAD_REQUEST, ErrorCode::ManifestInvalid)
        }
        Error::ManifestBlobUnknown(_) => told(StatusCode::BAD_REQUEST, ErrorCode::ManifestBlobUnknown),
        Error::DigestMismatch { .. } => told(StatusCode::BAD_REQUEST, ErrorCode::DigestInvalid),
        Error::UploadUnknown => told(StatusCode::NOT_FOUND, ErrorCode::BlobUploadUnknown),
        Error::UploadBusy => told(StatusCode::CONFLICT, ErrorCode::BlobUploadInvalid),
        Error::TooManyUploads { .. } => told(StatusCode::TOO_MANY_REQUESTS, ErrorCode::TooManyRequests)
            .with(RETRY_AFTER, RETRY_AFTER_SECONDS),
        Error::RangeInvalid { offset } => {
            told(StatusCode::RANGE_NOT_SATISFIABLE, ErrorCode::BlobUploadInvalid)
                .with(RANGE, headers::value(received(*offset)))
        }
        Error::TooLarge { .. } => told(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::SizeInvalid),
        Error::Body(_) => told(StatusCode::BAD_REQUEST, ErrorCode::BlobUploadInvalid),
        Error::StorageFull => told(StatusCode::INSUFFICIENT_STORAGE, ErrorCode::Denied),
        Error::ReadOnly => told(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Denied),
        Error::Closed => our_fault(StatusCode::SERVICE_UNAVAILABLE),
        Error::Damaged(_)
        | Error::Io(_)
        | Error::Catalog(_)
        | Error::CatalogVersion { .. }
        | Error::Locked => our_fault(StatusCode::INTERNAL_SERVER_ERROR),
    }
}
