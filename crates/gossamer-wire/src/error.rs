//! Why bytes are not a message.

use std::error::Error;
use std::fmt;

/// Why bytes are not the message that they should be. Nothing of it was used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidMessage {
    #[error("{actual} bytes are more than the {limit} that this message may have")]
    TooLarge { limit: usize, actual: usize },
    #[error("the bytes are not a protobuf message")]
    Malformed(#[source] Malformed),
    #[error("the field {0} is missing")]
    Missing(&'static str),
    #[error("the field {field} is not valid")]
    Field { field: &'static str, source: Box<dyn Error + Send + Sync> },
    #[error("the field {field} has more than {limit} bytes or elements")]
    FieldTooLong { field: &'static str, limit: usize },
}

/// What the protobuf decoder said.
#[derive(Debug)]
pub struct Malformed(pub(crate) prost::DecodeError);

// === impl Malformed ===

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for Malformed {}
