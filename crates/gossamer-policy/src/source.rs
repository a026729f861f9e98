//! The text of a policy, within limits that any real router keeps.

use gossamer_oci::Digest;
use serde::{Deserialize, Serialize};

/// A policy as it was announced or shipped: a Rego module and the root of its data document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicySource {
    digest: Digest,
    module: String,
    data: serde_json::Value,
}

/// Why a text is not taken as a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum InvalidSource {
    #[error("a module has at most {max} bytes, not {bytes}", max = PolicySource::MODULE_BYTES_MAX)]
    ModuleTooLarge { bytes: usize },
    #[error("a data document has at most {max} bytes, not {bytes}", max = PolicySource::DATA_BYTES_MAX)]
    DataTooLarge { bytes: usize },
    #[error("the data document is not JSON: {0}")]
    DataMalformed(String),
    #[error("the data document is not an object")]
    DataNotAnObject,
}

// === impl PolicySource ===

impl PolicySource {
    /// Longest module, in bytes: some fifty times the largest router that ships.
    pub const MODULE_BYTES_MAX: usize = 256 * 1024;
    /// Longest data document, in bytes: room for tables of names, not for an index of content.
    pub const DATA_BYTES_MAX: usize = 1024 * 1024;

    /// Takes a module and its data document, which is JSON; an empty text stands for `{}`.
    ///
    /// `digest` is what the policy is known by, in announcements and in memory: the caller computed or verified it.
    pub fn parse(digest: Digest, module: impl Into<String>, data: &str) -> Result<Self, InvalidSource> {
        if data.len() > Self::DATA_BYTES_MAX {
            return Err(InvalidSource::DataTooLarge { bytes: data.len() });
        }
        let data = match data.trim() {
            "" => serde_json::Value::Object(serde_json::Map::new()),
            text => {
                serde_json::from_str(text).map_err(|error| InvalidSource::DataMalformed(error.to_string()))?
            }
        };
        Self::new(digest, module, data)
    }

    /// Takes a module and a data document that the caller holds as a value, such as settings of its own.
    pub fn new(
        digest: Digest,
        module: impl Into<String>,
        data: serde_json::Value,
    ) -> Result<Self, InvalidSource> {
        let module = module.into();
        if module.len() > Self::MODULE_BYTES_MAX {
            return Err(InvalidSource::ModuleTooLarge { bytes: module.len() });
        }
        if !data.is_object() {
            return Err(InvalidSource::DataNotAnObject);
        }
        Ok(Self { digest, module, data })
    }

    pub fn digest(&self) -> Digest {
        self.digest
    }

    pub fn module(&self) -> &str {
        &self.module
    }

    pub fn data(&self) -> &serde_json::Value {
        &self.data
    }
}

#[cfg(test)]
mod tests;
