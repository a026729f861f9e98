//! What a policy may know of a request.

use std::collections::BTreeMap;

use bytes::Bytes;
use gossamer_oci::MediaType;
use serde::Serialize;

/// Largest request body that a policy may read, in bytes. Beskar's 8 KiB were too small for a signing key.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// One request as policies see it. The body is not part of it: a policy asks for that with `request.body()`.
///
/// Credentials never get in: [`Input::set_headers`] drops the headers that carry them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Input {
    /// The path, percent-decoded, without the query.
    pub path: String,
    pub method: String,
    /// Decoded query parameters, each with all its values in order.
    pub query: BTreeMap<String, Vec<String>>,
    headers: BTreeMap<String, String>,
    /// The host that was asked for, without the port.
    pub host: String,
    /// The `Content-Type` of the request.
    pub media_type: Option<MediaType>,
    /// What the client accepts, in order; ranges such as `*/*` are left out.
    pub accept: Vec<MediaType>,
    /// Who asks: `anonymous`, `admin` or `plugin/<name>`.
    pub principal: String,
    #[serde(skip)]
    pub body: Body,
}

/// The body of a request, as far as the caller has read it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Body {
    /// There is none.
    #[default]
    Absent,
    /// There is one, and nobody has read it. A policy that wants it ends in `EvalError::BodyWanted`.
    Unread,
    /// The whole body. Empty counts as absent, more than [`BODY_BYTES_MAX`] as too large.
    Whole(Bytes),
    /// It is larger than [`BODY_BYTES_MAX`].
    TooLarge,
}

/// Headers that carry credentials.
const SECRET_HEADERS: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

// === impl Input ===

impl Input {
    /// A request with nothing but a method and a decoded path.
    pub fn new(method: impl Into<String>, path: impl Into<String>) -> Self {
        Self { method: method.into(), path: path.into(), ..Self::default() }
    }

    /// Takes the headers: names in lower case, repeated ones joined by `, `, credentials left out.
    pub fn set_headers<N, V>(&mut self, headers: impl IntoIterator<Item = (N, V)>)
    where
        N: AsRef<str>,
        V: AsRef<str>,
    {
        self.headers.clear();
        for (name, value) in headers {
            let name = name.as_ref().to_ascii_lowercase();
            if SECRET_HEADERS.contains(&name.as_str()) {
                continue;
            }
            let joined = self.headers.entry(name).or_default();
            if !joined.is_empty() {
                joined.push_str(", ");
            }
            joined.push_str(value.as_ref());
        }
    }

    pub fn headers(&self) -> &BTreeMap<String, String> {
        &self.headers
    }

    pub fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Body::Whole(body.into());
        self
    }
}

#[cfg(test)]
mod tests;
