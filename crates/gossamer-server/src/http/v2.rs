//! The OCI distribution API, `/v2/`: which request means what, who may make it, and how it is answered.
//!
//! Each request goes the same way: path → `Route`, query → `Query`, principal → allowed or not,
//! then one file per kind of thing: `uploads`, `blobs`, `manifests`, `listings`, `referrers`.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use gossamer_oci::RepositoryName;
use gossamer_registry::Registry;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::access::{Access, Action, Principal};

mod blobs;
mod body;
mod chunk;
mod error;
pub(crate) mod headers;
mod listings;
mod manifests;
mod query;
mod referrers;
mod route;
mod uploads;

use body::Lent;
use error::Failure;
use query::Query;
use route::Route;

/// Docker's clients look for this header before they believe that they found a registry.
const API_VERSION: (HeaderName, HeaderValue) =
    (HeaderName::from_static("docker-distribution-api-version"), HeaderValue::from_static("registry/2.0"));

/// What the API needs to answer. Cheap to clone.
#[derive(Clone)]
pub struct V2 {
    pub registry: Registry,
    pub access: Arc<Access>,
}

/// Serves `/v2` and everything below. Every request must carry a [`Principal`] in its extensions.
pub fn router(state: V2) -> Router {
    let V2 { registry, access } = state;
    routes(Shared { registry, guard: access })
}

/// Says who may do what, in one repository or everywhere.
trait Guard: Send + Sync {
    fn allows(&self, principal: &Principal, action: Action, repository: Option<&RepositoryName>) -> bool;
}

/// What all requests share.
#[derive(Clone)]
struct Shared {
    registry: Registry,
    guard: Arc<dyn Guard>,
}

fn routes(state: Shared) -> Router {
    Router::new()
        .route("/v2", any(serve))
        .route("/v2/", any(serve))
        .route("/v2/{*rest}", any(serve))
        .with_state(state)
}

/// One request on its way: all of it but the body.
struct Call<'a> {
    state: &'a Shared,
    parts: &'a Parts,
    principal: &'a Principal,
    query: Query<'a>,
}

async fn serve(State(state): State<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let (body, loan) = body::lend(body, &parts.headers);
    let answer = answer(&state, &parts, body).await;
    loan.settle().await;
    let mut response = answer.unwrap_or_else(Failure::into_response);
    let (name, value) = API_VERSION;
    response.headers_mut().insert(name, value);
    response
}

async fn answer(state: &Shared, parts: &Parts, body: Lent) -> Result<Response, Failure> {
    let path = route::decode(parts.uri.path())?;
    let route = Route::parse(&path)?;
    let query = Query::parse(parts.uri.query().unwrap_or_default())?;
    let principal = parts.extensions.get().ok_or(Failure::Unauthorized)?;
    let call = Call { state, parts, principal, query };
    match route {
        Route::Base => base(&call),
        Route::Catalog => listings::catalog(&call).await,
        Route::Tags(repository) => listings::tags(&call, &repository).await,
        Route::Uploads(repository) => uploads::start(&call, &repository, body).await,
        Route::Upload(repository, id) => uploads::answer(&call, repository, id, body).await,
        Route::Blob(repository, digest) => blobs::answer(&call, &repository, &digest).await,
        Route::Manifest(repository, reference) => manifests::answer(&call, repository, reference, body).await,
        Route::Referrers(repository, digest) => referrers::list(&call, &repository, &digest).await,
    }
}

/// Says that this is a registry, and asks for credentials where nothing can be pulled without.
fn base(call: &Call<'_>) -> Result<Response, Failure> {
    call.only_read()?;
    call.require_everywhere(Action::Pull)?;
    Ok(StatusCode::OK.into_response())
}

// === impl Guard ===

impl Guard for Access {
    fn allows(&self, principal: &Principal, action: Action, repository: Option<&RepositoryName>) -> bool {
        match repository {
            Some(repository) => self.allows(principal, action, repository),
            None => self.allows_everywhere(principal, action),
        }
    }
}

// === impl Call ===

impl Call<'_> {
    fn method(&self) -> &Method {
        &self.parts.method
    }

    fn headers(&self) -> &HeaderMap {
        &self.parts.headers
    }

    fn registry(&self) -> &Registry {
        &self.state.registry
    }

    /// Refuses every method but `GET` and `HEAD`.
    fn only_read(&self) -> Result<(), Failure> {
        match *self.method() {
            Method::GET | Method::HEAD => Ok(()),
            _ => Err(Failure::MethodNotAllowed { allow: "GET, HEAD" }),
        }
    }

    fn allows(&self, action: Action, repository: &RepositoryName) -> bool {
        self.state.guard.allows(self.principal, action, Some(repository))
    }

    /// Fails unless the principal may do `action` in `repository`, whether or not that exists.
    fn require(&self, action: Action, repository: &RepositoryName) -> Result<(), Failure> {
        if self.allows(action, repository) { Ok(()) } else { Err(self.refusal()) }
    }

    fn require_everywhere(&self, action: Action) -> Result<(), Failure> {
        let allowed = self.state.guard.allows(self.principal, action, None);
        if allowed { Ok(()) } else { Err(self.refusal()) }
    }

    /// Who has said nothing of himself may try again with credentials; everybody else may not.
    fn refusal(&self) -> Failure {
        match self.principal {
            Principal::Anonymous => Failure::Unauthorized,
            Principal::Admin | Principal::Plugin(_) | Principal::Core => Failure::Denied,
        }
    }
}

#[cfg(test)]
mod tests;
