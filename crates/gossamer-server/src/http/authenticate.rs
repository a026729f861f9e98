//! The middleware that turns credentials on the public listener into a [`Principal`].

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use gossamer_oci::{ErrorBody, ErrorCode};
use http::header::{self, HeaderValue};
use http::{HeaderMap, StatusCode};

use super::problem::{CHALLENGE, DECISION, Problem};
use crate::access::{Access, Principal};
use crate::decisions::{Decisions, Refusal};
use crate::gateway::Gateway;

/// Puts the principal behind `Authorization` into the request's extensions. Wrong credentials are
/// refused here, whatever the request wanted. The mesh listener's principals are left as they are.
pub async fn authenticate(State(gateway): State<Arc<Gateway>>, mut request: Request, next: Next) -> Response {
    if request.extensions().get::<Principal>().is_none() {
        match principal(&gateway.access, request.headers()) {
            Some(principal) => {
                request.extensions_mut().insert(principal);
            }
            None => return refusal(&gateway.decisions, &request),
        }
    }
    next.run(request).await
}

fn principal(access: &Access, headers: &HeaderMap) -> Option<Principal> {
    let Some(authorization) = headers.get(header::AUTHORIZATION) else { return Some(Principal::Anonymous) };
    access.authenticate(authorization.to_str().ok()?)
}

/// In the words of whoever is asked: OCI clients read OCI errors.
fn refusal(decisions: &Decisions, request: &Request) -> Response {
    let (path, detail) = (request.uri().path(), "these credentials are not known here");
    let refusal = Refusal { principal: "unknown".into(), status: StatusCode::UNAUTHORIZED, detail };
    let id = decisions.refuse(request, refusal);
    if !path.starts_with("/v2/") && path != "/v2" {
        return Problem::new(StatusCode::UNAUTHORIZED, detail).decided(id.as_str()).into_response();
    }
    let body = serde_json::to_vec(&ErrorBody::new(ErrorCode::Unauthorized, detail)).unwrap_or_default();
    let json = HeaderValue::from_static("application/json");
    let id = HeaderValue::from_str(id.as_str()).unwrap_or(HeaderValue::from_static(""));
    let headers = [(header::CONTENT_TYPE, json), (header::WWW_AUTHENTICATE, CHALLENGE), (DECISION, id)];
    (StatusCode::UNAUTHORIZED, headers, body).into_response()
}
