//! The names of decisions.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Serialize, Serializer};

/// Hexadecimal digits: short enough to be read aloud, long enough that no two of the decisions kept are alike.
const DIGITS: usize = 12;

/// Numbers below this name a place among those that are handed out in turn; the rest of the number is scrambled.
const TURNS: u64 = 16;

/// The scrambled part.
const HIGH_MASK: u64 = (1 << 44) - 1;

/// Odd, so that multiplying by it modulo a power of two loses nothing (the golden ratio's digits).
const SCRAMBLE: u64 = 0x9e37_79b9_7f4a_7c15 & HIGH_MASK;

/// The name of one decision: 12 hexadecimal digits. Unique in one life of a core, and hardly ever again in another.
///
/// Not a secret: to ask about a decision takes an administrator.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct DecisionId([u8; DIGITS]);

/// The text is the name of no decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a decision's id has 12 hexadecimal digits")]
pub struct InvalidDecisionId;

static ISSUED: AtomicU64 = AtomicU64::new(0);
static KEY: OnceLock<u64> = OnceLock::new();

// === impl DecisionId ===

impl DecisionId {
    /// The next id. Costs no call into the system.
    pub fn next() -> Self {
        let key = *KEY.get_or_init(random_key);
        let count = ISSUED.fetch_add(1, Ordering::Relaxed);
        let high = ((count / TURNS).wrapping_mul(SCRAMBLE) & HIGH_MASK) ^ (key & HIGH_MASK);
        Self::of(high * TURNS + count % TURNS)
    }

    fn of(number: u64) -> Self {
        const HEX: [u8; 16] = *b"0123456789abcdef";
        let mut text = [b'0'; DIGITS];
        for (place, digit) in text.iter_mut().rev().enumerate() {
            let nibble = usize::try_from((number >> (4 * place)) & 0xf).unwrap_or(0);
            *digit = HEX.get(nibble).copied().unwrap_or(b'0');
        }
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default() // ASCII only
    }

    /// Ids come in turn through so many places.
    pub(super) const PLACES: usize = TURNS as usize;

    /// This id's place, below [`Self::PLACES`].
    pub(super) fn place(&self) -> usize {
        usize::from(self.nibble(DIGITS - 1))
    }

    /// A number from 0 up to 1 that is spread evenly over ids.
    pub(super) fn fraction(&self) -> f64 {
        let sum = (0..8).fold(0.0, |sum, at| sum * 16.0 + f64::from(self.nibble(at)));
        sum / f64::from(1_u32 << 16) / f64::from(1_u32 << 16)
    }

    fn nibble(&self, at: usize) -> u8 {
        let digit = self.0.get(at).map_or(0, |digit| char::from(*digit).to_digit(16).unwrap_or(0));
        u8::try_from(digit).unwrap_or(0)
    }
}

/// Without randomness, which no supported system runs out of, ids of two lives may be alike.
fn random_key() -> u64 {
    let mut bytes = [0; 8];
    if getrandom::fill(&mut bytes).is_err() {
        return 0;
    }
    u64::from_le_bytes(bytes)
}

impl FromStr for DecisionId {
    type Err = InvalidDecisionId;

    fn from_str(text: &str) -> Result<Self, InvalidDecisionId> {
        let bytes: [u8; DIGITS] = text.as_bytes().try_into().map_err(|_| InvalidDecisionId)?;
        let is_hex = bytes.iter().all(u8::is_ascii_hexdigit);
        is_hex.then(|| Self(bytes.map(|byte| byte.to_ascii_lowercase()))).ok_or(InvalidDecisionId)
    }
}

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for DecisionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
