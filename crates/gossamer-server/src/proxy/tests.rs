//! Tests of what crosses the gateway.

use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::headers::{ClientSide, add_forwarded, ensure_traceparent, strip_client_only, strip_hop_by_hop};

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap())
    };
    pairs.iter().map(pair).collect()
}

fn names(headers: &HeaderMap) -> Vec<&str> {
    headers.keys().map(HeaderName::as_str).collect()
}

#[test]
fn headers_of_the_connection_stay_on_it() {
    let mut given = headers(&[
        ("connection", "close, X-Mine"),
        ("keep-alive", "timeout=5"),
        ("x-mine", "1"),
        ("te", "trailers"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("accept", "*/*"),
    ]);
    strip_hop_by_hop(&mut given);
    assert_eq!(names(&given), ["accept"]);
}

#[test]
fn plugins_see_neither_credentials_nor_the_clients_own_claims() {
    let mut given = headers(&[
        ("authorization", "Bearer sesame"),
        ("cookie", "a=b"),
        ("forwarded", "for=10.0.0.1"),
        ("x-forwarded-for", "10.0.0.1"),
        ("range", "bytes=0-1"),
    ]);
    strip_client_only(&mut given);
    assert_eq!(names(&given), ["range"]);
}

#[test]
fn the_client_is_named_in_both_spellings() {
    let mut given = HeaderMap::new();
    let client = ClientSide {
        address: Some("[2001:db8::1]:4711".parse().unwrap()),
        host: Some("mirror.example:80".to_owned()),
    };
    add_forwarded(&mut given, &client);
    assert_eq!(given["forwarded"], "for=\"[2001:db8::1]\";host=\"mirror.example:80\";proto=http");
    assert_eq!(given["x-forwarded-for"], "2001:db8::1");
}

#[test]
fn a_host_cannot_break_out_of_its_quotes() {
    let mut given = HeaderMap::new();
    add_forwarded(&mut given, &ClientSide { address: None, host: Some("a\";for=\"127.0.0.1".to_owned()) });
    assert_eq!(given["forwarded"], "proto=http");
}

#[test]
fn a_valid_trace_goes_on_and_an_invalid_one_is_replaced() {
    let valid = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    assert_eq!(ensure_traceparent(&mut headers(&[("traceparent", valid)])).as_deref(), Some(valid));
    for invalid in ["00-4bf9-00f0-01", "zz", "00-4BF92F3577B34DA6A3CE929D0E0E4736-00F067AA0BA902B7-01"] {
        let mut given = headers(&[("traceparent", invalid)]);
        let made = ensure_traceparent(&mut given).unwrap();
        assert_ne!(made, invalid);
        assert_eq!(given["traceparent"], made.as_str());
        assert_eq!(made.len(), valid.len());
    }
}
