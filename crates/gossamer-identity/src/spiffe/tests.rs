//! SPIFFE ids: what is one, and what is not.

use super::*;

const NODE: &str = "00112233445566778899aabbccddeeff";

#[test]
fn every_role_has_one_text_form() {
    for path in ["core", "agent", "plugin/yum"] {
        let text = format!("spiffe://example-mesh/{path}/{NODE}");
        let id: SpiffeId = text.parse().unwrap();
        assert_eq!(id.to_string(), text);
        assert_eq!(id.node.to_string(), NODE);
    }
}

#[test]
fn other_uris_are_refused() {
    let refused = |text: &str| text.parse::<SpiffeId>().unwrap_err();
    assert_eq!(refused("https://dev/core/x"), InvalidSpiffeId::Scheme);
    assert_eq!(refused("spiffe://dev"), InvalidSpiffeId::Path);
    assert_eq!(refused("spiffe://dev/core"), InvalidSpiffeId::Path);
    assert_eq!(refused(&format!("spiffe:///core/{NODE}")), InvalidSpiffeId::Mesh);
    assert_eq!(refused(&format!("spiffe://dev/root/{NODE}")), InvalidSpiffeId::Path);
    assert_eq!(refused(&format!("spiffe://dev/plugin/{NODE}")), InvalidSpiffeId::Path);
    assert_eq!(refused(&format!("spiffe://dev/plugin/a/b/{NODE}")), InvalidSpiffeId::Path);
    assert_eq!(refused("spiffe://dev/core/not-hex"), InvalidSpiffeId::Node);
    assert_eq!(refused(&format!("spiffe://dev/core/{NODE}/")), InvalidSpiffeId::Path);
}
