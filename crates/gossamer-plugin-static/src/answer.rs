//! What the API answers: objects, lists and errors in the form that Beskar's clients read.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use gossamer_sdk::{ClientError, DatabaseError, WaitError};
use serde::Serialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::StaticFormatDescription;
use time::macros::format_description;
use tracing::error;

use crate::event::File;
use crate::repository::{InvalidFileName, InvalidRepository};
use crate::table::LogEntry;

const JSON_TYPE: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

const TIME: StaticFormatDescription =
    format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");

/// A JSON object with the content type that Beskar's clients expect.
pub(crate) struct Answer(pub(crate) Value);

/// A file as the API shows it.
#[derive(Debug, Serialize)]
pub(crate) struct RepositoryFile {
    tag: String,
    /// SHA-256 of the content, in hex.
    id: String,
    name: String,
    upload_time: String,
    size: u64,
}

/// An entry of a repository's log as the API shows it.
#[derive(Debug, Serialize)]
pub(crate) struct RepositoryLog {
    level: &'static str,
    date: String,
    message: String,
}

/// Why a request was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    #[error("{0}")]
    InvalidArgument(String),
    #[error("{0}")]
    FailedPrecondition(String),
    #[error("{0} not found")]
    NotFound(String),
    #[error("the registry does not let this plugin do that")]
    PermissionDenied,
    #[error("the registry has no room: {0}")]
    ResourceExhausted(String),
    #[error("the registry cannot be reached")]
    Unavailable(#[source] ClientError),
    #[error("it is done, but not in the listing in time")]
    DeadlineExceeded(#[source] WaitError),
    #[error("internal error")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

// === impl Answer ===

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = Json(self.0).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, JSON_TYPE);
        response
    }
}

// === impl RepositoryFile ===

impl From<File> for RepositoryFile {
    fn from(file: File) -> Self {
        let File { tag, manifest: _, id, name, uploaded, size } = file;
        Self { tag: tag.to_string(), id: id.hex(), name, upload_time: written(uploaded), size }
    }
}

// === impl RepositoryLog ===

impl From<LogEntry> for RepositoryLog {
    fn from(entry: LogEntry) -> Self {
        let LogEntry { entry: _, time, message } = entry;
        Self { level: "error", date: written(time), message }
    }
}

fn written(time: OffsetDateTime) -> String {
    time.to_offset(time::UtcOffset::UTC).format(TIME).unwrap_or_default()
}

// === impl ApiError ===

impl ApiError {
    /// The status and the name that Beskar's clients know it by.
    fn code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::InvalidArgument(_) => (StatusCode::BAD_REQUEST, "InvalidArgument"),
            Self::FailedPrecondition(_) => (StatusCode::BAD_REQUEST, "FailedPrecondition"),
            Self::NotFound(_) => (StatusCode::NOT_FOUND, "NotFound"),
            Self::PermissionDenied => (StatusCode::FORBIDDEN, "PermissionDenied"),
            Self::ResourceExhausted(_) => (StatusCode::TOO_MANY_REQUESTS, "ResourceExhausted"),
            Self::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "Unavailable"),
            Self::DeadlineExceeded(_) => (StatusCode::GATEWAY_TIMEOUT, "DeadlineExceeded"),
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "Internal"),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code) = self.code();
        if status.is_server_error() {
            error!(error = &self as &dyn std::error::Error, code, "A request failed");
        }
        let body = json!({ "error": { "code": code, "message": self.to_string() } });
        (status, Answer(body)).into_response()
    }
}

impl From<ClientError> for ApiError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Content => Self::InvalidArgument(error.to_string()),
            ClientError::Unreachable(_) | ClientError::Lost(_) => Self::Unavailable(error),
            ClientError::Refused { status: StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, .. } => {
                Self::PermissionDenied
            }
            ClientError::Refused {
                status: StatusCode::TOO_MANY_REQUESTS | StatusCode::INSUFFICIENT_STORAGE,
                message,
            } => Self::ResourceExhausted(message),
            ClientError::Refused { .. } | ClientError::Nonsense(_) | ClientError::InvalidManifest(_) => {
                Self::Internal(error.into())
            }
        }
    }
}

impl From<DatabaseError> for ApiError {
    fn from(error: DatabaseError) -> Self {
        Self::Internal(error.into())
    }
}

impl From<WaitError> for ApiError {
    fn from(error: WaitError) -> Self {
        match error {
            WaitError::TimedOut(_) => Self::DeadlineExceeded(error),
            WaitError::Database(error) => error.into(),
        }
    }
}

impl From<InvalidRepository> for ApiError {
    fn from(error: InvalidRepository) -> Self {
        Self::InvalidArgument(error.to_string())
    }
}

impl From<InvalidFileName> for ApiError {
    fn from(error: InvalidFileName) -> Self {
        Self::InvalidArgument(error.to_string())
    }
}
