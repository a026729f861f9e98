//! The order in which lanes get their turns.

use std::time::{Duration, Instant};

use gossamer_oci::RepositoryName;

use super::{RETRY_FIRST, RETRY_MAX, Schedule, Turn, backoff};

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn name(text: &str) -> RepositoryName {
    text.parse().unwrap()
}

#[test]
fn a_lane_runs_once_at_a_time_and_again_if_woken_meanwhile() {
    let (mut schedule, now) = (Schedule::default(), now());
    schedule.wake(name("a"));
    schedule.wake(name("a"));
    assert_eq!(schedule.start_next(8), Some(name("a")));
    assert_eq!(schedule.start_next(8), None);
    schedule.wake(name("a"));
    assert_eq!(schedule.start_next(8), None);
    schedule.finished(name("a"), Turn::Done, now);
    assert_eq!(schedule.start_next(8), Some(name("a")));
    schedule.finished(name("a"), Turn::Done, now);
    assert_eq!(schedule.start_next(8), None);
    assert!(schedule.lanes.is_empty());
}

#[test]
fn a_busy_lane_goes_to_the_back_and_the_limit_holds() {
    let (mut schedule, now) = (Schedule::default(), now());
    for repository in ["a", "b", "c"] {
        schedule.wake(name(repository));
    }
    assert_eq!(schedule.start_next(2), Some(name("a")));
    assert_eq!(schedule.start_next(2), Some(name("b")));
    assert_eq!(schedule.start_next(2), None);
    schedule.finished(name("a"), Turn::More, now);
    assert_eq!(schedule.start_next(2), Some(name("c")));
    schedule.finished(name("b"), Turn::Done, now);
    assert_eq!(schedule.start_next(2), Some(name("a")));
}

#[test]
fn a_lane_that_retries_sleeps_while_others_run() {
    let (mut schedule, now) = (Schedule::default(), now());
    schedule.wake(name("a"));
    schedule.start_next(1);
    schedule.finished(name("a"), Turn::Retry { after: None, progress: false }, now);
    schedule.wake(name("a"));
    schedule.wake(name("b"));
    assert_eq!(schedule.start_next(1), Some(name("b")));
    schedule.finished(name("b"), Turn::Done, now);
    schedule.expire(now);
    assert_eq!(schedule.start_next(1), None);
    assert_eq!(schedule.deadline(), Some(now + RETRY_FIRST));
    schedule.expire(now + RETRY_FIRST);
    assert_eq!(schedule.start_next(1), Some(name("a")));
}

#[test]
fn waits_double_up_to_a_bound() {
    assert_eq!(backoff(1), RETRY_FIRST);
    assert_eq!(backoff(3), RETRY_FIRST * 4);
    assert_eq!(backoff(u32::MAX), RETRY_MAX);
    assert!(RETRY_FIRST < Duration::from_secs(1));
}
