//! `gossamer token`: one-time tokens by which nodes join.

use anyhow::Context;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::api::Api;
use crate::cli::{Output, Token, TokenCreate};
use crate::exit::{Class, Failure};
use crate::print;

pub(super) async fn run(command: Token, api: &Api, output: Output) -> anyhow::Result<()> {
    let Token::Create(TokenCreate { plugin, core: _, media_types, ttl }) = command;
    let answer = create(api, plugin.as_deref(), &media_types, seconds(&ttl)?).await?;
    match output {
        Output::Text => println!("{}", answer.token),
        Output::Json => print::json(&answer)?,
    }
    Ok(())
}

/// A token as the core hands it out, once.
#[derive(Deserialize, Serialize)]
pub(crate) struct Created {
    pub token: String,
    id: String,
    role: String,
    plugin: Option<String>,
    ttl_seconds: u64,
}

/// Asks the core for a token by which one instance of `plugin`, or else a further core, may join within
/// `ttl_seconds`.
pub(crate) async fn create(
    api: &Api,
    plugin: Option<&str>,
    media_types: &[String],
    ttl_seconds: u64,
) -> anyhow::Result<Created> {
    let body = json!({
        "plugin": plugin, "core": plugin.is_none(), "media_types": media_types, "ttl_seconds": ttl_seconds,
    });
    let response = api.send(api.request(Method::POST, "/api/v1/tokens").json(&body)).await?;
    response.json().await.context("the core's answer is not a token")
}

fn seconds(ttl: &str) -> Result<u64, Failure> {
    let invalid = || {
        Failure::new(Class::Failed, format!("{ttl:?} is not a duration"))
            .advise("Write a number and a unit: 90s, 15m, 2h or 1d.")
    };
    let (number, unit) = ttl.split_at_checked(ttl.len().saturating_sub(1)).ok_or_else(invalid)?;
    let scale = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(invalid()),
    };
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(scale)).ok_or_else(invalid)
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn durations_have_a_number_and_a_unit() {
        assert_eq!(seconds("90s").unwrap(), 90);
        assert_eq!(seconds("15m").unwrap(), 900);
        assert_eq!(seconds("1d").unwrap(), 86_400);
        for text in ["", "m", "15", "1w", "-1s", "é", "99999999999999999999d"] {
            assert!(seconds(text).is_err(), "{text:?} was accepted");
        }
    }
}
