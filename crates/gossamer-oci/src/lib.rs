#![doc = include_str!("../README.md")]

mod descriptor;
mod digest;
mod error_code;
mod manifest;
pub mod media_type;
mod name;
mod reference;
mod text;

pub use descriptor::Descriptor;
pub use digest::{Algorithm, Digest, Hasher, InvalidAlgorithm, InvalidDigest};
pub use error_code::{ErrorBody, ErrorCode, ErrorEntry};
pub use manifest::{InvalidManifest, Manifest, ManifestKind};
pub use media_type::{InvalidMediaType, MediaType};
pub use name::{InvalidPluginName, InvalidRepositoryName, PluginName, RepositoryName};
pub use reference::{InvalidReference, InvalidTag, Reference, Tag};
