//! A request passed on to the plugin, to the first instance that can take it.

use axum::body::Body;
use http::uri::{Authority, Scheme};
use http::{Request, Response, StatusCode, Uri, Version};

use super::case::Case;
use super::input::host;
use crate::chain::Chain;
use crate::decisions::{Replica, Verdict};
use crate::directory::Instance;
use crate::http::problem::Problem;
use crate::proxy::headers::{
    ClientSide, add_forwarded, ensure_traceparent, strip_client_only, strip_hop_by_hop,
};
use crate::proxy::{Pool, SendError};

/// Asks `instances` in order. Only a request of which nothing was sent goes on to the next.
pub(super) async fn forward(
    proxy: &Pool,
    case: &mut Case,
    instances: Vec<Instance>,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let mut replicas: Vec<Replica> = instances.iter().map(waiting).collect();
    let mut request = Some(Box::new(for_plugin(request, case)?));
    let mut last = None;
    for (instance, replica) in instances.iter().zip(&mut replicas) {
        let Some(attempt) = request.take() else { break };
        match proxy.stream(instance, *attempt).await {
            Ok(response) => {
                replica.verdict = Verdict::Chosen { because: chosen_because(last.is_some()) };
                case.asked(replicas);
                return Ok(for_client(response));
            }
            Err(failure) => {
                replica.verdict = Verdict::Failed { because: Chain(&failure.error).to_string() };
                request = failure.request;
                last = Some(failure.error);
            }
        }
    }
    case.asked(replicas);
    Err(match last {
        Some(error) => {
            case.failed(Chain(&error).to_string());
            unanswered(&error)
        }
        None => {
            case.failed("no instance of the plugin is alive");
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "no instance of the plugin is here")
        }
    })
}

/// What [`forward`] would write down if the first instance took the request.
pub(super) fn expected(instances: &[Instance]) -> Vec<Replica> {
    let mut replicas: Vec<Replica> = instances.iter().map(waiting).collect();
    if let Some(first) = replicas.first_mut() {
        first.verdict = Verdict::Chosen { because: chosen_because(false) };
    }
    replicas
}

fn waiting(instance: &Instance) -> Replica {
    Replica {
        node: instance.node,
        service: instance.service,
        version: instance.version.clone(),
        verdict: Verdict::NotNeeded {
            because: "one before it in rendezvous order was sent the request".to_owned(),
        },
    }
}

fn chosen_because(is_second_choice: bool) -> String {
    let reason = if is_second_choice {
        "first in rendezvous order of those that could be reached"
    } else {
        "first in rendezvous order"
    };
    reason.to_owned()
}

/// Path and query stay as they were sent; the connection's headers and the credentials do not.
fn for_plugin(request: Request<Body>, case: &Case) -> Result<Request<Body>, Problem> {
    let (mut head, body) = request.into_parts();
    let host = host(&head.uri, &head.headers).map(str::to_owned);
    strip_hop_by_hop(&mut head.headers);
    strip_client_only(&mut head.headers);
    head.headers.remove(http::header::HOST);
    add_forwarded(&mut head.headers, &ClientSide { address: case.client(), host: host.clone() });
    ensure_traceparent(&mut head.headers);
    let authority = host.and_then(|host| host.parse::<Authority>().ok());
    let mut parts = head.uri.into_parts();
    parts.scheme = authority.as_ref().map(|_| Scheme::HTTPS);
    parts.authority = authority;
    head.uri = Uri::from_parts(parts)
        .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the request's target cannot be passed on"))?;
    head.version = Version::HTTP_2;
    head.extensions.clear();
    Ok(Request::from_parts(head, body))
}

fn for_client(response: Response<Body>) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    strip_hop_by_hop(&mut head.headers);
    head.version = Version::HTTP_11;
    head.extensions.clear();
    Response::from_parts(head, body)
}

fn unanswered(error: &SendError) -> Problem {
    match error {
        SendError::Connect { .. } => Problem::new(StatusCode::BAD_GATEWAY, "the plugin cannot be reached"),
        SendError::Busy { .. } => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the plugin has too much to do")
        }
        SendError::TimedOut { .. } => {
            Problem::new(StatusCode::GATEWAY_TIMEOUT, "the plugin did not answer in time")
        }
        SendError::BrokenOff { .. } => Problem::new(StatusCode::BAD_GATEWAY, "the plugin broke off"),
        SendError::Answer { .. } => {
            Problem::new(StatusCode::BAD_GATEWAY, "the plugin's answer cannot be read")
        }
    }
}
