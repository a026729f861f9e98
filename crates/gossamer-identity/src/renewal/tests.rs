//! Renewal under a virtual clock: on time, under failure, and with clocks that are wrong.

use std::ops::ControlFlow;

use time::macros::datetime;

use super::*;

const NOON: OffsetDateTime = datetime!(2030-01-01 12:00 UTC);
const DAY: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);

/// Runs the core on a virtual clock from `now` until `visit` breaks; answers when that was.
fn run(
    renewal: &mut Renewal,
    mut now: OffsetDateTime,
    mut visit: impl FnMut(&mut Renewal, Step, OffsetDateTime) -> ControlFlow<()>,
) -> OffsetDateTime {
    for _ in 0..1_000_000 {
        match renewal.next(now) {
            Step::Wait(wait) => {
                assert!(!wait.is_zero() && wait <= WAIT_MAX.unsigned_abs(), "{wait:?}");
                now += wait;
            }
            step @ (Step::Renew | Step::Reattest | Step::Rejoin) => {
                if visit(renewal, step, now).is_break() {
                    return now;
                }
            }
        }
    }
    panic!("the core never came to an end");
}

fn first_renewal(renewal: &mut Renewal, from: OffsetDateTime) -> OffsetDateTime {
    run(renewal, from, |_, step, _| {
        assert_eq!(step, Step::Renew);
        ControlFlow::Break(())
    })
}

#[test]
fn a_certificate_is_renewed_at_half_life_or_a_little_before() {
    let validity = Validity::starting(NOON, DAY);
    let latest = first_renewal(&mut Renewal::received(validity, 0.0, NOON), NOON) - NOON;
    let earliest = first_renewal(&mut Renewal::received(validity, 1.0, NOON), NOON) - NOON;
    assert!((Duration::minutes(11 * 60 + 50)..=Duration::hours(12)).contains(&latest), "{latest}");
    assert!((Duration::minutes(9 * 60 + 30)..=Duration::hours(10)).contains(&earliest), "{earliest}");
}

#[test]
fn a_life_of_seconds_works_like_one_of_days() {
    let validity = Validity::starting(NOON, std::time::Duration::from_secs(20));
    let due = first_renewal(&mut Renewal::received(validity, 0.0, NOON), NOON) - NOON;
    assert!((Duration::seconds(7)..=Duration::seconds(11)).contains(&due), "{due}");
}

#[test]
fn a_stored_certificate_past_half_life_is_renewed_at_once() {
    let validity = Validity::starting(NOON, DAY);
    let renewal = Renewal::stored(validity, 0.0);
    assert_eq!(renewal.next(NOON + Duration::hours(13)), Step::Renew);
    assert!(matches!(renewal.next(NOON + Duration::hours(1)), Step::Wait(_)));
}

#[test]
fn failures_back_off_and_the_certificate_is_still_renewed_before_it_ends() {
    let validity = Validity::starting(NOON, DAY);
    let mut renewal = Renewal::received(validity, 0.0, NOON);
    let mut attempts = Vec::new();
    run(&mut renewal, NOON, |renewal, step, now| {
        if step != Step::Renew {
            return ControlFlow::Break(());
        }
        attempts.push(now);
        renewal.failed(now);
        ControlFlow::Continue(())
    });
    assert!((10..40).contains(&attempts.len()), "{} attempts", attempts.len());
    let gaps: Vec<Duration> = attempts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.is_sorted(), "the waits grow: {gaps:?}");
    assert!(gaps[0] >= Duration::minutes(5) && *gaps.last().unwrap() <= Duration::hours(2));
}

#[test]
fn an_issuer_that_comes_back_starts_a_new_life() {
    let mut renewal = Renewal::received(Validity::starting(NOON, DAY), 0.0, NOON);
    let mut failures = 3;
    let renewed_at = run(&mut renewal, NOON, |renewal, _, now| {
        if failures > 0 {
            failures -= 1;
            renewal.failed(now);
            return ControlFlow::Continue(());
        }
        renewal.renewed(Validity::starting(now, DAY), now);
        ControlFlow::Break(())
    });
    let next = first_renewal(&mut renewal, renewed_at);
    assert!((Duration::hours(11)..=Duration::hours(12)).contains(&(next - renewed_at)));
}

#[test]
fn an_ended_certificate_is_re_attested_inside_the_grace_window_and_then_given_up() {
    let validity = Validity::starting(NOON, DAY);
    let renewal = Renewal::stored(validity, 0.0);
    let end = validity.not_after;
    assert_eq!(renewal.next(end), Step::Renew);
    assert_eq!(renewal.next(end + Duration::SECOND), Step::Reattest);
    assert_eq!(renewal.next(end + GRACE), Step::Reattest);
    assert_eq!(renewal.next(end + GRACE + Duration::SECOND), Step::Rejoin);
}

#[test]
fn a_node_whose_clock_is_behind_renews_before_the_others_see_the_end() {
    for behind in [Duration::hours(1), Duration::hours(13), Duration::days(400)] {
        let own = NOON - behind;
        let mut renewal = Renewal::received(Validity::starting(NOON, DAY), 0.0, own);
        let waited = first_renewal(&mut renewal, own) - own;
        assert!(waited <= Duration::minutes(12 * 60 + 5), "{behind} behind, waited {waited}");
    }
}

#[test]
fn a_node_whose_clock_is_ahead_renews_early_but_never_in_a_storm() {
    for ahead in [Duration::hours(1), Duration::hours(20), Duration::days(400)] {
        let mut own = NOON + ahead;
        let mut renewal = Renewal::received(Validity::starting(NOON, DAY), 0.0, own);
        for _ in 0..10 {
            let renewed = run(&mut renewal, own, |_, _, _| ControlFlow::Break(()));
            assert!(renewed - own >= Duration::hours(2), "{ahead} ahead, waited {}", renewed - own);
            own = renewed;
            renewal.renewed(Validity::starting(own - ahead, DAY), own);
        }
    }
}

#[test]
fn a_machine_that_slept_renews_when_it_wakes() {
    let renewal = Renewal::received(Validity::starting(NOON, DAY), 0.0, NOON);
    assert_eq!(renewal.next(NOON + Duration::hours(23)), Step::Renew);
    assert_eq!(renewal.next(NOON + Duration::hours(25)), Step::Reattest);
}

#[test]
fn a_certificate_without_any_life_asks_no_more_than_once_a_second() {
    let validity = Validity { not_before: NOON, not_after: NOON };
    let mut renewal = Renewal::stored(validity, 0.5);
    assert_eq!(renewal.next(NOON), Step::Renew);
    renewal.failed(NOON);
    assert_eq!(renewal.next(NOON), Step::Wait(std::time::Duration::from_secs(1)));
}
