//! A request's head in the words of policies.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use gossamer_oci::MediaType;
use gossamer_policy::Input;
use http::header::{self, HeaderMap};
use http::{StatusCode, Uri};
use percent_encoding::percent_decode_str;

use crate::access::Principal;
use crate::http::problem::Problem;

/// What a policy may know of a request, without its body.
pub fn input(method: &str, uri: &Uri, headers: &HeaderMap, principal: &Principal) -> Result<Input, Problem> {
    let mut input = Input::new(method, path(uri.path())?);
    input.query = query(uri.query().unwrap_or_default());
    input.host = host(uri, headers).map(without_port).unwrap_or_default().to_ascii_lowercase();
    input.media_type = text(headers, &header::CONTENT_TYPE).and_then(|value| value.parse().ok());
    input.accept = accept(headers);
    input.principal = principal.name().into_owned();
    let readable = |(name, value): (&header::HeaderName, &header::HeaderValue)| {
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    };
    input.set_headers(headers.iter().filter_map(readable));
    Ok(input)
}

/// The host and port that the client asked for.
pub(super) fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    uri.authority().map(http::uri::Authority::as_str).or_else(|| text(headers, &header::HOST))
}

/// The path as names read it. One that climbs, by whatever spelling, is refused: the policy and the
/// plugin could otherwise be talking of two different files.
pub(super) fn path(raw: &str) -> Result<String, Problem> {
    let refuse = |what| Problem::new(StatusCode::BAD_REQUEST, format!("the path {what}"));
    let path = percent_decode_str(raw).decode_utf8().map_err(|_| refuse("is not UTF-8"))?;
    if path.split('/').any(|segment| segment == "." || segment == "..") {
        return Err(refuse("has a segment of dots"));
    }
    if path.contains('\0') {
        return Err(refuse("has a NUL"));
    }
    Ok(path.into_owned())
}

fn query(raw: &str) -> BTreeMap<String, Vec<String>> {
    let mut query: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(raw.as_bytes()) {
        query.entry(name.into_owned()).or_default().push(value.into_owned());
    }
    query
}

fn accept(headers: &HeaderMap) -> Vec<MediaType> {
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let ranges = values.flat_map(|value| value.split(','));
    ranges.filter(|range| !range.contains('*')).filter_map(|range| range.trim().parse().ok()).collect()
}

/// `host` without `:port`.
pub(super) fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
