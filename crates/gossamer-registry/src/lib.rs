#![doc = include_str!("../README.md")]

mod blobs;
mod catalog;
mod config;
mod error;
mod events;
mod index;
mod listings;
mod manifests;
mod page;
mod registry;
mod scrub;
#[cfg(test)]
mod testing;
mod uploads;

pub use blobs::{Blob, BlobStream};
pub use config::{Config, Limits};
pub use error::{Cause, Error};
pub use manifests::{Author, PutManifest, Stored, StoredManifest};
pub use page::{Listing, Page};
pub use registry::Registry;
pub use uploads::{Upload, UploadId};
