//! Randomness from the operating system, as hexadecimal text.

use std::fmt::Write as _;

/// `bytes` random bytes as lower-case hexadecimal, or `None` where the system gives none.
pub(crate) fn hex(bytes: usize) -> Option<String> {
    let mut buffer = vec![0; bytes];
    getrandom::fill(&mut buffer).ok()?;
    Some(buffer.iter().fold(String::with_capacity(2 * bytes), |mut text, byte| {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    }))
}
