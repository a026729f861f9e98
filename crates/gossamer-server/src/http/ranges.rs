//! Which part of a representation a request wants, if it wants it at all (RFC 9110 sections 13, 14).

#[cfg(test)]
mod tests;

use std::ops::Range;

use http::header::{self, HeaderMap};

/// What to answer with, given a representation's size and entity tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// 304: the client has it.
    Nothing,
    /// 200.
    Whole,
    /// 206: these bytes.
    Part(Range<u64>),
    /// 416: no byte of the range exists.
    Unsatisfiable,
}

/// Reads `If-None-Match`, `Range` and `If-Range`. `etag` is quoted and strong; `size` is in bytes.
/// A request for several ranges is answered whole, as section 14.2 allows.
pub fn wanted(headers: &HeaderMap, etag: &str, size: u64) -> Wanted {
    if has(headers, etag) {
        return Wanted::Nothing;
    }
    let Some(range) = headers.get(header::RANGE).and_then(|value| value.to_str().ok()) else {
        return Wanted::Whole;
    };
    match headers.get(header::IF_RANGE) {
        Some(validator) if validator.as_bytes() != etag.as_bytes() => Wanted::Whole,
        Some(_) | None => part(range, size),
    }
}

/// Whether `If-None-Match` names `etag`, by weak comparison.
fn has(headers: &HeaderMap, etag: &str) -> bool {
    let values = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = values.flat_map(|value| value.split(',')).map(str::trim);
    tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

fn part(range: &str, size: u64) -> Wanted {
    let Some((unit, spec)) = range.split_once('=') else { return Wanted::Whole };
    let spec = spec.trim();
    let Some((first, last)) = spec.split_once('-').filter(|_| unit.trim().eq_ignore_ascii_case("bytes"))
    else {
        return Wanted::Whole;
    };
    match (number(first), number(last)) {
        // The conformance suite of the distribution specification wants 416 here.
        (Bound::At(first), Bound::At(last)) if first > last => Wanted::Unsatisfiable,
        (Bound::At(first), Bound::At(last)) => slice(first, last.saturating_add(1).min(size), size),
        (Bound::At(first), Bound::Open) => slice(first, size, size),
        (Bound::Open, Bound::At(0)) => Wanted::Unsatisfiable,
        (Bound::Open, Bound::At(suffix)) => slice(size.saturating_sub(suffix), size, size),
        (Bound::Open, Bound::Open) | (Bound::Invalid, _) | (_, Bound::Invalid) => Wanted::Whole,
    }
}

fn slice(start: u64, end: u64, size: u64) -> Wanted {
    if start < size { Wanted::Part(start..end) } else { Wanted::Unsatisfiable }
}

enum Bound {
    At(u64),
    Open,
    Invalid,
}

fn number(text: &str) -> Bound {
    let text = text.trim();
    if text.is_empty() {
        return Bound::Open;
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Bound::Invalid;
    }
    // More digits than a u64 has name a byte that no blob has.
    Bound::At(text.parse().unwrap_or(u64::MAX))
}
