//! Who may run on the caller's thread.

use super::*;
use crate::PolicySource;

const SLOW: Duration = Duration::from_millis(50);
const QUICK: Duration = Duration::from_micros(50);

fn home(rules: &str) -> Home {
    let source = PolicySource::parse(Digest::sha256(b""), format!("package router\n{rules}"), "").unwrap();
    Home::new(source, Duration::from_secs(1)).unwrap()
}

#[test]
fn a_policy_that_is_slow_again_and_again_moves_to_the_threads_for_good() {
    let home = home("output := {}");
    assert!(home.is_quick());
    for _ in 0..2 {
        home.took(SLOW);
    }
    assert!(home.is_quick());
    home.took(SLOW);
    assert!(!home.is_quick());
}

#[test]
fn an_interruption_now_and_then_is_borne() {
    let home = home("output := {}");
    for number in 0..1000 {
        home.took(if number % 10 == 0 { SLOW } else { QUICK });
        assert!(home.is_quick());
    }
}

#[test]
fn a_long_chain_of_rules_never_runs_on_the_callers_stack() {
    let chain = |rules: usize| {
        let links: String = (2..rules).map(|rule| format!("r{rule} := r{}\n", rule - 1)).collect();
        format!("output := {{\"x\": r{}}}\nr1 := 1\n{links}", rules - 1)
    };
    assert!(home(&chain(DEPTH_MAX)).is_quick());
    assert!(!home(&chain(DEPTH_MAX + 1)).is_quick());
}
