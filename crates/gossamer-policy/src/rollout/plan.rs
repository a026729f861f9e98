//! What operators want of the versions of one plugin.

use semver::Version;
use serde::{Deserialize, Serialize};

use super::guard::Guard;
use super::slice::Percent;
use super::{Command, Versions};

/// The plan of one plugin. Kept on disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Plan {
    /// The version to follow; none for the newest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pin: Option<Version>,
    /// The version that was followed before, where a rollback goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<Version>,
    /// Evaluated beside the active version; decides nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Version>,
    /// Decides for a slice of the repositories.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
    /// How the last canary ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
}

/// A version that decides for a slice of the repositories.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Canary {
    pub version: Version,
    pub percent: Percent,
    #[serde(default)]
    pub guard: Guard,
}

/// How a canary ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    pub version: Version,
    pub verdict: Verdict,
    /// Who or what ended it.
    pub reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Promoted,
    RolledBack,
}

/// Why an operator's wish cannot be met.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unwanted {
    #[error("version {0} is not admitted here")]
    NotAdmitted(Version),
    #[error("version {0} is the active one; pin the version to compare it with first")]
    IsActive(Version),
    #[error("no version is active, so that there is nothing to compare with")]
    NothingActive,
    #[error("there is no canary to promote")]
    NoCanary,
    #[error("there is neither a canary nor an earlier version to go back to")]
    NowhereToGo,
}

// === impl Plan ===

impl Plan {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The plan with `command` done.
    pub(super) fn change(mut self, command: Command, versions: &Versions) -> Result<Self, Unwanted> {
        match command {
            Command::Pin(version) => {
                admitted(&version, versions)?;
                // A pin decides for all: what was tried is over.
                self.canary = None;
                self.follow(version, versions.active.clone());
            }
            Command::Unpin => self.pin = None,
            Command::Shadow(version) => {
                beside(&version, versions)?;
                self.shadow = Some(version);
            }
            Command::Unshadow => self.shadow = None,
            Command::Canary(canary) => {
                // Nothing else may take over while the two are compared.
                let active = beside(&canary.version, versions)?.clone();
                self.pin = Some(active);
                self.canary = Some(canary);
                self.ended = None;
            }
            Command::Promote if self.canary.is_none() => return Err(Unwanted::NoCanary),
            Command::Promote => return Ok(self.promoted("an operator asked for it".to_owned())),
            Command::Rollback { reason } if self.canary.is_some() => return Ok(self.rolled_back(reason)),
            Command::Rollback { .. } => {
                let previous = self.previous.take().ok_or(Unwanted::NowhereToGo)?;
                self.follow(previous, versions.active.clone());
            }
        }
        Ok(self)
    }

    pub(super) fn promoted(mut self, reason: String) -> Self {
        if let Some(Canary { version, .. }) = self.canary.take() {
            let before = self.pin.take();
            self.follow(version.clone(), before);
            self.ended = Some(Ended { version, verdict: Verdict::Promoted, reason });
        }
        self
    }

    pub(super) fn rolled_back(mut self, reason: String) -> Self {
        if let Some(Canary { version, .. }) = self.canary.take() {
            self.ended = Some(Ended { version, verdict: Verdict::RolledBack, reason });
        }
        self
    }

    fn follow(&mut self, version: Version, before: Option<Version>) {
        if before.as_ref() != Some(&version) {
            self.previous = before;
        }
        self.shadow.take_if(|shadow| *shadow == version);
        self.pin = Some(version);
    }
}

fn admitted(version: &Version, versions: &Versions) -> Result<(), Unwanted> {
    if versions.admitted.contains(version) {
        return Ok(());
    }
    Err(Unwanted::NotAdmitted(version.clone()))
}

/// The active version, if `version` can be evaluated beside it.
fn beside<'a>(version: &Version, versions: &'a Versions) -> Result<&'a Version, Unwanted> {
    admitted(version, versions)?;
    match &versions.active {
        None => Err(Unwanted::NothingActive),
        Some(active) if active == version => Err(Unwanted::IsActive(version.clone())),
        Some(active) => Ok(active),
    }
}
