//! When a policy rests, and for how long.

use super::*;

fn start() -> Instant {
    crate::clock::now()
}

#[test]
fn two_strikes_are_forgiven_and_the_third_is_not() {
    let (mut strikes, now) = (Strikes::none(), start());
    assert_eq!(strikes.strike(now), None);
    assert_eq!(strikes.strike(now), None);
    assert_eq!(strikes.resting(now), None);
    assert_eq!(strikes.strike(now), Some(REST_MIN));
    assert_eq!(strikes.resting(now), Some(REST_MIN));
    assert_eq!(strikes.resting(now + REST_MIN), None);
}

#[test]
fn old_strikes_do_not_count() {
    let (mut strikes, now) = (Strikes::none(), start());
    for minute in 0..10 {
        assert_eq!(strikes.strike(now + 2 * WINDOW * minute), None);
    }
}

#[test]
fn a_policy_that_goes_on_rests_twice_as_long_each_time() {
    let (mut strikes, mut now) = (Strikes::none(), start());
    let mut rests = Vec::new();
    for _ in 0..10 {
        let rest = (0..STRIKES_MAX).find_map(|_| strikes.strike(now)).unwrap();
        rests.push(rest.as_secs());
        now += rest;
    }
    assert_eq!(rests, [10, 20, 40, 80, 160, 320, 600, 600, 600, 600]);
    assert_eq!((0..STRIKES_MAX).find_map(|_| strikes.strike(now + 3 * REST_MAX)), Some(REST_MIN));
}
