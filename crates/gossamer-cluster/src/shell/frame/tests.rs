//! What is sent is what is read.

use super::*;

#[test]
fn a_request_survives_the_stream() {
    let bytes = encode_request("pull", b"what").unwrap();
    assert_eq!(decode_request(bytes), Some(("pull".into(), Bytes::from_static(b"what"))));
    assert_eq!(decode_request(encode_request("", b"").unwrap()), Some((String::new(), Bytes::new())));
}

#[test]
fn a_method_longer_than_its_length_byte_is_no_method() {
    assert!(encode_request(&"m".repeat(256), b"").is_none());
}

#[test]
fn cut_requests_are_refused() {
    let whole = encode_request("pull", b"").unwrap();
    for length in 0..whole.len() {
        assert_eq!(decode_request(whole.slice(..length)), None, "{length} bytes");
    }
}

#[test]
fn answers_and_refusals_survive_the_stream() {
    let kinds =
        [RefusalKind::UnknownMethod, RefusalKind::Forbidden, RefusalKind::Invalid, RefusalKind::Unavailable];
    let refusals = kinds.map(|kind| Err(Refusal::new(kind, "because")));
    for answer in refusals.into_iter().chain([Ok(Bytes::new()), Ok(Bytes::from_static(b"this"))]) {
        assert_eq!(decode_answer(encode_answer(&answer)), Some(answer));
    }
}

#[test]
fn a_long_reason_is_cut() {
    let refusal = Err(Refusal::new(RefusalKind::Invalid, "x".repeat(5_000)));
    assert_eq!(encode_answer(&refusal).len(), 1 + REASON_BYTES_MAX);
}

#[test]
fn an_unknown_status_is_no_answer() {
    assert_eq!(decode_answer(Bytes::from_static(&[9])), None);
    assert_eq!(decode_answer(Bytes::new()), None);
}
