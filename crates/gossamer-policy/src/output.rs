//! A policy's output, Beskar's keys and ours, turned into a decision.

use gossamer_oci::Digest;
use regorus::Value;
use serde::{Deserialize, Serialize};

use crate::{Answer, Decision, EvalError, Lookup};

/// Longest text of an output, in bytes. Longer than any header that a client would accept.
const TEXT_BYTES_MAX: usize = 4096;

/// The status of a denial that names none: 403.
const DENIED: u16 = 403;

/// The output object, read key by key: a key that is missing or of the wrong type is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Output {
    repository: String,
    redirect_url: String,
    found: bool,
    /// Ours: `blob`, `forward`, `deny` or `not_found`; empty for Beskar's contract.
    action: String,
    digest: String,
    media_type: String,
    status: u16,
    reason: String,
    cache_control: String,
}

// === impl Output ===

impl Output {
    /// Reads the value of the output rule. Fails if it is not an object, or if a text is far too long.
    pub(crate) fn read(value: &Value) -> Result<Self, EvalError> {
        if *value == Value::Undefined {
            return Err(EvalError::Output("there is none".to_owned()));
        }
        let Ok(object) = value.as_object() else {
            return Err(EvalError::Output("it is not an object".to_owned()));
        };
        let mut output = Self::default();
        for (key, value) in object.iter() {
            if let Value::String(key) = key {
                output.set(key, value)?;
            }
        }
        Ok(output)
    }

    fn set(&mut self, key: &str, value: &Value) -> Result<(), EvalError> {
        let text = match key {
            "repository" => &mut self.repository,
            "redirect_url" => &mut self.redirect_url,
            "action" => &mut self.action,
            "digest" => &mut self.digest,
            "media_type" => &mut self.media_type,
            "reason" => &mut self.reason,
            "cache_control" => &mut self.cache_control,
            "found" => {
                self.found = *value == Value::Bool(true);
                return Ok(());
            }
            "status" => {
                self.status = value.as_u16().unwrap_or_default();
                return Ok(());
            }
            _ => return Ok(()),
        };
        match value {
            Value::String(value) if value.len() > TEXT_BYTES_MAX => {
                Err(EvalError::Output(format!("{key} has more than {TEXT_BYTES_MAX} bytes")))
            }
            Value::String(value) => {
                value.as_ref().clone_into(text);
                Ok(())
            }
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Set(_)
            | Value::Object(_)
            | Value::Undefined => Ok(()),
        }
    }

    /// The decision, given what the registry answered on the way to this output.
    pub(crate) fn decide(self, lookups: &[(Lookup, Answer)]) -> Result<Decision, EvalError> {
        match self.action.as_str() {
            "" if !self.found => Ok(Decision::NotFound { reason: self.reason }),
            "" if self.redirect_url.is_empty() => Ok(forward(self.repository)),
            "" => match blob_url(&self.redirect_url) {
                Some((repository, digest)) => self.blob(&repository, &digest, lookups),
                None => redirect(self.redirect_url),
            },
            "blob" if self.digest.is_empty() && self.redirect_url.is_empty() => {
                Ok(Decision::NotFound { reason: self.reason })
            }
            "blob" => match blob_url(&self.redirect_url) {
                Some((repository, digest)) => self.blob(&repository, &digest, lookups),
                None => self.blob(&self.repository, &self.digest, lookups),
            },
            "forward" => Ok(forward(self.repository)),
            "deny" => Ok(Decision::Deny { status: refusal(self.status), reason: self.reason }),
            "not_found" => Ok(Decision::NotFound { reason: self.reason }),
            other => Err(EvalError::Output(format!("there is no action {other:?}"))),
        }
    }

    fn blob(
        &self,
        repository: &str,
        digest: &str,
        lookups: &[(Lookup, Answer)],
    ) -> Result<Decision, EvalError> {
        let unusable = |what: String| EvalError::Output(what);
        let repository = repository.parse().map_err(|error| unusable(format!("{repository:?}: {error}")))?;
        let hex = digest.split_once(':').map_or(digest, |(_, hex)| hex);
        let found = lookups.iter().find_map(|(_, answer)| match answer {
            Answer::BlobDigest(Some(found)) if found.digest.hex() == hex => Some(found),
            Answer::BlobDigest(_) | Answer::Manifest(_) | Answer::Tags(_) => None,
        });
        // What was looked up is known exactly: policies get bare hex, and write `sha256:` before it whatever it is.
        let digest: Digest = match found {
            Some(found) => found.digest,
            None => digest.parse().map_err(|error| unusable(format!("{digest:?}: {error}")))?,
        };
        let declared = self.media_type.parse().ok();
        let media_type = declared.or_else(|| found.map(|found| found.media_type.clone()));
        let cache_control = Some(self.cache_control.clone()).filter(|text| is_header_value(text));
        Ok(Decision::Blob { repository, digest, media_type, cache_control })
    }
}

fn forward(repository: String) -> Decision {
    Decision::Forward { key: Some(repository).filter(|key| !key.is_empty()) }
}

fn redirect(location: String) -> Result<Decision, EvalError> {
    if is_header_value(&location) {
        Ok(Decision::Redirect { location })
    } else {
        Err(EvalError::Output("redirect_url is not visible ASCII".to_owned()))
    }
}

fn refusal(status: u16) -> u16 {
    if (400..=599).contains(&status) { status } else { DENIED }
}

/// Repository and digest of `/v2/<repository>/blobs/<digest>`.
fn blob_url(url: &str) -> Option<(String, String)> {
    let (repository, digest) = url.strip_prefix("/v2/")?.rsplit_once("/blobs/")?;
    Some((repository.to_owned(), digest.to_owned()))
}

fn is_header_value(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests;
