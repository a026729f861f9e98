//! Tests of who is asked when, and of what is found to differ.

use super::*;

fn start() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn node(index: u8) -> NodeId {
    NodeId::from_bytes([index; 16])
}

fn digest(text: &str) -> Digest {
    Digest::sha256(text.as_bytes())
}

fn route(plugin: &str, version: &str, instances: u32) -> PluginRoute {
    PluginRoute {
        plugin: plugin.parse().unwrap(),
        version: version.parse().unwrap(),
        policy: digest(version),
        media_types: vec!["a/b".parse().unwrap()],
        instances,
    }
}

#[test]
fn cores_that_agree_or_have_only_begun_are_left_alone() {
    let mut agreement = Agreement::default();
    let others = [(node(1), Some(digest("same"))), (node(2), None)];
    agreement.observe(digest("same"), others.into_iter(), start());
    assert_eq!(agreement.deadline(start()), None);
    assert_eq!(agreement.measure(start()), (0, Duration::ZERO));
}

#[test]
fn a_core_that_differs_is_asked_less_and_less_often_until_it_agrees() {
    let mut agreement = Agreement::default();
    let began = start();
    let other = |text: &str| [(node(1), Some(digest(text)))].into_iter();
    agreement.observe(digest("own"), other("another"), began);
    assert_eq!(agreement.due(began), []);
    let mut asked = Vec::new();
    let mut now = began;
    while now < began + Duration::from_secs(120) {
        now = agreement.deadline(now).unwrap();
        agreement.observe(digest("own"), other("another"), now);
        asked.extend(agreement.due(now).iter().map(|_| now - began));
    }
    assert_eq!(asked[0], SETTLE);
    let pauses: Vec<_> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses.is_sorted(), "{pauses:?}");
    assert_eq!(pauses.last(), Some(&ASK_LONGEST));
    assert_eq!(agreement.measure(now), (1, now - began));
    agreement.observe(digest("own"), other("own"), now);
    assert_eq!(agreement.measure(now), (0, Duration::ZERO));
}

#[test]
fn news_on_either_side_is_asked_about_soon_but_the_disagreement_is_as_old_as_it_is() {
    let mut agreement = Agreement::default();
    let began = start();
    let other = |text: &str| [(node(1), Some(digest(text)))].into_iter();
    agreement.observe(digest("own"), other("another"), began);
    for (minutes, own, others) in [(1, "own", "a third"), (2, "a fourth", "a third")] {
        let later = began + Duration::from_secs(60 * minutes);
        assert_eq!(agreement.due(later), [node(1)]);
        agreement.observe(digest(own), other(others), later);
        assert_eq!(agreement.due(later + SETTLE), [node(1)]);
        assert_eq!(agreement.measure(later).1, later - began);
    }
}

#[test]
fn tables_differ_by_plugins_and_not_by_how_many_instances_each_core_sees() {
    let (yum, newer, files) =
        (route("yum", "1.0.0", 2), route("yum", "2.0.0", 2), route("static", "1.0.0", 1));
    assert_eq!(differences(std::slice::from_ref(&yum), &[route("yum", "1.0.0", 1)]), []);
    let found = differences(&[yum.clone(), files.clone()], std::slice::from_ref(&newer));
    let expected = [
        Difference { plugin: files.plugin.clone(), here: Some(Way::of(&files)), there: None },
        Difference { plugin: yum.plugin.clone(), here: Some(Way::of(&yum)), there: Some(Way::of(&newer)) },
    ];
    assert_eq!(found, expected);
}
