//! `GET /metrics`: what this process has counted, in the Prometheus text format.

use std::sync::OnceLock;

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing::warn;

use super::problem::Problem;

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Upper bounds in seconds: from a memo hit to a request that timed out.
const SECONDS: [f64; 12] = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 5.0, 30.0];

/// One recorder serves the whole process, however many servers run in it.
static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Starts counting. Does nothing if the process counts already.
pub fn install() {
    RECORDER.get_or_init(|| {
        let builder = PrometheusBuilder::new().set_buckets(&SECONDS);
        match builder.and_then(PrometheusBuilder::install_recorder) {
            Ok(handle) => Some(handle),
            Err(error) => {
                warn!(%error, "Somebody else records metrics in this process; /metrics is off");
                None
            }
        }
    });
}

/// Renders what was counted so far.
pub async fn show() -> Response {
    match RECORDER.get().and_then(Option::as_ref) {
        Some(handle) => {
            handle.run_upkeep();
            ([(header::CONTENT_TYPE, TEXT)], handle.render()).into_response()
        }
        None => Problem::new(StatusCode::NOT_FOUND, "this process records no metrics").into_response(),
    }
}
