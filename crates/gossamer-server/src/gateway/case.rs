//! The record of one routed request, while it is being written.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use gossamer_policy::{Decision, RouteTable, Trail};
use http::{Request, StatusCode};
use time::OffsetDateTime;
use tokio::time::Instant;

use crate::access::Principal;
use crate::decisions::{Chosen, DecisionId, Record, Replica};
use crate::http::problem::Problem;
use crate::listeners::ClientAddress;

/// A decision in the making.
pub(super) struct Case {
    record: Record,
    opened: Instant,
}

// === impl Case ===

impl Case {
    pub(super) fn open(request: &Request<Body>) -> Self {
        let extensions = request.extensions();
        let principal = extensions.get::<Principal>().map(Principal::name).unwrap_or_default();
        let target = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
        let record = Record {
            id: DecisionId::random(),
            time: OffsetDateTime::now_utc(),
            method: request.method().to_string(),
            target,
            principal: principal.into_owned(),
            client: extensions.get::<ClientAddress>().map(|client| client.0),
            selected: None,
            decision: None,
            trail: None,
            replicas: Vec::new(),
            routes: None,
            detail: None,
            status: StatusCode::OK,
            failure: None,
            micros: 0,
        };
        Self { record, opened: Instant::now() }
    }

    pub(super) fn id(&self) -> &str {
        self.record.id.as_str()
    }

    pub(super) fn client(&self) -> Option<std::net::SocketAddr> {
        self.record.client
    }

    /// These routes are looked at.
    pub(super) fn considered(&mut self, routes: Arc<RouteTable>) {
        self.record.routes = Some(routes);
    }

    pub(super) fn selected(&mut self, selected: Chosen) {
        self.record.selected = Some(selected);
    }

    pub(super) fn decided(&mut self, trail: Arc<Trail>) {
        self.record.decision = Some(trail.decision.clone());
        self.record.trail = Some(trail);
    }

    pub(super) fn asked(&mut self, replicas: Vec<Replica>) {
        self.record.replicas = replicas;
    }

    /// Keeps what the client is told.
    pub(super) fn answered(&mut self, problem: &Problem) {
        self.record.detail = Some(problem.detail().to_owned());
    }

    /// Keeps what the client is not told.
    pub(super) fn failed(&mut self, failure: impl Into<String>) {
        self.record.failure = Some(failure.into());
    }

    /// Ends the case and counts it.
    pub(super) fn close(self, status: StatusCode) -> Record {
        let record = self.close_quietly(status);
        let outcome = match (&record.decision, record.failure.is_some()) {
            (_, true) => "failed",
            (Some(decision), false) => outcome(decision),
            (None, false) => "refused",
        };
        let plugin = record.selected.as_ref().map_or("none", |chosen| chosen.plugin.as_str()).to_owned();
        let labels = [("plugin", plugin), ("outcome", outcome.to_owned())];
        metrics::counter!("gossamer_gateway_requests_total", &labels).increment(1);
        metrics::histogram!("gossamer_gateway_head_seconds", &labels)
            .record(Duration::from_micros(record.micros));
        record
    }

    /// Ends a case that no client asked for.
    pub(super) fn close_quietly(mut self, status: StatusCode) -> Record {
        self.record.status = status;
        self.record.micros = u64::try_from(self.opened.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.record
    }
}

fn outcome(decision: &Decision) -> &'static str {
    match decision {
        Decision::Blob { .. } => "blob",
        Decision::Redirect { .. } => "redirect",
        Decision::Forward { .. } => "forward",
        Decision::Deny { .. } => "deny",
        Decision::NotFound { .. } => "not_found",
    }
}
