//! Who gets in, who waits and who is sent away.

use std::time::Duration;

use super::*;

fn gates(requests_max: usize, queue_max: usize) -> Gates {
    let limits = Limits { requests_max, queue_max, ..Limits::default() };
    Gates::new(limits, BTreeMap::new(), budget::Config::default())
}

fn yum() -> PluginName {
    "yum".parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn beyond_the_limit_a_request_waits_for_another_one_to_end() {
    let gates = gates(1, 1);
    let first = gates.enter(&yum()).await.unwrap();
    let ends = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        drop(first);
    };
    let yum = yum();
    let (second, ()) = tokio::join!(gates.enter(&yum), ends);
    second.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_long_and_only_so_many_wait() {
    let gates = gates(1, 1);
    let _first = gates.enter(&yum()).await.unwrap();
    let began = Instant::now();
    let yum = yum();
    let (second, third) = tokio::join!(gates.enter(&yum), gates.enter(&yum));
    assert_eq!(second.unwrap_err(), Turned::TooLate);
    assert_eq!(third.unwrap_err(), Turned::QueueFull);
    assert_eq!(began.elapsed(), Limits::default().queue_wait());
    let fourth = gates.enter(&yum).await;
    assert_eq!(fourth.unwrap_err(), Turned::TooLate, "who went away does not count as waiting");
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_leaves_the_queue() {
    let gates = gates(1, 1);
    let _first = gates.enter(&yum()).await.unwrap();
    let given_up = timeout(Duration::from_millis(10), gates.enter(&yum())).await;
    assert!(given_up.is_err());
    assert_eq!(gates.enter(&yum()).await.unwrap_err(), Turned::TooLate);
}

#[tokio::test]
async fn a_full_plugin_keeps_nobody_from_another() {
    let gates = gates(1, 0);
    let _first = gates.enter(&yum()).await.unwrap();
    assert_eq!(gates.enter(&yum()).await.unwrap_err(), Turned::QueueFull);
    gates.enter(&"static".parse().unwrap()).await.unwrap();
}

#[tokio::test]
async fn a_plugin_may_have_limits_of_its_own() {
    let own = BTreeMap::from([(yum(), Limits { requests_max: 0, queue_max: 0, ..Limits::default() })]);
    let gates = Gates::new(Limits::default(), own, budget::Config::default());
    assert_eq!(gates.enter(&yum()).await.unwrap_err(), Turned::QueueFull);
    gates.enter(&"static".parse().unwrap()).await.unwrap();
}
