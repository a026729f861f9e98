//! Errors as `application/problem+json` (RFC 9457).

#[cfg(test)]
mod tests;

use axum::response::{IntoResponse, Response};
use http::header::{self, HeaderValue};
use http::{HeaderName, StatusCode};
use serde::Serialize;

/// Carries the id under which `explain` knows how a request was routed.
pub const DECISION: HeaderName = HeaderName::from_static("gossamer-decision");

/// What a client that presents no or wrong credentials is asked for (RFC 7617 section 2).
pub const CHALLENGE: HeaderValue = HeaderValue::from_static("Basic realm=\"gossamer\", charset=\"UTF-8\"");

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// An error as a client sees it. Says nothing of causes: those are logged where they are handled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    #[serde(serialize_with = "as_number")]
    status: StatusCode,
    title: &'static str,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<String>,
}

// === impl Problem ===

impl Problem {
    /// A problem whose title is the status' own reason phrase.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        Self { status, title, detail: detail.into(), decision: None }
    }

    /// The status that it is answered with.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The sentence for the client.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Names the decision that led here.
    pub fn decided(mut self, id: impl Into<String>) -> Self {
        self.decision = Some(id.into());
        self
    }

    /// 401 for somebody who may yet say who they are, 403 for everybody else.
    pub fn refused(is_anonymous: bool, what: &str) -> Self {
        if is_anonymous {
            Self::new(StatusCode::UNAUTHORIZED, format!("credentials are needed to {what}"))
        } else {
            Self::new(StatusCode::FORBIDDEN, format!("these credentials do not allow to {what}"))
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let id = self.decision.as_deref().and_then(|id| HeaderValue::from_str(id).ok());
        // A struct of numbers and strings always serialises.
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (self.status, [(header::CONTENT_TYPE, PROBLEM_JSON)], body).into_response();
        let headers = response.headers_mut();
        if let Some(id) = id {
            headers.insert(DECISION, id);
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, CHALLENGE);
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it by reference")]
fn as_number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}
