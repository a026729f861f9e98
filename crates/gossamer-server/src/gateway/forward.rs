//! A request passed on to the plugin, to the first instance that can take it.

use axum::body::Body;
use gossamer_oci::PluginName;
use http::uri::{Authority, Scheme};
use http::{Method, Request, Response, StatusCode, Uri, Version, header};

use super::case::Case;
use super::input::host;
use super::replicas::{self, Candidate};
use crate::chain::Chain;
use crate::decisions::{Replica, Verdict};
use crate::directory::Instance;
use crate::http::problem::Problem;
use crate::proxy::headers::{
    ClientSide, add_forwarded, ensure_traceparent, strip_client_only, strip_hop_by_hop,
};
use crate::proxy::{Failed, Pass, Pool, Reached, SendError, Standing};

/// Asks `instances` in order, those first that are known to answer. A request goes on to the next one if it was
/// certainly not processed; or if processing it twice is harmless, its body is still here, and the plugin's budget of
/// second attempts allows it.
pub(super) async fn forward(
    proxy: &Pool,
    case: &mut Case,
    (plugin, instances): (&PluginName, Vec<Instance>),
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let request = for_plugin(request, case)?;
    let pass = match proxy.enter(plugin).await {
        Ok(pass) => pass,
        Err(turned) => {
            case.failed(turned.to_string());
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the plugin has too much to do"));
        }
    };
    let candidates = replicas::candidates(instances, |instance| proxy.wanted(instance));
    let mut replicas: Vec<Replica> = candidates.iter().map(waiting).collect();
    let answered = attempts(proxy, (&candidates, &mut replicas), request, &pass).await;
    case.asked(replicas);
    match answered {
        Ok(response) => Ok(for_client(response)),
        Err(Some(error)) => {
            case.failed(Chain(&error).to_string());
            Err(unanswered(&error))
        }
        Err(None) => {
            let nobody = if candidates.is_empty() {
                "no instance of the plugin is here"
            } else {
                "no instance of the plugin answers"
            };
            case.failed(nobody);
            Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, nobody))
        }
    }
}

/// The first answer, or the last failure, if anybody was asked.
async fn attempts(
    proxy: &Pool,
    (candidates, replicas): (&[Candidate], &mut [Replica]),
    request: Request<Body>,
    pass: &Pass,
) -> Result<Response<Body>, Option<SendError>> {
    let may_repeat = may_repeat(&request);
    let mut next = Some(Box::new(request));
    let mut last = None;
    let mut sent = 0;
    let in_turn = candidates.iter().zip(replicas).filter(|(candidate, _)| candidate.is_asked());
    for (candidate, replica) in in_turn {
        let Some(attempt) = next.take() else { break };
        match proxy.stream(&candidate.instance, *attempt, pass).await {
            Ok(response) => {
                replica.verdict = Verdict::Chosen { because: chosen_because(last.is_some()) };
                return Ok(response);
            }
            Err(Failed { error, reached, request }) => {
                replica.verdict = Verdict::Failed { because: Chain(&error).to_string() };
                last = Some(error);
                next = match reached {
                    Reached::Nobody => request,
                    Reached::Perhaps => {
                        sent += 1;
                        let again = may_repeat && sent < proxy.attempts_max();
                        request.filter(|_| again && granted(&candidate.instance, pass))
                    }
                };
            }
        }
    }
    Err(last)
}

/// Asks the budget, and counts what it says.
fn granted(instance: &Instance, pass: &Pass) -> bool {
    let is_granted = pass.may_retry();
    let outcome = if is_granted { "granted" } else { "refused" };
    let labels = [("plugin", instance.plugin.to_string()), ("outcome", outcome.to_owned())];
    metrics::counter!("gossamer_proxy_retries_total", &labels).increment(1);
    is_granted
}

/// Whether it does no harm that an instance processes the request and another one then processes it too
/// (RFC 9110 section 9.2.2). A second DELETE would say 404, a second PUT under a condition 412.
fn may_repeat<B>(request: &Request<B>) -> bool {
    let is_conditional = [header::IF_MATCH, header::IF_NONE_MATCH, header::IF_UNMODIFIED_SINCE]
        .iter()
        .any(|condition| request.headers().contains_key(condition));
    match *request.method() {
        Method::GET | Method::HEAD | Method::OPTIONS => true,
        Method::PUT => !is_conditional,
        _ => false,
    }
}

/// What [`forward`] would write down if the first instance took the request.
pub(super) fn expected(proxy: &Pool, instances: Vec<Instance>) -> Vec<Replica> {
    let candidates = replicas::candidates(instances, |instance| proxy.standing(instance));
    let mut replicas: Vec<Replica> = candidates.iter().map(waiting).collect();
    let first = candidates.iter().zip(&mut replicas).find(|(candidate, _)| candidate.is_asked());
    if let Some((_, replica)) = first {
        replica.verdict = Verdict::Chosen { because: chosen_because(false) };
    }
    replicas
}

fn waiting(candidate: &Candidate) -> Replica {
    let Candidate { instance, standing } = candidate;
    let verdict = match standing {
        Standing::Well => Verdict::NotNeeded {
            because: "one before it in rendezvous order was sent the request".to_owned(),
        },
        Standing::Stalled => Verdict::NotNeeded {
            because: "it holds requests and is silent: others come before it".to_owned(),
        },
        Standing::Ejected => {
            Verdict::Failed { because: "it is left alone, after requests that it did not answer".to_owned() }
        }
    };
    Replica { node: instance.node, service: instance.service, version: instance.version.clone(), verdict }
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
    head.headers.remove(header::HOST);
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
