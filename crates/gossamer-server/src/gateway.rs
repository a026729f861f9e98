//! The way of one artifact request: select a plugin, ask its policy, answer accordingly.

mod access;
mod blob;
mod body;
mod canary;
mod case;
mod decide;
mod forward;
pub mod input;
mod offer;
mod place;
mod replicas;

use std::sync::Arc;

use axum::body::Body;
use axum::response::IntoResponse as _;
use gossamer_oci::PluginName;
use gossamer_policy::{Decision, Lookups, Policies};
use gossamer_registry::Registry;
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use tracing::warn;

use crate::access::{Access, Principal};
use crate::config::BlobAnswers;
use crate::decisions::{Decisions, Record};
use crate::directory::{Directory, Instance};
use crate::http::problem::{DECISION, Problem};
use crate::proxy::Pool;
use crate::trials::Trials;

use body::RequestBody;
use case::Case;

pub use offer::Offer;
pub use replicas::ranked;

/// Everything that a routed request may need.
pub struct Gateway {
    pub directory: Directory,
    pub policies: Policies,
    pub lookups: Arc<dyn Lookups>,
    pub registry: Registry,
    pub proxy: Pool,
    pub access: Arc<Access>,
    pub decisions: Arc<Decisions>,
    pub trials: Trials,
    pub blobs: BlobAnswers,
}

/// A request that was decided and not answered yet.
struct Considered {
    plugin: PluginName,
    decision: Decision,
    /// For a forwarded request: whom to ask, in order.
    instances: Vec<Instance>,
    body: RequestBody,
}

// === impl Gateway ===

impl Gateway {
    /// Answers one request, whatever becomes of it, and remembers why.
    pub async fn serve(&self, request: Request<Body>) -> Response<Body> {
        let mut case = Case::open(&request);
        let mut response = match self.answer(&mut case, request).await {
            Ok(response) => response,
            Err(problem) => {
                case.answered(&problem);
                problem.decided(case.id()).into_response()
            }
        };
        if let Ok(id) = HeaderValue::from_str(case.id()) {
            response.headers_mut().insert(DECISION, id);
        }
        let record = case.close(response.status());
        if record.status.is_server_error() {
            let failure = record.failure.as_deref().unwrap_or_default();
            warn!(decision = %record.id, target = record.target, status = record.status.as_u16(), failure, "Routed request failed");
        }
        self.trials.answered(&record);
        self.decisions.keep(record);
        response
    }

    /// Whether the host that the request asks for was given to a plugin.
    pub fn is_on_mounted_host<B>(&self, request: &Request<B>) -> bool {
        let host = input::host(request.uri(), request.headers()).map(input::without_port).unwrap_or_default();
        self.directory.snapshot().is_on_mounted_host(host, request.uri().path())
    }

    /// Decides one request without answering it: nothing is sent, and nothing is remembered.
    pub async fn rehearse(&self, request: Request<Body>) -> Record {
        let mut case = Case::open(&request);
        let status = match self.consider(&mut case, request).await {
            Ok((_, Considered { decision, instances, .. })) => {
                case.asked(forward::expected(&self.proxy, instances));
                expected_status(&decision)
            }
            Err(problem) => {
                case.answered(&problem);
                problem.status()
            }
        };
        case.close_quietly(status)
    }

    async fn answer(&self, case: &mut Case, request: Request<Body>) -> Result<Response<Body>, Problem> {
        let (head, Considered { plugin, decision, instances, body }) = self.consider(case, request).await?;
        match decision {
            Decision::Blob { repository, digest, media_type, cache_control } => {
                let blob = blob::Chosen { repository, digest, media_type, cache_control };
                blob::answer(&self.registry, self.blobs, case, &head, blob).await
            }
            Decision::Redirect { location } => redirect(&location),
            Decision::Forward { key: _ } => {
                let request = Request::from_parts(head, body.into_inner());
                forward::forward(&self.proxy, case, (&plugin, instances), request).await
            }
            Decision::Deny { status, reason } => {
                Err(Problem::new(StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN), reason))
            }
            Decision::NotFound { reason } => Err(Problem::new(StatusCode::NOT_FOUND, reason)),
        }
    }

    /// Everything up to the answer: the plugin, its policy's decision, and who would be asked.
    async fn consider(
        &self,
        case: &mut Case,
        request: Request<Body>,
    ) -> Result<(Parts, Considered), Problem> {
        let snapshot = self.directory.snapshot();
        let (mut head, body) = request.into_parts();
        let mut body = RequestBody::new(body);
        let principal = head.extensions.get::<Principal>().unwrap_or(&Principal::Anonymous);
        let mut input = input::input(head.method.as_str(), &head.uri, &head.headers, principal)?;
        place::type_named(&self.registry, &mut input).await;
        let route = decide::select(&snapshot, case, &input)?;
        place::respell(&snapshot, &route, &mut input, &mut head)?;
        access::check_plugin(&self.access, &head, &route.plugin)
            .inspect_err(|_| case.undecided(Arc::new(input.clone())))?;
        let (route, decision) = self.settle(case, &snapshot, route, (input, &mut body)).await?;
        access::check_decision(&self.access, &head, &decision)?;
        let instances = match &decision {
            Decision::Forward { key } => replicas::ranked(&snapshot, &route, key.as_deref(), case.id()),
            Decision::Blob { .. }
            | Decision::Redirect { .. }
            | Decision::Deny { .. }
            | Decision::NotFound { .. } => Vec::new(),
        };
        Ok((head, Considered { plugin: route.plugin, decision, instances, body }))
    }
}

/// The status of an answer that nothing goes wrong with.
fn expected_status(decision: &Decision) -> StatusCode {
    match decision {
        Decision::Blob { .. } | Decision::Forward { .. } => StatusCode::OK,
        Decision::Redirect { .. } => StatusCode::TEMPORARY_REDIRECT,
        Decision::Deny { status, .. } => StatusCode::from_u16(*status).unwrap_or(StatusCode::FORBIDDEN),
        Decision::NotFound { .. } => StatusCode::NOT_FOUND,
    }
}

/// 307 and never 301: what a name stands for changes.
fn redirect(location: &str) -> Result<Response<Body>, Problem> {
    let location = HeaderValue::from_str(location)
        .map_err(|_| Problem::new(StatusCode::BAD_GATEWAY, "the policy's location cannot be sent"))?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}
