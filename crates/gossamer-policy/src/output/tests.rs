//! Outputs of every form, and what becomes of them.

use gossamer_oci::{MediaType, Reference};
use proptest::prelude::*;

use super::*;
use crate::{ArtifactReference, FoundBlob, Selector};

const HEX: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn decide(json: serde_json::Value) -> Result<Decision, EvalError> {
    Output::read(&Value::from(json))?.decide(&[])
}

fn blob(media_type: Option<&str>, cache_control: Option<&str>) -> Decision {
    Decision::Blob {
        repository: "a/b".parse().unwrap(),
        digest: format!("sha256:{HEX}").parse().unwrap(),
        media_type: media_type.map(|text| text.parse().unwrap()),
        cache_control: cache_control.map(str::to_owned),
    }
}

#[test]
fn beskars_keys_are_read_as_beskar_reads_them() {
    let url = format!("/v2/a/b/blobs/sha256:{HEX}");
    let not_found = Decision::NotFound { reason: String::new() };
    let forward = |key: Option<&str>| Decision::Forward { key: key.map(str::to_owned) };
    let redirect = |location: &str| Decision::Redirect { location: location.to_owned() };
    let rows = [
        (serde_json::json!({}), not_found.clone()),
        (serde_json::json!({"found": "true", "repository": "a"}), not_found.clone()),
        (serde_json::json!({"found": false, "redirect_url": url}), not_found),
        (serde_json::json!({"found": true}), forward(None)),
        (serde_json::json!({"found": true, "repository": 5, "redirect_url": null}), forward(None)),
        (serde_json::json!({"found": true, "repository": "a", "else": 1}), forward(Some("a"))),
        (serde_json::json!({"found": true, "redirect_url": "https://x/y"}), redirect("https://x/y")),
        (serde_json::json!({"found": true, "repository": "r", "redirect_url": url}), blob(None, None)),
    ];
    for (output, expected) in rows {
        assert_eq!(decide(output.clone()), Ok(expected), "{output}");
    }
}

#[test]
fn our_actions_win_over_beskars_keys() {
    let url = format!("/v2/a/b/blobs/sha256:{HEX}");
    let deny = |status, reason: &str| Decision::Deny { status, reason: reason.to_owned() };
    let rows = [
        (
            serde_json::json!({"action": "blob", "repository": "a/b", "digest": format!("sha256:{HEX}"),
                "media_type": "Text/Plain; charset=utf-8", "cache_control": "max-age=60"}),
            blob(Some("text/plain"), Some("max-age=60")),
        ),
        (
            serde_json::json!({"action": "blob", "redirect_url": url, "cache_control": "a\r\nb: c"}),
            blob(None, None),
        ),
        (serde_json::json!({"action": "blob"}), Decision::NotFound { reason: String::new() }),
        (serde_json::json!({"action": "forward", "redirect_url": url}), Decision::Forward { key: None }),
        (serde_json::json!({"action": "deny", "found": true}), deny(403, "")),
        (serde_json::json!({"action": "deny", "status": 451, "reason": "law"}), deny(451, "law")),
        (serde_json::json!({"action": "deny", "status": 200}), deny(403, "")),
        (
            serde_json::json!({"action": "not_found", "found": true, "reason": "gone"}),
            Decision::NotFound { reason: "gone".to_owned() },
        ),
    ];
    for (output, expected) in rows {
        assert_eq!(decide(output.clone()), Ok(expected), "{output}");
    }
}

#[test]
fn what_cannot_be_used_is_an_error() {
    let long = "x".repeat(TEXT_BYTES_MAX + 1);
    let rows = [
        serde_json::json!([]),
        serde_json::json!(null),
        serde_json::json!("found"),
        serde_json::json!({"action": "dance"}),
        serde_json::json!({"action": "blob", "repository": "A", "digest": format!("sha256:{HEX}")}),
        serde_json::json!({"action": "blob", "repository": "a", "digest": "sha256:1"}),
        serde_json::json!({"found": true, "redirect_url": "/v2/a/blobs/sha256:"}),
        serde_json::json!({"found": true, "redirect_url": "https://x/\r\nSet-Cookie: a"}),
        serde_json::json!({"found": true, "repository": long}),
    ];
    for output in rows {
        assert!(matches!(decide(output.clone()), Err(EvalError::Output(_))), "{output}");
    }
    assert!(matches!(Output::read(&Value::Undefined), Err(EvalError::Output(_))));
}

#[test]
fn the_layer_that_was_found_says_what_it_is() {
    let digest = Digest::of(gossamer_oci::Algorithm::Sha512, b"content");
    let media_type: MediaType = "application/x".parse().unwrap();
    let reference = ArtifactReference {
        repository: "a".parse().unwrap(),
        reference: Reference::Tag("t".parse().unwrap()),
    };
    let lookup = Lookup::BlobDigest { reference, selector: Selector::MediaType("application/x".to_owned()) };
    let answer = Answer::BlobDigest(Some(FoundBlob { digest, media_type: media_type.clone() }));
    // Policies write `sha256:` before whatever hex they got.
    let output =
        serde_json::json!({"found": true, "redirect_url": format!("/v2/a/blobs/sha256:{}", digest.hex())});
    let decision = Output::read(&Value::from(output)).unwrap().decide(&[(lookup, answer)]).unwrap();
    let repository = "a".parse().unwrap();
    assert_eq!(
        decision,
        Decision::Blob { repository, digest, media_type: Some(media_type), cache_control: None }
    );
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        ".{0,20}".prop_map(serde_json::Value::from),
        "(/v2/|https://)[a-z/:.@]{0,40}".prop_map(serde_json::Value::from),
        "blob|forward|deny|not_found".prop_map(serde_json::Value::from),
    ];
    let key = "found|repository|redirect_url|action|digest|media_type|status|reason|cache_control";
    leaf.prop_recursive(3, 24, 8, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            proptest::collection::btree_map(key, inner, 0..9)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_output_panics(output in json()) {
        let _ = decide(output);
    }
}
