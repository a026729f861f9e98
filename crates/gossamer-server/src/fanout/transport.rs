//! How an event gets to an instance.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use gossamer_events::delivery::Failure;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use tokio::time::timeout;

use crate::chain::Chain;
use crate::directory::Instance;
use crate::proxy::{Pool, SendError};

/// Where plugins take events.
const PATH: &str = "/gossamer/v1/events";
const CONTENT: &str = "application/x-protobuf";

/// A plugin answers after one fsync. Beyond this it hangs, and the stream is better freed.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// What is kept of a plugin's own words on why it does not take an event.
const REASON_CHARS_MAX: usize = 200;

/// Takes encoded events to plugin instances.
pub trait Transport: Clone + Send + Sync + 'static {
    /// Answers once the instance has the event and will not lose it.
    fn post(&self, to: &Instance, event: Bytes) -> impl Future<Output = Result<(), Failure>> + Send;
}

impl Transport for Pool {
    async fn post(&self, to: &Instance, event: Bytes) -> Result<(), Failure> {
        let mut request = Request::new(event);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from_static(PATH);
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(CONTENT));
        match timeout(ANSWER_TIMEOUT, self.send(to, request)).await {
            Ok(Ok(answer)) => judge(answer.status(), answer.body()),
            Ok(Err(error)) => Err(failure(&error)),
            Err(_) => Err(Failure::Retry { reason: "no answer in time".into() }),
        }
    }
}

/// What an answer says of the event. That it is wrong in itself, only four statuses say; any other
/// may be the plugin's trouble of the moment.
pub(super) fn judge(status: StatusCode, body: &[u8]) -> Result<(), Failure> {
    if status.is_success() {
        return Ok(());
    }
    let text: String = String::from_utf8_lossy(body).chars().take(REASON_CHARS_MAX).collect();
    let line = text.replace(|letter: char| letter.is_control(), " ");
    let reason = format!("{status}: {line}");
    match status {
        StatusCode::BAD_REQUEST
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::UNSUPPORTED_MEDIA_TYPE
        | StatusCode::UNPROCESSABLE_ENTITY => Err(Failure::Refused { reason }),
        _ => Err(Failure::Retry { reason }),
    }
}

fn failure(error: &SendError) -> Failure {
    match error {
        SendError::Connect { .. } | SendError::Busy { .. } => Failure::Unreachable,
        SendError::TimedOut { .. } | SendError::BrokenOff { .. } | SendError::Answer { .. } => {
            Failure::Retry { reason: Chain(error).to_string() }
        }
    }
}
