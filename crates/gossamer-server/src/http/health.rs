//! `/livez` and `/readyz`, for whoever restarts cores and balances load between them.

use std::fmt::Write as _;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, Uri, header};

use crate::health::{Check, Health};

/// Serves both paths. Neither needs a principal.
pub fn router(health: Health) -> Router {
    Router::new().route("/livez", get(live)).route("/readyz", get(ready)).with_state(health)
}

/// This process answers: that is all that a restart could mend.
async fn live() -> &'static str {
    "ok\n"
}

/// 200 if every check is ok, else 503; `?verbose` lists them.
async fn ready(State(health): State<Health>, uri: Uri) -> Response {
    let checks = health.checks().await;
    let is_ready = checks.iter().all(|check| check.ok);
    let is_verbose = uri.query().is_some_and(|query| query.split('&').any(|key| key.starts_with("verbose")));
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = if is_verbose || !is_ready { list(&checks) } else { "ok\n".to_owned() };
    (status, [(header::CACHE_CONTROL, "no-store")], body).into_response()
}

fn list(checks: &[Check]) -> String {
    checks.iter().fold(String::new(), |mut text, Check { name, ok, detail }| {
        let mark = if *ok { '+' } else { '-' };
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "[{mark}] {name}: {detail}");
        text
    })
}
