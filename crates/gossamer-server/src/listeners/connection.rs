//! One HTTP connection, from its first byte to its last request.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::Request;
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tower::Service as _;

use super::idle::Idle;
use super::pace::Paced;
use super::{ClientAddress, Config};
use crate::access::Principal;

/// The default of 64 KiB throttles uploads to one window per round trip.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;

/// Room for long tokens; beyond it HTTP/2 answers 431.
const HEADER_BYTES_MAX: u32 = 32 << 10;

/// How long an HTTP/2 client may leave a ping unanswered.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a connection ended before it was done.
pub(super) type Ended = Box<dyn std::error::Error + Send + Sync>;

/// What is known of a connection's other end before its first request.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub(super) client: SocketAddr,
    pub(super) principal: Option<Principal>,
}

/// Serves requests until the client goes, nothing moves for too long, or `closing` is cancelled
/// and the last request is answered.
pub(super) async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    origin: Origin,
    app: Router,
    config: &Config,
    closing: CancellationToken,
) -> Result<(), Ended> {
    let service = service_fn(move |mut request: Request<Incoming>| {
        let extensions = request.extensions_mut();
        extensions.insert(ClientAddress(origin.client));
        if let Some(principal) = origin.principal.clone() {
            extensions.insert(principal);
        }
        app.clone().call(request.map(paced))
    });
    let builder = builder(config);
    let connection =
        builder.serve_connection(TokioIo::new(Idle::new(stream, config.idle_timeout())), service);
    tokio::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = closing.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

fn paced(body: Incoming) -> Body {
    if body.is_end_stream() { Body::empty() } else { Body::new(Paced::new(body)) }
}

fn builder(config: &Config) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(config.header_timeout());
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(config.idle_timeout() / 2)
        .keep_alive_timeout(PING_TIMEOUT)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(config.streams_max)
        .max_header_list_size(HEADER_BYTES_MAX);
    builder
}
