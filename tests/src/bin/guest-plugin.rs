//! A plugin for the tests: its policy comes from the file in `GUEST_POLICY`, and it echoes what it is asked.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::response::IntoResponse;
use gossamer_sdk::{Context, Plugin, PluginError};
use gossamer_wire::Policy;
use serde_json::json;

struct Guest;

/// The longest body that is echoed.
const BODY_BYTES_MAX: usize = 1 << 20;

impl Plugin for Guest {
    const NAME: &'static str = "guest";
    const VERSION: &'static str = "1.0.0";
    const MEDIA_TYPES: &'static [&'static str] = &["application/vnd.guest.file.v1.config+json"];

    fn policy() -> Policy {
        let module = std::env::var("GUEST_POLICY").map(std::fs::read_to_string).unwrap().unwrap();
        Policy { module, data: "{}".to_owned() }
    }

    async fn start(_: Context) -> Result<Self, PluginError> {
        Ok(Self)
    }

    fn router(self: Arc<Self>) -> Router {
        Router::new().fallback(echo)
    }
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
    gossamer_sdk::main::<Guest>()
}
