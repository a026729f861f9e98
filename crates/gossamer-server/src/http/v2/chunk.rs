//! Where a chunk of an upload belongs: its `Content-Range`.

use std::ops::Range;

/// Reads `<first>-<last>`, without a unit (distribution-spec, "Pushing a blob in chunks"). `None` for
/// anything else; the end of the answer is exclusive.
pub(super) fn span(header: &str) -> Option<Range<u64>> {
    let (first, last) = header.split_once('-')?;
    let span = number(first)?..number(last)?.checked_add(1)?;
    (!span.is_empty()).then_some(span)
}

/// Digits only: the parser of `u64` would also take a sign.
fn number(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests;
