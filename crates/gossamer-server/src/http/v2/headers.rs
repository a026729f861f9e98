//! The headers that only registries send, and how their values are written.

use std::fmt::Display;

use http::{HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

pub(crate) const DOCKER_CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
pub(super) const DOCKER_UPLOAD_UUID: HeaderName = HeaderName::from_static("docker-upload-uuid");
/// The number of the event that the change made, so that a plugin can wait until it has handled its own.
pub(super) const GOSSAMER_SEQUENCE: HeaderName = HeaderName::from_static("gossamer-sequence");
/// The log that the number counts in.
pub(super) const GOSSAMER_LOG: HeaderName = HeaderName::from_static("gossamer-log");
pub(super) const OCI_FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");
pub(super) const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
pub(super) const OCI_TAG: HeaderName = HeaderName::from_static("oci-tag");
pub(super) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What need not be encoded in a query (RFC 3986, `unreserved`).
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The value that prints as `text`: a digest, name, tag, media type or path of ours, all of them printable ASCII.
pub(crate) fn value(text: impl Display) -> HeaderValue {
    HeaderValue::try_from(text.to_string()).unwrap_or(HeaderValue::from_static(""))
}

/// The `Link` to the page of `path` after `last`, with the other `parameters` as they were.
pub(super) fn next_page(path: &str, last: &str, parameters: &[(&str, Option<&str>)]) -> HeaderValue {
    let mut link = format!("<{path}?last={}", utf8_percent_encode(last, QUERY));
    for (key, given) in parameters {
        if let Some(given) = given {
            link.push_str(&format!("&{key}={}", utf8_percent_encode(given, QUERY)));
        }
    }
    value(link + ">; rel=\"next\"")
}
