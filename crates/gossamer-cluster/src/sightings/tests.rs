//! What reaches the core of what is seen.

use super::*;

#[test]
fn a_busy_member_is_told_of_a_few_times_a_second() {
    let (to_core, mut core) = mpsc::channel(SIGHTINGS_MAX);
    let sightings = Sightings::new(to_core);
    let (busy, other) = (NodeId::from_bytes([1; 16]), NodeId::from_bytes([2; 16]));
    let begin = crate::shell::now();
    for millisecond in 0..1_000 {
        sightings.add(busy, begin + Duration::from_millis(millisecond));
    }
    sightings.add(other, begin);
    let told: Vec<_> = std::iter::from_fn(|| core.try_recv().ok()).collect();
    assert_eq!(told, [busy, busy, busy, busy, other]);
}

#[test]
fn what_nobody_takes_up_is_dropped() {
    let (to_core, mut core) = mpsc::channel(1);
    let sightings = Sightings::new(to_core);
    let now = crate::shell::now();
    (0..200).for_each(|index| sightings.add(NodeId::from_bytes([index; 16]), now));
    assert!(core.try_recv().is_ok() && core.try_recv().is_err());
}
