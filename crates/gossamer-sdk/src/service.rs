//! What a plugin process serves: its health, the inbox, and for the rest the plugin's own router.

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use tracing::warn;

use crate::Inbox;
use crate::inbox::EnqueueError;

/// Where cores post events.
pub(crate) const EVENTS_PATH: &str = "/gossamer/v1/events";

/// When a core may come back with an event that the inbox had no room for, in seconds.
const FULL_RETRY_SECONDS: u32 = 1;

/// The whole of what the plugin's listener answers.
pub(crate) fn router(inbox: Inbox, plugin: Router) -> Router {
    let events = Router::new().route(EVENTS_PATH, post(receive)).with_state(inbox);
    Router::new().route("/livez", get(|| async { "ok\n" })).merge(events).fallback_service(plugin)
}

/// 200 says that the event is on disk.
async fn receive(State(inbox): State<Inbox>, body: Body) -> Response {
    let Ok(encoded) = axum::body::to_bytes(body, gossamer_wire::event::BYTES_MAX).await else {
        return (StatusCode::PAYLOAD_TOO_LARGE, "the event is too large or broke off\n").into_response();
    };
    let (log, event) = match gossamer_wire::event::decode(&encoded) {
        Ok(event) => event,
        Err(error) => return (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    };
    match inbox.enqueue(log, &event, encoded).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(error @ EnqueueError::Full) => {
            let retry_after = [(header::RETRY_AFTER, FULL_RETRY_SECONDS.to_string())];
            (StatusCode::SERVICE_UNAVAILABLE, retry_after, format!("{error}\n")).into_response()
        }
        Err(EnqueueError::Database(error)) => {
            warn!(sequence = %event.sequence, error = &error as &dyn std::error::Error, "Storing an event failed");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[cfg(test)]
mod tests;
