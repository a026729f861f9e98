//! Talking to a core's HTTP API.

use std::time::Duration;

use anyhow::Context;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use crate::exit::{Class, Failure};

/// Long enough for a core that is starting, short enough for a person who waits.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A client of one core. Holds the administrator's token, if there is one, and never prints it.
pub(crate) struct Api {
    http: reqwest::Client,
    address: String,
    token: Option<String>,
}

/// What a core answers when it refuses (RFC 9457).
#[derive(Deserialize)]
struct Problem {
    #[serde(default)]
    title: String,
    #[serde(default)]
    detail: Option<String>,
}

impl Api {
    /// A client of the core at `address`, with the token in `GOSSAMER_TOKEN` or in the file that
    /// `GOSSAMER_TOKEN_FILE` names.
    pub(crate) fn new(address: &str) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .build()
            .context("cannot make an HTTP client")?;
        Ok(Self { http, address: address.trim_end_matches('/').to_owned(), token: token()? })
    }

    /// A request for `path`, which begins with a slash, with this client's credentials.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.address));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends `request`; any status but 2xx is a failure that says what the core said.
    pub(crate) async fn send(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        let response = request.send().await.map_err(|error| {
            let failure = Failure::new(Class::Unavailable, format!("cannot reach {}", self.address))
                .advise("Is a core running there? Start one with `gossamer dev`, or set --address.");
            anyhow::Error::new(error.without_url()).context(failure)
        })?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(refusal(response).await.into())
    }

    /// GETs `path` and reads the JSON of the answer.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let response = self.send(self.request(Method::GET, path)).await?;
        response.json().await.context("the core's answer is not JSON")
    }
}

async fn refusal(response: Response) -> Failure {
    let status = response.status();
    let class = match status {
        StatusCode::NOT_FOUND => Class::NotFound,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Class::Refused,
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => {
            Class::Unavailable
        }
        _ => Class::Failed,
    };
    let reason = match response.json::<Problem>().await {
        Ok(Problem { detail: Some(detail), .. }) => detail,
        Ok(Problem { title, .. }) if !title.is_empty() => title,
        Ok(_) | Err(_) => "the core gave no reason".to_owned(),
    };
    let failure = Failure::new(class, format!("{status}: {reason}"));
    match class {
        Class::Refused => failure.advise(
            "Give the administrator's token in GOSSAMER_TOKEN or GOSSAMER_TOKEN_FILE (<data>/admin.token).",
        ),
        Class::Failed | Class::NotFound | Class::Unavailable | Class::Ailing => failure,
    }
}

fn token() -> anyhow::Result<Option<String>> {
    if let Ok(token) = std::env::var("GOSSAMER_TOKEN") {
        return Ok(Some(token.trim().to_owned()));
    }
    let Ok(path) = std::env::var("GOSSAMER_TOKEN_FILE") else { return Ok(None) };
    let token =
        std::fs::read_to_string(&path).with_context(|| format!("cannot read the token file {path}"))?;
    Ok(Some(token.trim().to_owned()))
}
