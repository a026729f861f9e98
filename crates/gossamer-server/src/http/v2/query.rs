//! The query of a request.

use std::borrow::Cow;

use gossamer_registry::Page;
use percent_encoding::percent_decode_str;

use super::error::Failure;

/// Decoded parameters, in order. No value of this API has a space in it, so that `+` means itself,
/// as clients mean it that forget to encode `application/vnd.example+json`.
#[derive(Debug)]
pub(super) struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

// === impl Query ===

impl<'a> Query<'a> {
    pub(super) fn parse(query: &'a str) -> Result<Self, Failure> {
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let decoded = pairs.map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(key)?, decode(value)?))
        });
        Ok(Self(decoded.collect::<Result<_, Failure>>()?))
    }

    /// The first value of `key`.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.all(key).next()
    }

    /// Every value of `key`.
    pub(super) fn all<'q>(&'q self, key: &str) -> impl Iterator<Item = &'q str> {
        self.0.iter().filter(move |(name, _)| name == key).map(|(_, value)| value.as_ref())
    }

    /// `n` and `last`. More than any page holds is as good as the largest page.
    pub(super) fn page(&self) -> Result<Page, Failure> {
        let limit = self.get("n").map(count).transpose()?;
        Ok(Page { after: self.get("last").map(str::to_owned), limit })
    }
}

fn decode(text: &str) -> Result<Cow<'_, str>, Failure> {
    percent_decode_str(text).decode_utf8().map_err(|_| Failure::Parameter("query"))
}

fn count(text: &str) -> Result<usize, Failure> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Failure::Parameter("n"));
    }
    Ok(text.parse().unwrap_or(usize::MAX)) // only digits: what does not fit is too large
}

#[cfg(test)]
mod tests;
