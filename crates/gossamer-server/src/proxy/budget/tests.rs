//! How many second attempts there are.

use std::time::Duration;

use super::*;

/// Any moment will do: only what passes from it counts.
fn moment() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn granted(budget: &mut Budget, now: Instant) -> usize {
    let grants = std::iter::repeat_with(|| budget.handle(Input::Retry, now));
    grants.take(1_000_000).take_while(|output| *output == Output::Granted).count()
}

#[test]
fn a_quiet_plugin_has_some_and_they_grow_back_with_time() {
    let now = moment();
    let mut budget = Budget::new(Config::default(), now);
    assert_eq!(granted(&mut budget, now), 10);
    assert_eq!(granted(&mut budget, now), 0);
    assert_eq!(granted(&mut budget, now + Duration::from_millis(500)), 5);
}

#[test]
fn a_busy_plugin_has_a_fifth_of_its_requests() {
    let now = moment();
    let mut budget = Budget::new(Config::default(), now);
    granted(&mut budget, now);
    for _ in 0..500 {
        budget.handle(Input::Request, now);
    }
    assert_eq!(granted(&mut budget, now), 100);
}

#[test]
fn a_long_quiet_does_not_pay_for_a_storm() {
    let now = moment();
    let mut budget = Budget::new(Config::default(), now);
    for _ in 0..1_000_000 {
        budget.handle(Input::Request, now);
    }
    assert_eq!(granted(&mut budget, now + Duration::from_secs(86_400)), 200);
}

#[test]
fn time_is_not_lost_in_small_pieces() {
    let mut now = moment();
    let mut budget = Budget::new(Config::default(), now);
    granted(&mut budget, now);
    for _ in 0..10_000 {
        now += Duration::from_micros(100);
        budget.handle(Input::Request, now);
    }
    // A second's worth, and a fifth of the requests.
    let most = 200;
    assert_eq!(granted(&mut budget, now), most);
}

#[test]
fn a_budget_of_nothing_grants_nothing() {
    let now = moment();
    let config = Config { percent: 0, per_second_min: 0, ..Config::default() };
    let mut budget = Budget::new(config, now);
    budget.handle(Input::Request, now);
    assert_eq!(granted(&mut budget, now + Duration::from_secs(60)), 0);
}
