//! References and selectors.

use super::*;

#[test]
fn a_reference_prints_as_it_was_read() {
    let digest = Digest::sha256(b"x");
    for text in ["artifacts/yum/epel/packages:latest".to_owned(), format!("a/b@{digest}")] {
        assert_eq!(text.parse::<ArtifactReference>().unwrap().to_string(), text);
    }
}

#[test]
fn a_reference_has_a_name_and_a_tag_or_digest() {
    for text in ["", "a", "a:", ":t", "A:t", "a@sha256:00", "a:b:c", "a b:t"] {
        assert!(text.parse::<ArtifactReference>().is_err(), "{text}");
    }
}

#[test]
fn the_first_matching_layer_is_picked() {
    let (config, first, second) = (Digest::sha256(b"c"), Digest::sha256(b"1"), Digest::sha256(b"2"));
    let layer = |digest: Digest, title: &str| {
        serde_json::json!({
            "mediaType": "application/x", "digest": digest, "size": 1,
            "annotations": {"org.opencontainers.image.title": title}
        })
    };
    let content = serde_json::json!({
        "schemaVersion": 2,
        "config": {"mediaType": "application/c", "digest": config, "size": 0},
        "layers": [layer(first, "one"), layer(second, "two")],
    });
    let media_type = gossamer_oci::media_type::IMAGE_MANIFEST.parse().unwrap();
    let manifest = Manifest::parse(content.to_string().as_bytes(), Some(&media_type)).unwrap();
    let by_title = |title: &str| Selector::Annotation {
        key: "org.opencontainers.image.title".to_owned(),
        value: title.to_owned(),
    };
    let digest = |selector: Selector| selector.pick(&manifest).map(|found| found.digest);
    assert_eq!(digest(Selector::MediaType("application/x".to_owned())), Some(first));
    assert_eq!(digest(by_title("two")), Some(second));
    assert_eq!(digest(by_title("three")), None);
    assert_eq!(digest(Selector::MediaType("application/c".to_owned())), None);
}
