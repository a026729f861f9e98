//! The registry's own reads, offered to the plugin that claims the manifest's media type.
//!
//! The registry answers `/v2` by itself, whatever plugins there are. A plugin may add to that, never take away:
//! it is asked only if its policy decides to forward this very path, and only its good answers count.

use axum::body::Body;
use gossamer_oci::{MediaType, Reference};
use gossamer_policy::{Decision, Selected};
use http::header::HeaderValue;
use http::request::Parts;
use http::{Method, Request, Response};

use super::body::RequestBody;
use super::case::Case;
use super::{Gateway, access, decide, forward, input, place, replicas};
use crate::access::{Action, Principal};
use crate::http::problem::DECISION;

/// What became of an offer.
pub enum Offer {
    /// A plugin has answered.
    Taken(Response<Body>),
    /// The registry is to answer.
    Declined(Request<Body>),
}

impl Gateway {
    /// Offers a GET or HEAD of `/v2/<name>/manifests/<reference>`; all else is declined unseen.
    ///
    /// What a digest names and the registry has is declined too: nobody could answer it otherwise.
    pub async fn offer(&self, request: Request<Body>) -> Offer {
        if !matches!(*request.method(), Method::GET | Method::HEAD)
            || self.directory.snapshot().plugins().is_empty()
        {
            return Offer::Declined(request);
        }
        let (head, body) = request.into_parts();
        match self.taken(&head).await {
            Some(response) => Offer::Taken(response),
            None => Offer::Declined(Request::from_parts(head, body)),
        }
    }

    async fn taken(&self, head: &Parts) -> Option<Response<Body>> {
        let (repository, reference) = place::manifest_named(head.uri.path().strip_prefix("/v2/")?)?;
        let principal = head.extensions.get::<Principal>()?;
        if !self.access.allows(principal, Action::Pull, &repository) {
            return None;
        }
        let claimed = match (self.registry.manifest(&repository, &reference).await, &reference) {
            (Ok(_), Reference::Digest(_)) => return None,
            (Ok(found), Reference::Tag(_)) => Some(found.manifest.event_media_type()?.clone()),
            (Err(_), _) => None,
        };
        self.ask(head.clone(), claimed).await
    }

    /// Asks the policy of the one claimant, and the plugin if it says so.
    async fn ask(&self, head: Parts, claimed: Option<MediaType>) -> Option<Response<Body>> {
        let snapshot = self.directory.snapshot();
        let request = Request::from_parts(head, Body::empty());
        let mut case = Case::open(&request);
        let (head, body) = request.into_parts();
        let principal = head.extensions.get::<Principal>()?;
        let mut input = input::input(head.method.as_str(), &head.uri, &head.headers, principal).ok()?;
        input.media_type = claimed.clone().or(input.media_type);
        let route = decide::select(&snapshot, &mut case, &input).ok()?;
        let is_claimed = claimed.is_none_or(|claimed| snapshot.claims(&route.plugin, &claimed));
        if route.by != Selected::MediaType || !is_claimed {
            return None;
        }
        access::check_plugin(&self.access, &head, &route.plugin).ok()?;
        let mut body = RequestBody::new(body);
        let (route, decision) = self.settle(&mut case, &snapshot, route, (input, &mut body)).await.ok()?;
        let Decision::Forward { key } = &decision else { return None };
        access::check_decision(&self.access, &head, &decision).ok()?;
        let instances = replicas::ranked(&snapshot, &route, key.as_deref(), case.id());
        let request = Request::from_parts(head, body.into_inner());
        let answered = forward::forward(&self.proxy, &mut case, (&route.plugin, instances), request).await;
        let taken = answered
            .ok()
            .filter(|response| response.status().is_success() || response.status().is_redirection());
        let outcome = if taken.is_some() { "taken" } else { "declined" };
        let labels = [("plugin", route.plugin.to_string()), ("outcome", outcome.to_owned())];
        metrics::counter!("gossamer_gateway_offers_total", &labels).increment(1);
        let mut response = taken?;
        if let Ok(id) = HeaderValue::from_str(case.id()) {
            response.headers_mut().insert(DECISION, id);
        }
        let record = case.close(response.status());
        self.trials.answered(&record);
        self.decisions.keep(record);
        Some(response)
    }
}
