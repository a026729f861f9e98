//! References: tags at their edges, and that a colon makes the difference.

use proptest::prelude::*;

use crate::{Digest, InvalidReference, InvalidTag, Reference, Tag};

#[test]
fn the_grammar_of_tags() {
    for good in ["a", "_", "latest", "V1.0-rc.1", "_x", &"a".repeat(128)] {
        assert_eq!(good.parse::<Tag>().unwrap().as_str(), good);
    }
    for bad in ["", ".", ".a", "-a", "a/b", "a b", "a\0", "é", "a:b", "..%2f", &"a".repeat(129)] {
        assert_eq!(bad.parse::<Tag>(), Err(InvalidTag), "{bad:?}");
    }
}

#[test]
fn a_colon_makes_a_digest() {
    let digest = Digest::sha256(b"x");
    assert_eq!(digest.to_string().parse(), Ok(Reference::Digest(digest)));
    assert!(matches!("sha256:bad".parse::<Reference>(), Err(InvalidReference::Digest(_))));
    assert!(matches!("..".parse::<Reference>(), Err(InvalidReference::Tag(_))));
}

proptest! {
    #[test]
    fn text_and_back(text in "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}") {
        let reference: Reference = text.parse().unwrap();
        prop_assert_eq!(reference.to_string(), text);
        prop_assert!(reference.tag().is_some());
    }
}
