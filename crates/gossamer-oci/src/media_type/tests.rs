//! Media types: parameters and case go away, everything else must be RFC 6838.

use proptest::prelude::*;

use crate::MediaType;
use crate::media_type::IMAGE_MANIFEST;

#[test]
fn parameters_and_case_do_not_matter() {
    for text in [
        IMAGE_MANIFEST,
        "Application/vnd.OCI.image.manifest.v1+json",
        &format!(" {IMAGE_MANIFEST} ; charset=utf-8"),
    ] {
        assert_eq!(text.parse::<MediaType>().unwrap(), IMAGE_MANIFEST);
    }
}

#[test]
fn what_is_not_type_slash_subtype_is_refused() {
    for bad in [
        "",
        "json",
        "/",
        "a/",
        "/b",
        "a/b/c",
        "*/*",
        "a b/c",
        "a/b c",
        "a/\u{e9}",
        ".a/b",
        &format!("a/{}", "b".repeat(128)),
    ] {
        assert!(bad.parse::<MediaType>().is_err(), "{bad:?}");
    }
}

#[test]
fn foreign_layers_are_not_distributable() {
    let distributable = |text: &str| text.parse::<MediaType>().unwrap().is_distributable();
    assert!(distributable("application/vnd.oci.image.layer.v1.tar+gzip"));
    assert!(!distributable("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"));
    assert!(!distributable("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"));
}

proptest! {
    #[test]
    fn text_and_back(text in "[a-z0-9][a-z0-9!#$&^_.+-]{0,20}/[a-z0-9][a-z0-9!#$&^_.+-]{0,60}") {
        let media_type: MediaType = text.parse().unwrap();
        prop_assert_eq!(media_type.to_string(), text);
    }

    #[test]
    fn no_text_makes_the_parser_panic(text: String) {
        let _ = text.parse::<MediaType>();
    }
}
