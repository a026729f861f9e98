//! A plugin for the tests: its policy comes from the file in `GUEST_POLICY`, and it echoes what it is asked, or
//! behaves as badly as the last segment of the path says. With `GUEST_TWIN` set it is another plugin, `twin`, that
//! claims the same media type; with `GUEST_VERSION=2.0.0` it is a later version of itself.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use gossamer_sdk::{Context, Plugin, PluginError};
use gossamer_wire::Policy;
use serde_json::json;

struct Guest<const TWIN: bool, const LATER: bool>;

/// The longest body that is echoed.
const BODY_BYTES_MAX: usize = 1 << 20;

/// One piece of a flood.
const FLOOD_BYTES: usize = 64 << 10;

impl<const TWIN: bool, const LATER: bool> Plugin for Guest<TWIN, LATER> {
    const NAME: &'static str = if TWIN { "twin" } else { "guest" };
    const VERSION: &'static str = if LATER { "2.0.0" } else { "1.0.0" };
    const MEDIA_TYPES: &'static [&'static str] = &["application/vnd.guest.file.v1.config+json"];

    fn policy() -> Policy {
        let module = std::env::var("GUEST_POLICY").map(std::fs::read_to_string).unwrap().unwrap();
        Policy { module, data: "{}".to_owned() }
    }

    async fn start(_: Context) -> Result<Self, PluginError> {
        Ok(Self)
    }

    fn router(self: Arc<Self>) -> Router {
        Router::new().fallback(answer)
    }
}

async fn answer(request: Request) -> Response {
    match request.uri().path().rsplit('/').next() {
        Some("hang") => std::future::pending().await,
        Some("trickle") => dripping(Duration::from_secs(1), Bytes::from_static(b".")),
        Some("flood") => dripping(Duration::ZERO, Bytes::from_static(&[b'x'; FLOOD_BYTES])),
        Some("fail") => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Some(_) | None => echo(request).await.into_response(),
    }
}

/// An answer that never ends: one `drop` after every `pause`.
fn dripping(pause: Duration, drop: Bytes) -> Response {
    let drops = futures::stream::unfold((), move |()| {
        let drop = drop.clone();
        async move {
            tokio::time::sleep(pause).await;
            Some((Ok::<_, Infallible>(drop), ()))
        }
    });
    Body::from_stream(drops).into_response()
}

async fn echo(request: Request) -> impl IntoResponse {
    let (head, body) = request.into_parts();
    let headers: BTreeMap<String, String> = head
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    let body = axum::body::to_bytes(body, BODY_BYTES_MAX).await.unwrap_or_default();
    axum::Json(json!({
        "method": head.method.as_str(),
        "uri": head.uri.path_and_query().map(|path| path.as_str()),
        "headers": headers,
        "body": String::from_utf8_lossy(&body),
    }))
}

fn main() -> ExitCode {
    let is_later = std::env::var("GUEST_VERSION").is_ok_and(|version| version == "2.0.0");
    match (std::env::var_os("GUEST_TWIN").is_some(), is_later) {
        (true, _) => gossamer_sdk::main::<Guest<true, false>>(),
        (false, true) => gossamer_sdk::main::<Guest<false, true>>(),
        (false, false) => gossamer_sdk::main::<Guest<false, false>>(),
    }
}
