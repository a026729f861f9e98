//! Which headers cross the gateway, in which direction, and which ones it adds.

use std::net::SocketAddr;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Headers of one connection, never of the message (RFC 9110 section 7.6.1).
const HOP_BY_HOP: [HeaderName; 7] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// What a client shows to the core and no plugin may see, and what only the core may claim.
const NOT_FOR_PLUGINS: [HeaderName; 8] = [
    header::AUTHORIZATION,
    header::COOKIE,
    header::PROXY_AUTHORIZATION,
    header::EXPECT,
    FORWARDED,
    X_FORWARDED_FOR,
    X_FORWARDED_HOST,
    X_FORWARDED_PROTO,
];

const FORWARDED: HeaderName = header::FORWARDED;
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// A valid W3C `traceparent` is `00-<32 hex>-<16 hex>-<2 hex>`.
const TRACEPARENT_LENGTH: usize = 55;

/// What the gateway says of the client whose request it passes on.
#[derive(Clone, Debug)]
pub struct ClientSide {
    /// Where the request came from.
    pub address: Option<SocketAddr>,
    /// The host the client asked for, without having been checked.
    pub host: Option<String>,
}

/// Removes what belongs to a connection, including what `Connection` names.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in HOP_BY_HOP.iter().chain(&named) {
        headers.remove(name);
    }
}

/// Removes credentials and every forwarding claim that the client made itself.
pub fn strip_client_only(headers: &mut HeaderMap) {
    for name in &NOT_FOR_PLUGINS {
        headers.remove(name);
    }
}

/// Says who asked (RFC 7239, and the older `X-Forwarded-*` that frameworks read).
pub fn add_forwarded(headers: &mut HeaderMap, client: &ClientSide) {
    let mut elements = Vec::with_capacity(3);
    if let Some(address) = client.address {
        elements.push(format!("for=\"{}\"", node(address)));
        insert(headers, X_FORWARDED_FOR, &address.ip().to_string());
    }
    if let Some(host) = client.host.as_deref().filter(|host| is_host(host)) {
        elements.push(format!("host=\"{host}\""));
        insert(headers, X_FORWARDED_HOST, host);
    }
    elements.push("proto=http".to_owned());
    insert(headers, X_FORWARDED_PROTO, "http");
    insert(headers, FORWARDED, &elements.join(";"));
}

/// Keeps a valid `traceparent`, or begins a trace; answers with the header's value.
pub fn ensure_traceparent(headers: &mut HeaderMap) -> Option<String> {
    let given = headers.get(TRACEPARENT).and_then(|value| value.to_str().ok());
    if let Some(given) = given.filter(|text| is_traceparent(text)) {
        return Some(given.to_owned());
    }
    let made = format!("00-{}-{}-01", crate::random::hex(16)?, crate::random::hex(8)?);
    insert(headers, TRACEPARENT, &made);
    Some(made)
}

/// Whether `text` is a version-0 `traceparent` (W3C Trace Context section 3.2).
fn is_traceparent(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    text.len() == TRACEPARENT_LENGTH
        && text.starts_with("00-")
        && lengths.eq([2, 32, 16, 2])
        && text.bytes().all(|byte| matches!(byte, b'-' | b'0'..=b'9' | b'a'..=b'f'))
}

/// RFC 7239 section 6: an IPv6 address is written in brackets.
fn node(address: SocketAddr) -> String {
    match address {
        SocketAddr::V4(address) => address.ip().to_string(),
        SocketAddr::V6(address) => format!("[{}]", address.ip()),
    }
}

/// Nothing that could end the quoted string it is written into.
fn is_host(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']' | b'_'))
}

fn insert(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}
