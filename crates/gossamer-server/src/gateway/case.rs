//! The record of one routed request, while it is being written.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use gossamer_policy::{Decision, Input, RouteTable, Trail};
use http::{Request, StatusCode};
use tokio::time::Instant;

use crate::access::Principal;
use crate::decisions::{self, Chosen, Record, Replica};
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
        let target =
            request.uri().path_and_query().map(|target| target.as_str().to_owned()).unwrap_or_default();
        let record = Record::begin(decisions::Request {
            method: request.method().clone(),
            target,
            principal: extensions.get::<Principal>().map(Principal::name).unwrap_or_default(),
            client: extensions.get::<ClientAddress>().map(|client| client.0),
        });
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

    /// Keeps the input of a request that no policy will decide.
    pub(super) fn undecided(&mut self, input: Arc<Input>) {
        self.record.input = Some(input);
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
