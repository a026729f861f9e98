//! The shipped example is complete, and says what the defaults are.

use super::*;

const EXAMPLE: &str = include_str!("../../../../config/core.toml");

#[test]
fn the_example_is_understood() {
    let config = Config::parse(EXAMPLE).unwrap();
    assert_eq!(config.mesh.to_string(), "example");
    assert_eq!(config.data, Path::new("/var/lib/gossamer"));
}

#[test]
fn the_example_shows_the_defaults() {
    let minimal = Config::parse("mesh = \"example\"\ndata = \"/var/lib/gossamer\"").unwrap();
    assert_eq!(format!("{:?}", Config::parse(EXAMPLE).unwrap()), format!("{minimal:?}"));
}

#[test]
fn the_example_names_every_key() {
    for key in keys(&format!("{:#?}", Config::parse(EXAMPLE).unwrap())) {
        let is_shown = EXAMPLE.contains(&format!("{key} =")) || EXAMPLE.contains(&format!("{key}_ms ="));
        assert!(is_shown, "config/core.toml does not show {key}");
    }
}

#[test]
fn an_unknown_key_is_an_error_that_names_it() {
    let error = Config::parse("mesh = \"m\"\ndata = \"d\"\n[gateway]\nbodyLimit = 1").unwrap_err();
    assert!(error.to_string().contains("bodyLimit"), "{error}");
}

/// The leaf fields in a pretty `Debug` rendering: those whose value is on the same line.
fn keys(debug: &str) -> Vec<&str> {
    let pairs = debug.lines().filter_map(|line| line.trim().split_once(": "));
    pairs.filter(|(_, value)| !value.ends_with('{')).map(|(key, _)| key).collect()
}
