//! Digests: known answers, what is refused, and that every digest survives its own text.

use proptest::prelude::*;

use crate::{Algorithm, Digest, Hasher, InvalidAlgorithm, InvalidDigest};

const EMPTY_SHA256: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[test]
fn the_digest_of_nothing_is_the_well_known_one() {
    assert_eq!(Digest::sha256(b"").to_string(), EMPTY_SHA256);
    assert_eq!(EMPTY_SHA256.parse(), Ok(Digest::sha256(b"")));
}

#[test]
fn anything_but_lower_case_hex_of_the_right_length_is_refused() {
    let hex = &EMPTY_SHA256["sha256:".len()..];
    let sha256 = InvalidDigest::Hex { algorithm: Algorithm::Sha256 };
    let sha512 = InvalidDigest::Hex { algorithm: Algorithm::Sha512 };
    let unknown = InvalidDigest::Algorithm(InvalidAlgorithm);
    for (text, expected) in [
        (hex.to_owned(), InvalidDigest::NoAlgorithm),
        (String::new(), InvalidDigest::NoAlgorithm),
        (format!(":{hex}"), unknown),
        (format!("md5:{}", &hex[..32]), unknown),
        (format!("SHA256:{hex}"), unknown),
        (format!("sha256:{}", hex.to_uppercase()), sha256),
        (format!("sha256:{}", &hex[1..]), sha256),
        (format!("sha256:{hex}0"), sha256),
        (format!("sha512:{hex}"), sha512),
        ("sha256:../../x".to_owned(), sha256),
        ("sha256:".to_owned(), sha256),
        (format!("sha256:{}é", &hex[2..]), sha256),
    ] {
        assert_eq!(text.parse::<Digest>(), Err(expected), "{text}");
    }
}

proptest! {
    #[test]
    fn text_and_back(content: Vec<u8>, long: bool) {
        let algorithm = if long { Algorithm::Sha512 } else { Algorithm::Sha256 };
        let digest = Digest::of(algorithm, &content);
        prop_assert_eq!(digest.to_string().parse(), Ok(digest));
        prop_assert_eq!(digest.as_bytes().len(), algorithm.length());
        let json = serde_json::to_string(&digest).unwrap();
        prop_assert_eq!(serde_json::from_str::<Digest>(&json).unwrap(), digest);
    }

    #[test]
    fn pieces_hash_like_the_whole(content: Vec<u8>, cut: prop::sample::Index) {
        let cut = if content.is_empty() { 0 } else { cut.index(content.len()) };
        let mut hasher = Hasher::new(Algorithm::Sha512);
        hasher.update(&content[..cut]);
        hasher.update(&content[cut..]);
        prop_assert_eq!(hasher.finish(), Digest::of(Algorithm::Sha512, &content));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text: String) {
        let _ = text.parse::<Digest>();
    }
}
