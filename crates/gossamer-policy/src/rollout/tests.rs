//! Tests of the life of versions, under a clock that is only handed in.

use std::time::Duration;

use super::*;

fn start() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn version(text: &str) -> Version {
    text.parse().unwrap()
}

fn yum() -> PluginName {
    "yum".parse().unwrap()
}

fn both(active: &str) -> Versions {
    Versions { active: Some(version(active)), admitted: vec![version("1.0.0"), version("2.0.0")] }
}

fn ask(rollouts: &mut Rollouts, command: Command, active: &str, now: Instant) -> Vec<Output> {
    rollouts.handle(Input::Asked { plugin: yum(), command, versions: both(active) }, now)
}

fn canary(percent: u8, guard: Guard) -> Command {
    Command::Canary(Canary { version: version("2.0.0"), percent: percent.try_into().unwrap(), guard })
}

fn answer(rollouts: &mut Rollouts, by: &str, outcome: Outcome, now: Instant) -> Vec<Output> {
    rollouts.handle(Input::Answered { plugin: yum(), version: version(by), outcome }, now)
}

fn plan(rollouts: &Rollouts) -> Plan {
    rollouts.plans().get("yum").cloned().unwrap_or_default()
}

#[test]
fn a_pin_holds_until_it_is_released_and_can_be_undone() {
    let (mut rollouts, now) = (Rollouts::default(), start());
    assert_eq!(ask(&mut rollouts, Command::Pin(version("1.0.0")), "2.0.0", now), [Output::Planned(yum())]);
    assert_eq!(plan(&rollouts).pin, Some(version("1.0.0")));
    assert_eq!(ask(&mut rollouts, Command::Pin(version("1.0.0")), "1.0.0", now), []);
    let back = Command::Rollback { reason: String::new() };
    ask(&mut rollouts, back.clone(), "1.0.0", now);
    assert_eq!(plan(&rollouts).pin, Some(version("2.0.0")));
    ask(&mut rollouts, Command::Unpin, "2.0.0", now);
    assert_eq!(plan(&rollouts).pin, None);
    let refused = ask(&mut rollouts, Command::Pin(version("3.0.0")), "2.0.0", now);
    assert_eq!(refused, [Output::Refused(Unwanted::NotAdmitted(version("3.0.0")))]);
}

#[test]
fn a_canary_needs_another_version_to_be_compared_with() {
    let (mut rollouts, now) = (Rollouts::default(), start());
    let refused = ask(&mut rollouts, canary(10, Guard::default()), "2.0.0", now);
    assert_eq!(refused, [Output::Refused(Unwanted::IsActive(version("2.0.0")))]);
    let refused = ask(&mut rollouts, Command::Promote, "1.0.0", now);
    assert_eq!(refused, [Output::Refused(Unwanted::NoCanary)]);
    let refused = ask(&mut rollouts, Command::Rollback { reason: String::new() }, "1.0.0", now);
    assert_eq!(refused, [Output::Refused(Unwanted::NowhereToGo)]);
}

#[test]
fn a_promoted_canary_is_followed_and_leaves_a_way_back() {
    let (mut rollouts, now) = (Rollouts::default(), start());
    ask(&mut rollouts, Command::Shadow(version("2.0.0")), "1.0.0", now);
    ask(&mut rollouts, canary(10, Guard::default()), "1.0.0", now);
    assert_eq!(plan(&rollouts).pin, Some(version("1.0.0")), "nothing else takes over meanwhile");
    let outputs = ask(&mut rollouts, Command::Promote, "1.0.0", now);
    assert!(matches!(outputs.as_slice(), [Output::Ended { .. }, Output::Planned(_)]), "{outputs:?}");
    let promoted = plan(&rollouts);
    assert_eq!((promoted.pin, promoted.canary, promoted.shadow), (Some(version("2.0.0")), None, None));
    ask(&mut rollouts, Command::Rollback { reason: String::new() }, "2.0.0", now);
    assert_eq!(plan(&rollouts).pin, Some(version("1.0.0")));
}

#[test]
fn a_canary_that_fails_goes_back_by_itself() {
    for bad in [Outcome::EvaluationFailed, Outcome::ServerError] {
        let (mut rollouts, now) = (Rollouts::default(), start());
        ask(&mut rollouts, canary(10, Guard::default()), "1.0.0", now);
        let mut ended = Vec::new();
        for number in 0..40_u64 {
            let now = now + Duration::from_millis(number * 100);
            assert_eq!(answer(&mut rollouts, "1.0.0", Outcome::Good, now), []);
            let outcome = if number % 4 == 3 { bad } else { Outcome::Good };
            ended = answer(&mut rollouts, "2.0.0", outcome, now);
            if !ended.is_empty() {
                assert!(number >= 19, "too few requests to say: {number}");
                break;
            }
        }
        let [Output::Ended { ended, .. }, Output::Planned(_)] = ended.as_slice() else { panic!("{ended:?}") };
        assert_eq!((ended.verdict, &ended.version), (Verdict::RolledBack, &version("2.0.0")));
        assert!(ended.reason.starts_with("5 of 20"), "{}", ended.reason);
        assert_eq!((plan(&rollouts).pin, plan(&rollouts).canary), (Some(version("1.0.0")), None));
    }
}

#[test]
fn what_fails_for_both_versions_ends_no_canary() {
    let (mut rollouts, now) = (Rollouts::default(), start());
    ask(&mut rollouts, canary(10, Guard::default()), "1.0.0", now);
    for _ in 0..1000 {
        assert_eq!(answer(&mut rollouts, "1.0.0", Outcome::ServerError, now), []);
        assert_eq!(answer(&mut rollouts, "2.0.0", Outcome::ServerError, now), []);
    }
}

#[test]
fn old_failures_are_forgotten() {
    let guard = Guard { window_ms: 1000, requests_min: 10, ..Guard::default() };
    let (mut rollouts, now) = (Rollouts::default(), start());
    ask(&mut rollouts, canary(10, guard), "1.0.0", now);
    for number in 0..100_u64 {
        // One failure a second, and nine good requests: never ten requests in a window with it in them.
        let now = now + Duration::from_secs(2 * number);
        assert_eq!(answer(&mut rollouts, "2.0.0", Outcome::ServerError, now), []);
        for _ in 0..8 {
            answer(&mut rollouts, "2.0.0", Outcome::Good, now);
        }
        assert_eq!(rollouts.handle(Input::Tick, now), []);
    }
}

#[test]
fn a_canary_that_does_well_is_promoted_when_it_was_asked_for() {
    let guard = Guard { promote_after_ms: Some(10_000), ..Guard::default() };
    let (mut rollouts, now) = (Rollouts::default(), start());
    ask(&mut rollouts, canary(10, guard), "1.0.0", now);
    assert_eq!(rollouts.handle(Input::Tick, now + Duration::from_secs(11)), [], "nobody has asked it");
    for _ in 0..20 {
        answer(&mut rollouts, "2.0.0", Outcome::Good, now + Duration::from_secs(5));
    }
    assert_eq!(rollouts.handle(Input::Tick, now + Duration::from_secs(9)), []);
    let ended = rollouts.handle(Input::Tick, now + Duration::from_secs(10));
    assert!(matches!(ended.as_slice(), [Output::Ended { .. }, Output::Planned(_)]), "{ended:?}");
    assert_eq!(plan(&rollouts).pin, Some(version("2.0.0")));
}

#[test]
fn plans_survive_being_written_down() {
    let (mut rollouts, now) = (Rollouts::default(), start());
    ask(&mut rollouts, canary(25, Guard::default()), "1.0.0", now);
    let text = serde_json::to_string(rollouts.plans()).unwrap();
    let mut again = Rollouts::resume(serde_json::from_str(&text).unwrap(), now);
    assert_eq!(again.plans(), rollouts.plans());
    for _ in 0..20 {
        answer(&mut again, "2.0.0", Outcome::ServerError, now);
    }
    assert_eq!(plan(&again).canary, None, "the guard goes on");
}

#[test]
fn a_slice_is_as_large_as_asked_and_only_grows() {
    let share = |percent: u8| {
        let percent: Percent = percent.try_into().unwrap();
        (0..10_000)
            .filter(|number| is_in_slice(&yum(), &format!("artifacts/yum/{number}"), percent))
            .collect::<std::collections::BTreeSet<_>>()
    };
    let (ten, quarter, all) = (share(10), share(25), share(100));
    assert!((800..1200).contains(&ten.len()) && (2200..2800).contains(&quarter.len()));
    assert!(ten.is_subset(&quarter));
    assert_eq!(all.len(), 10_000);
    assert!(Percent::try_from(0).is_err() && Percent::try_from(101).is_err());
}

/// Random lives: whatever is asked and whatever fails, a plan never follows what was not admitted, and a canary
/// whose evaluations all fail never outlives its window.
#[test]
fn no_life_ends_with_a_version_that_nobody_admitted() {
    for seed in 0..256_u64 {
        let (mut rollouts, mut now, mut dice) = (Rollouts::default(), start(), seed);
        let mut active = version("1.0.0");
        for _ in 0..200 {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let chosen = version(if dice >> 40 & 1 == 0 { "1.0.0" } else { "2.0.0" });
            let command = match dice >> 33 & 7 {
                0 => Command::Pin(chosen),
                1 => Command::Unpin,
                2 => Command::Shadow(chosen),
                3 => Command::Promote,
                4 => Command::Rollback { reason: "chance".to_owned() },
                _ => canary(10, Guard::default()),
            };
            ask(&mut rollouts, command, &active.to_string(), now);
            let plan = plan(&rollouts);
            active = plan.pin.clone().unwrap_or_else(|| version("2.0.0"));
            let named = plan.pin.iter().chain(&plan.previous).chain(&plan.shadow);
            assert!(named.clone().all(|named| both("1.0.0").admitted.contains(named)), "seed {seed}");
            if let Some(canary) = &plan.canary {
                assert_ne!(Some(&canary.version), plan.pin.as_ref(), "seed {seed}");
            }
            now += Duration::from_millis(dice >> 50 & 1023);
            for _ in 0..dice >> 45 & 31 {
                answer(&mut rollouts, "2.0.0", Outcome::EvaluationFailed, now);
            }
            if let Some((tally, _)) = rollouts.tallies(&yum(), now) {
                assert!(tally.requests < 20, "seed {seed}: {tally:?}");
            }
        }
    }
}
