//! What raises and lowers the score, and what a storm is.

use super::*;

fn node(index: u8) -> NodeId {
    NodeId::from_bytes([index; 16])
}

#[test]
fn one_member_that_misses_again_and_again_says_nothing_of_us() {
    let mut health = Health::default();
    (0..9).for_each(|_| health.missed(node(1)));
    assert_eq!(health.score(), 0);
    health.missed(node(2));
    health.missed(node(1));
    assert_eq!(health.score(), 2);
    health.answered();
    assert_eq!(health.score(), 1);
}

#[test]
fn an_accusation_counts_once_and_the_score_has_an_end() {
    let mut health = Health::default();
    let me = Presence::new(node(1), ([10, 0, 0, 1], 7_946).into(), 1);
    (0..5).for_each(|_| health.accused(me, 3));
    assert_eq!(health.score(), 1);
    (4..40).for_each(|incarnation| health.accused(me, incarnation));
    assert_eq!(health.score(), SCORE_MAX);
    assert!((health.factor() - 3.0).abs() < f64::EPSILON);
}

#[test]
fn many_at_once_are_a_storm_and_a_few_are_none() {
    let begin = crate::shell::now();
    let calm = |storm: &Storm, now| (storm.factor(now) - 1.0).abs() < f64::EPSILON;
    let mut storm = Storm::new(begin);
    storm.came(STORM_JOINS - 1, begin);
    assert!(calm(&storm, begin));
    storm.came(1, begin + UNREST * 2); // in another window
    assert!(calm(&storm, begin + UNREST * 2));
    storm.came(STORM_JOINS, begin + UNREST * 2);
    assert!(!calm(&storm, begin + UNREST * 2));
    assert!(calm(&storm, begin + UNREST * 3));
}
