//! What tells an event from every other one of its mesh.

use std::fmt;
use std::str::FromStr;

use crate::Sequence;

const LENGTH: usize = 16;

/// The random, stable name of one log of events: 16 bytes, written as 32 lower-case hex digits.
///
/// Cores that share a catalog share its log; each other core has a log of its own, and their sequences say nothing
/// about each other.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId([u8; LENGTH]);

/// The place of an event: a log, and a sequence in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    pub log: LogId,
    pub sequence: Sequence,
}

/// The text or the bytes are no name of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a log is named by 16 bytes, written as 32 lower-case hex digits")]
pub struct InvalidLogId;

// === impl LogId ===

impl LogId {
    /// The log of whoever does not say which: all zeros.
    pub const UNNAMED: Self = Self([0; LENGTH]);

    pub const fn from_bytes(bytes: [u8; LENGTH]) -> Self {
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; LENGTH] {
        &self.0
    }
}

impl TryFrom<&[u8]> for LogId {
    type Error = InvalidLogId;

    fn try_from(bytes: &[u8]) -> Result<Self, InvalidLogId> {
        bytes.try_into().map(Self).map_err(|_| InvalidLogId)
    }
}

impl FromStr for LogId {
    type Err = InvalidLogId;

    fn from_str(text: &str) -> Result<Self, InvalidLogId> {
        let is_written_so = |digit: u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 2 * LENGTH || !text.bytes().all(is_written_so) {
            return Err(InvalidLogId);
        }
        let number = u128::from_str_radix(text, 16).map_err(|_| InvalidLogId)?;
        Ok(Self(number.to_be_bytes()))
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogId({self})")
    }
}

// === impl Position ===

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.sequence, self.log)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_written_in_one_way() {
        let log = LogId::from_bytes([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255]);
        assert_eq!(log.to_string(), "000102030405060708090a0b0c0d0eff");
        assert_eq!(log.to_string().parse(), Ok(log));
        for wrong in ["", "00", "000102030405060708090A0B0C0D0EFF", "+00102030405060708090a0b0c0d0eff"] {
            assert_eq!(wrong.parse::<LogId>(), Err(InvalidLogId), "{wrong}");
        }
    }
}
