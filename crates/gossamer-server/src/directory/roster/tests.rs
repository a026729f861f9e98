//! Tests of the way from a hint to an admitted plugin. Policies are plain words here.

use super::*;

mod orders;

const SECOND: Duration = Duration::from_secs(1);

fn start() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn announce(node: u8, version: &str, module: &str) -> Announcement {
    Announcement {
        node: NodeId::from_bytes([node; 16]),
        generation: Generation::new(1),
        plugin: "yum".parse().unwrap(),
        version: version.parse().unwrap(),
        media_types: Vec::new(),
        kinds: Vec::new(),
        service: "127.0.0.1:1".parse().unwrap(),
        policy: Policy { module: module.to_owned(), data: String::new() },
    }
}

/// A roster that begins at an instant that stands for the first second of 1970.
fn roster(pins: BTreeMap<PluginName, Version>) -> Roster<String> {
    Roster::new(pins, Clock { at: start(), since: Since::from_millis(1_000) })
}

fn hint(announcement: &Announcement) -> Hint {
    Hint { node: announcement.node, plugin: announcement.plugin.clone(), announcement: announcement.digest() }
}

/// Hears of exactly these, pulls them, and has their policies judged by what they say of themselves.
fn settle(roster: &mut Roster<String>, announcements: &[&Announcement], now: Instant) {
    let hints = announcements.iter().map(|announcement| hint(announcement)).collect();
    let outputs = roster.handle(Input::Hints(hints), now);
    answer(roster, outputs, announcements, now);
}

/// Does what the roster says, until there is nothing more to do.
fn answer(
    roster: &mut Roster<String>,
    mut outputs: Vec<Output>,
    announcements: &[&Announcement],
    now: Instant,
) {
    while let Some(output) = outputs.pop() {
        let input = match output {
            Output::Pull(hint) => {
                let found = announcements.iter().find(|one| one.digest() == hint.announcement).unwrap();
                Input::Pulled(hint, Ok(Arc::new(Announcement::clone(found))))
            }
            Output::Judge(digest, policy) if policy.module == "bad" => {
                Input::Judged(digest, Err("it is bad".to_owned()))
            }
            Output::Judge(digest, policy) => Input::Judged(digest, Ok(policy.module)),
            Output::Changed => continue,
        };
        outputs.extend(roster.handle(input, now));
    }
}

fn kept(since_ms: u64, announcement: &Announcement) -> Kept {
    Kept { since: Since::from_millis(since_ms), announcement: Arc::new(announcement.clone()) }
}

fn offer(roster: &mut Roster<String>, kept: Kept) {
    let outputs = roster.handle(Input::Offered(vec![kept]), start());
    answer(roster, outputs, &[], start());
}

fn yum(roster: &Roster<String>) -> Plugin<String> {
    roster.plugins().remove("yum").unwrap()
}

fn candidates(roster: &Roster<String>) -> Vec<String> {
    yum(roster).candidates.iter().map(|active| active.policy.clone()).collect()
}

#[test]
fn an_announcement_is_pulled_once_and_its_policy_judged_once() {
    let mut roster = roster(BTreeMap::new());
    let (one, other) = (announce(1, "1.0.0", "same"), announce(2, "1.0.0", "same"));
    let hints = BTreeSet::from([hint(&one), hint(&other)]);
    let outputs = roster.handle(Input::Hints(hints.clone()), start());
    assert_eq!(outputs.iter().filter(|output| matches!(output, Output::Pull(_))).count(), 2);
    assert_eq!(roster.handle(Input::Hints(hints), start()), []);
    let first = roster.handle(Input::Pulled(hint(&one), Ok(Arc::new(one))), start());
    assert!(matches!(first.as_slice(), [Output::Judge(..), Output::Changed]));
    let second = roster.handle(Input::Pulled(hint(&other), Ok(Arc::new(other))), start());
    assert_eq!(second, [Output::Changed]);
}

#[test]
fn a_plugin_that_goes_leaves_its_policy() {
    let mut roster = roster(BTreeMap::new());
    settle(&mut roster, &[&announce(1, "1.0.0", "router")], start());
    settle(&mut roster, &[], start());
    assert_eq!(candidates(&roster), ["router"]);
    assert!(yum(&roster).announced.is_empty());
}

#[test]
fn a_refused_policy_leaves_the_last_good_one_and_says_why() {
    let mut roster = roster(BTreeMap::new());
    settle(&mut roster, &[&announce(1, "1.0.0", "good")], start());
    settle(&mut roster, &[&announce(1, "2.0.0", "bad")], start());
    assert_eq!(candidates(&roster), ["good"]);
    let standings: Vec<_> =
        yum(&roster).announced.into_values().map(|announced| announced.standing).collect();
    assert_eq!(standings, [Standing::Refused { reason: "it is bad".to_owned() }]);
}

#[test]
fn a_downgrade_takes_effect_when_the_newer_version_is_gone() {
    let mut roster = roster(BTreeMap::new());
    let (old, new) = (announce(1, "1.0.0", "old"), announce(2, "2.0.0", "new"));
    settle(&mut roster, &[&old, &new], start());
    assert_eq!(roster.last_good().next().unwrap().announcement.version, "2.0.0".parse().unwrap());
    settle(&mut roster, &[&old], start());
    assert_eq!(roster.last_good().next().unwrap().announcement.version, "1.0.0".parse().unwrap());
}

#[test]
fn a_pinned_version_is_the_one_that_survives() {
    let pins = BTreeMap::from([("yum".parse().unwrap(), "1.0.0".parse().unwrap())]);
    let mut roster = roster(pins);
    settle(&mut roster, &[&announce(1, "1.0.0", "old"), &announce(2, "2.0.0", "new")], start());
    settle(&mut roster, &[], start());
    assert_eq!(candidates(&roster), ["old"]);
}

#[test]
fn who_does_not_answer_is_asked_again_later_and_later() {
    let mut roster = roster(BTreeMap::new());
    let announcement = announce(1, "1.0.0", "router");
    let mut now = start();
    roster.handle(Input::Hints(BTreeSet::from([hint(&announcement)])), now);
    let mut pauses = Vec::new();
    for _ in 0..12 {
        let failure = PullFailure::Unanswered("away".to_owned());
        roster.handle(Input::Pulled(hint(&announcement), Err(failure)), now);
        let deadline = roster.deadline().unwrap();
        assert_eq!(roster.handle(Input::Tick, now), []);
        pauses.push(deadline - now);
        now = deadline;
        assert_eq!(roster.handle(Input::Tick, now), [Output::Pull(hint(&announcement))]);
    }
    assert!(pauses.is_sorted());
    assert_eq!((pauses[0], pauses[11]), (SECOND / 10, SECOND * 10));
}

#[test]
fn who_lies_is_not_asked_again() {
    let mut roster = roster(BTreeMap::new());
    let announcement = announce(1, "1.0.0", "router");
    roster.handle(Input::Hints(BTreeSet::from([hint(&announcement)])), start());
    let failure = PullFailure::Unacceptable("no grant".to_owned());
    roster.handle(Input::Pulled(hint(&announcement), Err(failure)), start());
    assert_eq!(roster.deadline(), None);
    assert_eq!(
        yum(&roster).announced.into_values().next().unwrap().standing,
        Standing::Refused { reason: "no grant".to_owned() }
    );
}

#[test]
fn an_answer_about_somebody_who_left_is_ignored() {
    let mut roster = roster(BTreeMap::new());
    let announcement = announce(1, "1.0.0", "router");
    roster.handle(Input::Hints(BTreeSet::from([hint(&announcement)])), start());
    roster.handle(Input::Hints(BTreeSet::new()), start());
    assert_eq!(roster.handle(Input::Pulled(hint(&announcement), Ok(Arc::new(announcement))), start()), []);
}

#[test]
fn what_the_disk_remembers_routes_until_somebody_announces() {
    let mut roster = roster(BTreeMap::new());
    let remembered = announce(1, "1.0.0", "remembered");
    let outputs = roster.handle(Input::Offered(vec![kept(1, &remembered)]), start());
    let [Output::Judge(digest, _), Output::Changed] = outputs.as_slice() else { panic!("{outputs:?}") };
    assert!(roster.plugins().is_empty());
    roster.handle(Input::Judged(*digest, Ok("remembered".to_owned())), start());
    assert_eq!(candidates(&roster), ["remembered"]);
    settle(&mut roster, &[&announce(2, "0.9.0", "alive")], start());
    assert_eq!(candidates(&roster), ["alive"]);
}

#[test]
fn of_what_is_remembered_of_an_absent_plugin_the_latest_counts_whoever_speaks_first() {
    let (old, new) = (announce(1, "2.0.0", "old"), announce(2, "1.0.0", "new"));
    for order in [[kept(1, &old), kept(2, &new)], [kept(2, &new), kept(1, &old)]] {
        let mut roster = roster(BTreeMap::new());
        for kept in order {
            offer(&mut roster, kept);
        }
        assert_eq!(candidates(&roster), ["new"]);
    }
}

#[test]
fn a_plugin_that_is_present_is_not_routed_by_what_others_remember() {
    let mut roster = roster(BTreeMap::new());
    settle(&mut roster, &[&announce(1, "1.0.0", "alive")], start());
    offer(&mut roster, kept(u64::MAX, &announce(2, "9.0.0", "remembered")));
    assert_eq!(candidates(&roster), ["alive"]);
    settle(&mut roster, &[], start());
    assert_eq!(candidates(&roster), ["alive"]);
}

#[test]
fn a_refused_policy_is_not_taken_from_others_either() {
    let mut roster = roster(BTreeMap::new());
    offer(&mut roster, kept(1, &announce(1, "1.0.0", "good")));
    offer(&mut roster, kept(2, &announce(1, "2.0.0", "bad")));
    assert_eq!(candidates(&roster), ["good"]);
}

#[test]
fn what_is_routed_by_now_is_later_than_whatever_was_before() {
    let mut roster = roster(BTreeMap::new());
    offer(&mut roster, kept(9_999_999, &announce(1, "1.0.0", "from a clock that was fast")));
    settle(&mut roster, &[&announce(2, "1.0.0", "alive")], start());
    let kept = roster.last_good().next().unwrap();
    assert_eq!(kept.announcement.policy.module, "alive");
    assert_eq!(kept.since, Since::from_millis(10_000_000));
}
