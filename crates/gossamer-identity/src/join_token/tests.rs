//! Join tokens as text, and what they never print.

use proptest::prelude::*;

use super::*;

fn token() -> JoinToken {
    JoinToken {
        cores: vec!["192.0.2.1:7946".parse().unwrap(), "[2001:db8::1]:7946".parse().unwrap()],
        mesh: "dev".parse().unwrap(),
        pin: "ab".repeat(32).parse().unwrap(),
        id: TokenId::random().unwrap(),
        secret: Secret::random().unwrap(),
        grant: serde_json::from_str(r#"{"role":"plugin/yum","media_types":["application/vnd.x.*"]}"#)
            .unwrap(),
    }
}

#[test]
fn a_token_round_trips_through_its_string() {
    let token = token();
    let text = token.reveal();
    assert!(text.starts_with("gossamer1."));
    assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)), "{text}");
    assert_eq!(format!("  {text}\n").parse::<JoinToken>().unwrap(), token);
}

#[test]
fn debug_shows_everything_but_the_secret() {
    let token = token();
    let printed = format!("{token:?}");
    assert!(printed.contains("192.0.2.1:7946") && printed.contains("Secret(..)"));
    assert!(!printed.contains(&token.secret.reveal()));
}

#[test]
fn a_damaged_token_is_refused_without_quoting_it() {
    let text = token().reveal();
    let cut = text.split_at(text.len() - 3).0;
    for damaged in [cut, "gossamer1.", "gossamer1.!!", "gossamer2.abc", ""] {
        let refused = damaged.parse::<JoinToken>().unwrap_err();
        assert!(!refused.to_string().contains("!!"));
    }
    assert_eq!("nothing".parse::<JoinToken>(), Err(InvalidJoinToken::Prefix));
    let long = format!("gossamer1.{}", "A".repeat(TEXT_BYTES_MAX + 1));
    assert_eq!(long.parse::<JoinToken>(), Err(InvalidJoinToken::Damaged));
}

#[test]
fn secrets_are_compared_whole() {
    let secret = Secret([7; SECRET_BYTES]);
    let mut other = [7; SECRET_BYTES];
    other[SECRET_BYTES - 1] = 8;
    assert!(secret.hash().matches(&secret));
    assert!(!secret.hash().matches(&Secret(other)));
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC*") {
        let _ = text.parse::<JoinToken>();
        let _ = format!("gossamer1.{text}").parse::<JoinToken>();
    }
}
