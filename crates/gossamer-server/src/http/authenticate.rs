//! The middleware that turns credentials on the public listener into a [`Principal`].

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use gossamer_oci::{ErrorBody, ErrorCode};
use http::header::{self, HeaderValue};
use http::{HeaderMap, StatusCode};

use super::problem::{CHALLENGE, Problem};
use crate::access::{Access, Principal};

/// Puts the principal behind `Authorization` into the request's extensions. Wrong credentials are
/// refused here, whatever the request wanted. The mesh listener's principals are left as they are.
pub async fn authenticate(State(access): State<Arc<Access>>, mut request: Request, next: Next) -> Response {
    if request.extensions().get::<Principal>().is_none() {
        match principal(&access, request.headers()) {
            Some(principal) => {
                request.extensions_mut().insert(principal);
            }
            None => return refusal(request.uri().path()),
        }
    }
    next.run(request).await
}

fn principal(access: &Access, headers: &HeaderMap) -> Option<Principal> {
    let Some(authorization) = headers.get(header::AUTHORIZATION) else { return Some(Principal::Anonymous) };
    access.authenticate(authorization.to_str().ok()?)
}

/// In the words of whoever is asked: OCI clients read OCI errors.
fn refusal(path: &str) -> Response {
    let detail = "these credentials are not known here";
    if !path.starts_with("/v2/") && path != "/v2" {
        return Problem::new(StatusCode::UNAUTHORIZED, detail).into_response();
    }
    let body = serde_json::to_vec(&ErrorBody::new(ErrorCode::Unauthorized, detail)).unwrap_or_default();
    let json = HeaderValue::from_static("application/json");
    let headers = [(header::CONTENT_TYPE, json), (header::WWW_AUTHENTICATE, CHALLENGE)];
    (StatusCode::UNAUTHORIZED, headers, body).into_response()
}
