//! Manifests: one table of what is refused, one of what is kept, and that no bytes make the parser panic.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::media_type::{DOCKER_MANIFEST, DOCKER_MANIFEST_LIST, IMAGE_INDEX, IMAGE_MANIFEST};
use crate::{Digest, InvalidManifest, Manifest, MediaType};

fn media_type(text: &str) -> MediaType {
    text.parse().unwrap()
}

fn parse(content_type: &str, content: impl AsRef<[u8]>) -> Result<Manifest, InvalidManifest> {
    Manifest::parse(content.as_ref(), Some(&media_type(content_type)))
}

fn descriptor(media_type: &str) -> Value {
    json!({ "mediaType": media_type, "digest": Digest::sha256(b"x"), "size": 1 })
}

fn image() -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": IMAGE_MANIFEST,
        "config": descriptor("application/vnd.oci.image.config.v1+json"),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar")],
    })
}

fn index() -> Value {
    json!({ "schemaVersion": 2, "mediaType": IMAGE_INDEX, "manifests": [descriptor(IMAGE_MANIFEST)] })
}

/// `document` with the value at `pointer` replaced, or added as a new key of the document.
fn with(mut document: Value, pointer: &str, value: Value) -> String {
    match document.pointer_mut(pointer) {
        Some(place) => *place = value,
        None => document[&pointer[1..]] = value,
    }
    document.to_string()
}

#[test]
fn an_image_names_its_blobs() {
    let document = with(image(), "/artifactType", json!("application/vnd.example+json"));
    let manifest = parse(IMAGE_MANIFEST, document).unwrap();
    assert_eq!(manifest.layers().len(), 1);
    assert_eq!(manifest.blobs().count(), 2);
    assert!(manifest.children().is_empty());
    assert_eq!(manifest.event_media_type().unwrap(), "application/vnd.example+json");
}

#[test]
fn an_image_without_artifact_type_is_what_its_config_is() {
    let manifest = parse(IMAGE_MANIFEST, image().to_string()).unwrap();
    assert_eq!(manifest.artifact_type(), None);
    assert_eq!(manifest.event_media_type().unwrap(), "application/vnd.oci.image.config.v1+json");
}

#[test]
fn an_index_names_its_children() {
    let manifest = parse(IMAGE_INDEX, index().to_string()).unwrap();
    assert_eq!(manifest.children().len(), 1);
    assert_eq!(manifest.blobs().count(), 0);
    assert_eq!(manifest.event_media_type(), None);
}

#[test]
fn docker_media_types_are_accepted() {
    let manifest = with(image(), "/mediaType", json!(DOCKER_MANIFEST));
    assert!(parse(DOCKER_MANIFEST, manifest).is_ok());
    let list = with(index(), "/mediaType", json!(DOCKER_MANIFEST_LIST));
    assert!(parse(DOCKER_MANIFEST_LIST, list).is_ok());
}

#[test]
fn unusual_but_unambiguous_documents_are_accepted() {
    for document in [
        with(image(), "/layers", json!([])),
        with(image(), "/layers", json!(null)),
        with(image(), "/mediaType", json!(null)),
        with(image(), "/annotations", json!(null)),
        with(image(), "/com.example.unknown", json!({ "kept": [1, 2.5, true, null] })),
        with(image(), "/subject", descriptor(IMAGE_MANIFEST)),
        with(image(), "/layers/0/data", json!("eA==")),
        with(image(), "/config/size", json!(0)),
    ] {
        assert!(parse(IMAGE_MANIFEST, &document).is_ok(), "{document}");
    }
    assert!(parse(IMAGE_INDEX, with(index(), "/manifests", json!([]))).is_ok());
    assert!(parse(IMAGE_INDEX, with(index(), "/subject", descriptor(IMAGE_MANIFEST))).is_ok());
}

#[test]
fn foreign_layers_need_not_be_pushed() {
    let foreign = json!("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip");
    let manifest = parse(IMAGE_MANIFEST, with(image(), "/layers/0/mediaType", foreign)).unwrap();
    assert_eq!((manifest.layers().len(), manifest.blobs().count()), (1, 1));
}

#[test]
fn what_is_not_the_json_of_a_manifest_is_refused() {
    let image = image().to_string();
    let deep = format!("{{\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let duplicate = image.replacen("\"schemaVersion\":2", "\"schemaVersion\":2,\"schemaVersion\":2", 1);
    let duplicate_unknown = image.replacen('{', "{\"x\":{\"a\":1,\"\\u0061\":2},", 1);
    for document in [
        String::new(),
        "nonsense".to_owned(),
        "[]".to_owned(),
        "{}".to_owned(),
        "null".to_owned(),
        format!("{image}x"),
        format!("{image}{image}"),
        format!("\u{feff}{image}"),
        deep,
        duplicate,
        duplicate_unknown,
    ] {
        assert!(
            matches!(parse(IMAGE_MANIFEST, &document), Err(InvalidManifest::Malformed(_))),
            "{document:.80}"
        );
    }
}

#[test]
fn fields_of_the_wrong_form_are_refused() {
    for (pointer, value) in [
        ("/layers/0/size", json!(-1)),
        ("/layers/0/size", json!(1.5)),
        ("/layers/0/size", json!(9_223_372_036_854_775_808_u64)),
        ("/layers/0/size", json!("1")),
        ("/layers/0/digest", json!("sha256:../../x")),
        ("/layers/0/digest", json!("md5:d41d8cd98f00b204e9800998ecf8427e")),
        ("/layers/0/mediaType", json!("")),
        ("/layers/0", json!({})),
        ("/layers", json!({})),
        ("/config/digest", json!("sha256:")),
        ("/subject", json!({ "mediaType": IMAGE_MANIFEST, "digest": "sha256:x", "size": 1 })),
        ("/annotations", json!({ "a": 1 })),
        ("/artifactType", json!("none")),
        ("/schemaVersion", json!("2")),
    ] {
        let document = with(image(), pointer, value);
        assert!(matches!(parse(IMAGE_MANIFEST, &document), Err(InvalidManifest::Malformed(_))), "{document}");
    }
}

#[test]
fn every_other_rule_has_its_own_reason() {
    let image_bytes = image().to_string();
    let mut not_utf8 = with(image(), "/x", json!("?")).into_bytes();
    let place = not_utf8.iter().position(|byte| *byte == b'?').unwrap();
    not_utf8[place] = 0xff;

    assert!(matches!(parse(IMAGE_MANIFEST, not_utf8), Err(InvalidManifest::NotUtf8)));
    assert!(matches!(Manifest::parse(image_bytes.as_bytes(), None), Err(InvalidManifest::NoContentType)));
    assert!(matches!(parse("text/plain", &image_bytes), Err(InvalidManifest::UnknownMediaType(_))));
    assert!(matches!(
        parse(DOCKER_MANIFEST, &image_bytes),
        Err(InvalidManifest::ContradictingMediaType { .. })
    ));
    assert!(matches!(
        parse(IMAGE_MANIFEST, with(image(), "/schemaVersion", json!(1))),
        Err(InvalidManifest::SchemaVersion(1))
    ));
    assert!(matches!(
        parse(IMAGE_MANIFEST, with(image(), "/config", json!(null))),
        Err(InvalidManifest::NoConfig)
    ));
    let large = with(image(), "/x", json!("x".repeat(Manifest::SIZE_MAX)));
    assert!(matches!(parse(IMAGE_MANIFEST, large), Err(InvalidManifest::TooLarge { .. })));
}

#[test]
fn a_document_is_an_image_or_an_index_but_never_both() {
    let both = with(image(), "/manifests", json!([]));
    assert!(matches!(parse(IMAGE_MANIFEST, both), Err(InvalidManifest::Ambiguous)));
    for key in ["/layers", "/config"] {
        let value = if key == "/layers" { json!([]) } else { descriptor("application/json") };
        assert!(
            matches!(parse(IMAGE_INDEX, with(index(), key, value)), Err(InvalidManifest::Ambiguous)),
            "{key}"
        );
    }
}

#[test]
fn a_referrer_is_described_by_its_manifest() {
    let document = with(image(), "/annotations", json!({ "org.example.key": "value" }));
    let digest = Digest::sha256(document.as_bytes());
    let size = document.len() as u64;
    let descriptor = parse(IMAGE_MANIFEST, &document).unwrap().descriptor(digest, size);
    let expected = json!({
        "mediaType": IMAGE_MANIFEST,
        "digest": digest,
        "size": size,
        "artifactType": "application/vnd.oci.image.config.v1+json",
        "annotations": { "org.example.key": "value" },
    });
    assert_eq!(serde_json::to_value(&descriptor).unwrap(), expected);
    assert_eq!(serde_json::from_value::<crate::Descriptor>(expected).unwrap(), descriptor);
}

proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(content: Vec<u8>, index: bool) {
        let content_type = if index { IMAGE_INDEX } else { IMAGE_MANIFEST };
        let _ = parse(content_type, content);
    }

    #[test]
    fn a_manifest_cut_short_is_refused(cut in 0..1_000_usize) {
        let document = image().to_string();
        let cut = cut % document.len();
        prop_assert!(parse(IMAGE_MANIFEST, &document[..cut]).is_err());
    }
}
