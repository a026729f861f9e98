//! The manifest that an event carries.

use gossamer_events::Event;
use gossamer_oci::{InvalidManifest, Manifest, MediaType, media_type};
use serde::Deserialize;

/// The manifest that an event is about, on delete too.
///
/// An event does not say which form of manifest it carries; the manifest itself may, and else it is an OCI image's.
pub fn manifest_of(event: &Event) -> Result<Manifest, InvalidManifest> {
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Form {
        media_type: Option<MediaType>,
    }
    let Form { media_type } = serde_json::from_slice(&event.payload).unwrap_or_default(); // `parse` says what is wrong
    let fallback = media_type::IMAGE_MANIFEST.parse().ok();
    Manifest::parse(&event.payload, media_type.or(fallback).as_ref())
}
