//! `POST /api/v1/tokens`: a one-time token with which one node joins.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use gossamer_identity::{Grant, GrantPattern};
use gossamer_oci::PluginName;
use gossamer_wire::Role;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use tracing::error;

use super::Admin;
use crate::chain::Chain;
use crate::http::problem::Problem;
use crate::issuer::TokenError;

/// For a token that is used by hand, at once.
const TTL_SECONDS_DEFAULT: u64 = 15 * 60;

/// What the token is for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// The plugin that the node may be an instance of.
    plugin: Option<PluginName>,
    /// The node may be a core; instead of `plugin`.
    #[serde(default)]
    core: bool,
    /// What the plugin may claim: media types, or beginnings of them that end in `*`.
    #[serde(default)]
    media_types: Vec<String>,
    #[serde(default = "ttl_default")]
    ttl_seconds: u64,
}

fn ttl_default() -> u64 {
    TTL_SECONDS_DEFAULT
}

pub(super) async fn create(
    State(admin): State<Arc<Admin>>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let refuse = |detail: String| Problem::new(StatusCode::BAD_REQUEST, detail);
    let Wanted { plugin, core, media_types, ttl_seconds } =
        serde_json::from_slice(&body).map_err(|error| refuse(error.to_string()))?;
    let pattern =
        |text: &String| text.parse::<GrantPattern>().map_err(|error| refuse(format!("{text:?}: {error}")));
    let media_types = media_types.iter().map(pattern).collect::<Result<_, _>>()?;
    let role = match (plugin.clone(), core) {
        (Some(plugin), false) => Role::Plugin(plugin),
        (None, true) => Role::Core,
        (Some(_), true) | (None, false) => return Err(refuse("say either plugin or core".to_owned())),
    };
    let grant = Grant { role: role.clone(), media_types };
    let token = admin.issuer.create_token(grant, Duration::from_secs(ttl_seconds)).await;
    let token = token.map_err(|error| refusal(&error))?;
    let answer = json!({
        "token": token.reveal(),
        "id": token.id().to_string(),
        "plugin": plugin,
        "role": role.to_string(),
        "ttl_seconds": ttl_seconds,
    });
    Ok((StatusCode::CREATED, Json(answer)))
}

fn refusal(error: &TokenError) -> Problem {
    let status = match error {
        TokenError::TooLong | TokenError::TooBroad => StatusCode::BAD_REQUEST,
        TokenError::NotTheRoot => StatusCode::CONFLICT,
        TokenError::Full(_) | TokenError::NoAddress | TokenError::Stopped => StatusCode::SERVICE_UNAVAILABLE,
        TokenError::Ledger(_) | TokenError::Random(_) => {
            error!(error = %Chain(error), "Cannot make a token");
            return Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "a token cannot be made at present");
        }
    };
    Problem::new(status, error.to_string())
}
