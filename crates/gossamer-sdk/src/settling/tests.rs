//! How long a plugin goes on serving once it has said that it leaves.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_plugin_that_nobody_asks_waits_only_until_the_word_is_around() {
    let began = Instant::now();
    Arrivals::default().ceased().await;
    assert!((HEARD_AFTER..HEARD_AFTER + 2 * LOOK_EVERY).contains(&began.elapsed()), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn requests_that_still_come_are_waited_out_but_not_for_ever() {
    let arrivals = Arrivals::default();
    let began = Instant::now();
    let asking = |until: Duration| {
        let arrivals = arrivals.clone();
        async move {
            while began.elapsed() < until {
                arrivals.0.fetch_add(1, Ordering::Relaxed);
                sleep(Duration::from_millis(100)).await;
            }
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = arrivals.ceased() => {}
        () = asking(Duration::from_secs(1)) => {}
    }
    let late = Duration::from_millis(900) + QUIET;
    assert!((late..late + 3 * LOOK_EVERY).contains(&began.elapsed()), "{:?}", began.elapsed());

    let again = Instant::now();
    tokio::select! {
        () = arrivals.ceased() => {}
        () = asking(Duration::from_secs(3600)) => {}
    }
    assert!((SETTLING_MAX..SETTLING_MAX + 2 * LOOK_EVERY).contains(&again.elapsed()));
}
