//! Which repositories a canary decides for: the same on every core, and more of the same when the share grows.

use gossamer_oci::{Digest, PluginName};
use serde::{Deserialize, Serialize};

/// A share of repositories: 1 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Percent(u8);

/// The number is no share of anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a share is 1 to 100 percent, not {0}")]
pub struct InvalidPercent(u8);

impl Percent {
    pub fn get(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for Percent {
    type Error = InvalidPercent;

    fn try_from(percent: u8) -> Result<Self, InvalidPercent> {
        if (1..=100).contains(&percent) { Ok(Self(percent)) } else { Err(InvalidPercent(percent)) }
    }
}

impl From<Percent> for u8 {
    fn from(percent: Percent) -> Self {
        percent.0
    }
}

/// Whether the repository `key` of `plugin` is in the slice. A repository stays in it as the share grows.
pub fn is_in_slice(plugin: &PluginName, key: &str, percent: Percent) -> bool {
    let digest = Digest::sha256(format!("{plugin}\0{key}").as_bytes());
    // 16 of 256 bits: the share is right to a thousandth of a percent.
    let place = digest.as_bytes().iter().take(2).fold(0_u32, |place, byte| place << 8 | u32::from(*byte));
    place * 100 < u32::from(percent.0) << 16
}
