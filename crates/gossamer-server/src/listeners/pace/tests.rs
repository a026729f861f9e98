//! How long a slow sender is waited for.

use super::*;

/// Seconds for which a sender is heard that sends `bytes` every second, at most 600.
fn heard(bytes: u64) -> u64 {
    let mut pace = Pace::default();
    for second in 0..600 {
        if pace.left() <= Duration::from_secs(1) {
            return second;
        }
        pace.waited += Duration::from_secs(1);
        pace.bytes += bytes;
    }
    600
}

#[test]
fn a_byte_a_second_is_heard_for_little_longer_than_silence() {
    assert_eq!(heard(0), 19);
    assert_eq!(heard(1), 20);
}

#[test]
fn a_modem_may_take_all_the_time_it_needs() {
    assert_eq!(heard(3_000), 600);
    assert_eq!(heard(BYTES_PER_SECOND_MIN), 600);
}
