//! Names: the grammar of the specification, its edges, and who owns which repository.

use proptest::prelude::*;

use crate::{InvalidRepositoryName, PluginName, RepositoryName};

#[test]
fn the_grammar_of_repository_names() {
    for good in ["a", "0", "a/b", "library/debian", "a.b", "a_b", "a__b", "a-b", "a---b", "a.b_c__d--e/f"] {
        assert_eq!(good.parse::<RepositoryName>().unwrap().as_str(), good);
    }
    for bad in [
        "", "/", "a/", "/a", "a//b", ".", "..", ".a", "a.", "a..b", "a/../b", "_a", "a_", "a___b", "a_.b",
        "-a", "a-", "a-_b", "A", "a/B", "a b", "a\0b", "é", "aé", "a:b", "a@b", "a%2fb", "_catalog",
    ] {
        assert_eq!(bad.parse::<RepositoryName>(), Err(InvalidRepositoryName::Malformed), "{bad:?}");
    }
}

#[test]
fn a_repository_name_has_at_most_255_bytes() {
    assert!("a".repeat(255).parse::<RepositoryName>().is_ok());
    assert_eq!("a".repeat(256).parse::<RepositoryName>(), Err(InvalidRepositoryName::TooLong));
    assert_eq!("a/".repeat(5_000).parse::<RepositoryName>(), Err(InvalidRepositoryName::TooLong));
}

#[test]
fn the_grammar_of_plugin_names() {
    for good in ["a", "7", "yum", "my-plugin", "a--b", &"x".repeat(40)] {
        assert_eq!(good.parse::<PluginName>().unwrap().as_str(), good);
    }
    for bad in ["", "-", "-a", "a-", "A", "a.b", "a_b", "a/b", "é", &"x".repeat(41)] {
        assert!(bad.parse::<PluginName>().is_err(), "{bad:?}");
    }
}

#[test]
fn a_repository_under_artifacts_belongs_to_its_plugin() {
    let owner = |name: &str| name.parse::<RepositoryName>().unwrap().plugin().map(String::from);
    assert_eq!(owner("artifacts/yum/epel/9").as_deref(), Some("yum"));
    assert_eq!(owner("artifacts/yum").as_deref(), Some("yum"));
    assert_eq!(owner("artifacts"), None);
    assert_eq!(owner("artifacts/a.b/c"), None);
    assert_eq!(owner("library/yum"), None);
    assert_eq!(owner("artifactsx/yum"), None);
}

proptest! {
    #[test]
    fn whatever_matches_the_grammar_is_kept_as_it_is(
        text in "[a-z0-9]{1,8}((\\.|_|__|-{1,3})[a-z0-9]{1,8}){0,3}(/[a-z0-9]{1,8}((\\.|_|__|-{1,3})[a-z0-9]{1,8}){0,3}){0,3}"
    ) {
        let name: RepositoryName = text.parse().unwrap();
        prop_assert_eq!(name.to_string(), text);
        let json = serde_json::to_string(&name).unwrap();
        prop_assert_eq!(serde_json::from_str::<RepositoryName>(&json).unwrap(), name);
    }

    #[test]
    fn no_text_makes_the_parsers_panic(text: String) {
        let _ = text.parse::<RepositoryName>();
        let _ = text.parse::<PluginName>();
    }
}
