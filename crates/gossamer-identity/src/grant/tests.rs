//! Grants: what they allow, and their two encodings.

use super::*;

fn pattern(text: &str) -> GrantPattern {
    text.parse().unwrap()
}

fn media_type(text: &str) -> MediaType {
    text.parse().unwrap()
}

#[test]
fn a_pattern_allows_one_media_type_or_a_family() {
    let grant = Grant {
        role: Role::Agent,
        media_types: vec![pattern("application/vnd.one.v1+json"), pattern("application/vnd.RPM.*")],
    };
    assert!(grant.allows(&media_type("application/vnd.one.v1+json")));
    assert!(grant.allows(&media_type("application/vnd.rpm.v1")));
    assert!(!grant.allows(&media_type("application/vnd.one.v1+jsonx")));
    assert!(!grant.allows(&media_type("application/vnd.rpmx")));
    assert!(!Grant::role(Role::Agent).allows(&media_type("text/plain")));
}

#[test]
fn text_that_is_no_pattern_is_refused() {
    for text in ["", "rpm", "*/*", "application/*/x*", "application/ *", "a/b;c*", "/x*", "app*lication/x"] {
        assert_eq!(text.parse::<GrantPattern>(), Err(InvalidGrantPattern), "{text:?}");
    }
    for text in ["*", "application/*", "app*", "application/vnd.x.*", "text/plain"] {
        assert_eq!(pattern(text).to_string(), text);
    }
}

#[test]
fn grants_round_trip_through_der_and_json() {
    let patterns = vec![pattern("text/plain"), pattern("application/vnd.x.*"), pattern("*")];
    assert_eq!(decode(&encode(&patterns).unwrap()).unwrap(), patterns);
    assert_eq!(decode(&encode(&[]).unwrap()).unwrap(), []);

    let grant = Grant { role: Role::Plugin("yum".parse().unwrap()), media_types: patterns };
    let json = serde_json::to_string(&grant).unwrap();
    assert!(json.contains(r#""role":"plugin/yum""#), "{json}");
    assert_eq!(serde_json::from_str::<Grant>(&json).unwrap(), grant);
}

#[test]
fn der_with_a_tail_or_too_many_patterns_is_malformed() {
    let mut der = encode(&[pattern("text/plain")]).unwrap();
    der.push(0);
    assert_eq!(decode(&der), Err(InvalidCertificate::GrantMalformed));

    let many = vec![pattern("text/plain"); Grant::MEDIA_TYPES_MAX + 1];
    assert_eq!(decode(&encode(&many).unwrap()), Err(InvalidCertificate::GrantMalformed));
}
