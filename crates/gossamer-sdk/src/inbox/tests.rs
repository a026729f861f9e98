//! What the inbox promises: order in a lane, nothing lost, nothing done twice.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use gossamer_events::{Action, Event, LogId, Origin, Position, Sequence};
use gossamer_oci::Digest;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use super::{Arrivals, EnqueueError, Handler, Inbox, Lanes, WaitError};
use crate::{Database, Effect, Retry};

const SOON: Duration = Duration::from_secs(10);

fn event(sequence: u64, repository: &str) -> Event {
    Event {
        sequence: Sequence::new(sequence),
        repository: repository.parse().unwrap(),
        digest: Digest::sha256(b"{}"),
        tag: None,
        media_type: None,
        payload: Bytes::from_static(b"{}"),
        action: Action::ManifestPut,
        origin: Origin::External { principal: "tester".to_owned() },
        time: OffsetDateTime::UNIX_EPOCH,
        traceparent: None,
    }
}

async fn enqueue(inbox: &Inbox, event: &Event) -> Result<(), EnqueueError> {
    enqueue_of(LogId::UNNAMED, inbox, event).await
}

async fn enqueue_of(log: LogId, inbox: &Inbox, event: &Event) -> Result<(), EnqueueError> {
    inbox.enqueue(log, event, gossamer_wire::event::encode(log, event)).await
}

fn at(sequence: u64) -> Position {
    Position { log: LogId::UNNAMED, sequence: Sequence::new(sequence) }
}

async fn open(directory: &Path) -> (Database, Inbox, Arrivals) {
    let database = Database::open(&directory.join("plugin.db")).unwrap();
    let create = "CREATE TABLE IF NOT EXISTS seen (sequence INTEGER, repository TEXT) STRICT";
    database.write(move |c| c.execute_batch(create)).await.unwrap();
    let (inbox, arrivals) = Inbox::open(database.clone()).await.unwrap();
    (database, inbox, arrivals)
}

/// Writes each event into `seen`, after `before` had its say.
fn recorder(before: impl Fn(&Event) -> Result<(), Retry> + Send + Sync + 'static) -> Handler {
    Arc::new(move |event| {
        let verdict = before(&event).map(|()| {
            Effect::new(move |c| {
                let row = (event.sequence.get().cast_signed(), event.repository.as_str());
                c.execute("INSERT INTO seen VALUES (?1, ?2)", row).map(drop)
            })
        });
        futures::future::ready(verdict).boxed()
    })
}

fn work(
    inbox: &Inbox,
    arrivals: Arrivals,
    handler: Handler,
) -> (CancellationToken, impl Future<Output = ()>) {
    let stop = CancellationToken::new();
    let lanes = tokio_util::task::TaskTracker::new();
    lanes.spawn(Lanes::new(inbox.clone(), arrivals, handler).run(stop.clone()));
    lanes.close();
    (stop, async move { lanes.wait().await })
}

async fn seen(database: &Database, repository: &str) -> Vec<i64> {
    let repository = repository.to_owned();
    let read = move |c: &rusqlite::Connection| {
        let mut select = c.prepare("SELECT sequence FROM seen WHERE repository = ?1 ORDER BY rowid")?;
        select.query_map([repository], |row| row.get(0))?.collect()
    };
    database.read(read).await.unwrap()
}

#[tokio::test]
async fn a_lane_keeps_its_order_and_a_second_delivery_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (database, inbox, arrivals) = open(directory.path()).await;
    let (_stop, _done) = work(&inbox, arrivals, recorder(|_| Ok(())));
    for sequence in 1..=50 {
        for _ in 0..2 {
            enqueue(&inbox, &event(sequence, if sequence % 2 == 0 { "even" } else { "odd" })).await.unwrap();
        }
    }
    inbox.handled(at(49), SOON).await.unwrap();
    inbox.handled(at(50), SOON).await.unwrap();
    enqueue(&inbox, &event(7, "odd")).await.unwrap();
    assert_eq!(seen(&database, "odd").await, (0..25).map(|n| 2 * n + 1).collect::<Vec<_>>());
    assert_eq!(seen(&database, "even").await.len(), 25);
}

#[tokio::test]
async fn what_was_acknowledged_is_worked_off_after_a_crash() {
    let directory = tempfile::tempdir().unwrap();
    let (_, inbox, arrivals) = open(directory.path()).await;
    for sequence in 1..=5 {
        enqueue(&inbox, &event(sequence, "a")).await.unwrap();
    }
    drop((inbox, arrivals)); // no farewell: nothing was handled, nothing was closed
    let (database, inbox, arrivals) = open(directory.path()).await;
    let (_stop, _done) = work(&inbox, arrivals, recorder(|_| Ok(())));
    inbox.handled(at(5), SOON).await.unwrap();
    assert_eq!(seen(&database, "a").await, [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn an_effect_and_its_mark_are_one_commit() {
    let directory = tempfile::tempdir().unwrap();
    let (database, inbox, arrivals) = open(directory.path()).await;
    let attempts = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&attempts);
    // The first effect writes its row and then fails, the second panics, the third is let through.
    let handler: Handler = Arc::new(move |event| {
        let attempt = counted.fetch_add(1, Ordering::Relaxed);
        let effect = Effect::new(move |c| {
            c.execute("INSERT INTO seen VALUES (?1, 'a')", [event.sequence.get().cast_signed()])?;
            assert_ne!(attempt, 1, "the second attempt panics");
            if attempt == 0 { Err(rusqlite::Error::InvalidQuery) } else { Ok(()) }
        });
        futures::future::ready(Ok(effect)).boxed()
    });
    let (_stop, _done) = work(&inbox, arrivals, handler);
    enqueue(&inbox, &event(1, "a")).await.unwrap();
    inbox.handled(at(1), SOON).await.unwrap();
    assert_eq!(seen(&database, "a").await, [1]);
    assert_eq!(attempts.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn a_lane_that_retries_holds_only_itself() {
    let directory = tempfile::tempdir().unwrap();
    let (database, inbox, arrivals) = open(directory.path()).await;
    let open_gate = Arc::new(Mutex::new(false));
    let gate = Arc::clone(&open_gate);
    let handler = recorder(move |event| {
        let held = event.repository.as_str() == "held" && !*gate.lock().unwrap();
        if held { Err(Retry::after(Duration::from_millis(5), "not yet")) } else { Ok(()) }
    });
    let (_stop, _done) = work(&inbox, arrivals, handler);
    enqueue(&inbox, &event(1, "held")).await.unwrap();
    enqueue(&inbox, &event(2, "held")).await.unwrap();
    enqueue(&inbox, &event(3, "free")).await.unwrap();
    inbox.handled(at(3), SOON).await.unwrap();
    assert!(seen(&database, "held").await.is_empty());
    *open_gate.lock().unwrap() = true;
    inbox.handled(at(2), SOON).await.unwrap();
    assert_eq!(seen(&database, "held").await, [1, 2]);
}

#[tokio::test]
async fn a_handler_that_panics_is_tried_again() {
    let directory = tempfile::tempdir().unwrap();
    let (database, inbox, arrivals) = open(directory.path()).await;
    let attempts = AtomicU32::new(0);
    let handler = recorder(move |_| {
        assert_ne!(attempts.fetch_add(1, Ordering::Relaxed), 0, "the first attempt panics");
        Ok(())
    });
    let (_stop, _done) = work(&inbox, arrivals, handler);
    enqueue(&inbox, &event(1, "a")).await.unwrap();
    inbox.handled(at(1), SOON).await.unwrap();
    assert_eq!(seen(&database, "a").await, [1]);
}

#[tokio::test]
async fn another_event_under_a_known_number_is_not_taken_for_the_old_one() {
    let directory = tempfile::tempdir().unwrap();
    let (database, inbox, arrivals) = open(directory.path()).await;
    let (_stop, _done) = work(&inbox, arrivals, recorder(|_| Ok(())));
    enqueue(&inbox, &event(1, "before-the-restore")).await.unwrap();
    inbox.handled(at(1), SOON).await.unwrap();
    enqueue(&inbox, &event(1, "after-the-restore")).await.unwrap();
    inbox.handled(at(1), SOON).await.unwrap();
    assert_eq!(seen(&database, "after-the-restore").await, [1]);
}

#[tokio::test]
async fn stopping_leaves_the_rest_for_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    let (database, inbox, arrivals) = open(directory.path()).await;
    let (stop, done) = work(&inbox, arrivals, recorder(|_| Ok(())));
    stop.cancel();
    done.await;
    enqueue(&inbox, &event(1, "a")).await.unwrap();
    let waited = inbox.handled(at(1), Duration::from_millis(20)).await;
    assert!(matches!(waited, Err(WaitError::TimedOut(_))));
    database.close().await;
    assert!(enqueue(&inbox, &event(2, "a")).await.is_err());
    let (database, inbox, arrivals) = open(directory.path()).await;
    let (_stop, _done) = work(&inbox, arrivals, recorder(|_| Ok(())));
    inbox.handled(at(1), SOON).await.unwrap();
    assert_eq!(seen(&database, "a").await, [1]);
}

#[tokio::test]
async fn events_of_two_logs_with_the_same_numbers_are_all_handled_each_log_in_its_order() {
    let directory = tempfile::tempdir().unwrap();
    let (_, inbox, arrivals) = open(directory.path()).await;
    let [one, other] = [1, 2].map(|byte| LogId::from_bytes([byte; 16]));
    let of = |log: LogId, sequence| {
        let principal = format!("{log} {sequence}");
        Event { origin: Origin::External { principal }, ..event(sequence, "a") }
    };
    // Pending at the same time, handled at the same time, and delivered a second time.
    for _ in 0..2 {
        for sequence in 1..=5 {
            enqueue_of(one, &inbox, &of(one, sequence)).await.unwrap();
            enqueue_of(other, &inbox, &of(other, sequence)).await.unwrap();
        }
    }
    let handled = Arc::new(Mutex::new(Vec::new()));
    let recorded = Arc::clone(&handled);
    let handler: Handler = Arc::new(move |event| {
        recorded.lock().unwrap().push(event.origin.clone());
        futures::future::ready(Ok(Effect::none())).boxed()
    });
    let (_stop, _done) = work(&inbox, arrivals, handler);
    for log in [one, other] {
        inbox.handled(Position { log, sequence: Sequence::new(5) }, SOON).await.unwrap();
    }
    let handled = handled.lock().unwrap().clone();
    assert_eq!(handled.len(), 10);
    for log in [one, other] {
        let expected: Vec<_> = (1..=5).map(|sequence| of(log, sequence).origin).collect();
        let of_log: Vec<_> = handled.iter().filter(|origin| expected.contains(origin)).cloned().collect();
        assert_eq!(of_log, expected);
    }
}

#[tokio::test]
async fn an_inbox_from_before_logs_had_names_keeps_what_waits_in_it() {
    let directory = tempfile::tempdir().unwrap();
    let database = Database::open(&directory.path().join("plugin.db")).unwrap();
    let waiting = gossamer_wire::event::encode(LogId::UNNAMED, &event(3, "a"));
    let fill = move |c: &rusqlite::Connection| {
        c.execute_batch(
            "CREATE TABLE inbox_events (sequence INTEGER PRIMARY KEY, repository TEXT NOT NULL,
                fingerprint TEXT NOT NULL, event BLOB) STRICT;
            CREATE INDEX inbox_pending ON inbox_events (repository, sequence) WHERE event IS NOT NULL;
            INSERT INTO inbox_events VALUES (2, 'a', 'x', NULL);",
        )?;
        c.execute("INSERT INTO inbox_events VALUES (3, 'a', 'y', ?1)", [waiting.as_ref()]).map(drop)
    };
    database.write(fill).await.unwrap();
    database.close().await;
    let (database, inbox, arrivals) = open(directory.path()).await;
    let (_stop, _done) = work(&inbox, arrivals, recorder(|_| Ok(())));
    inbox.handled(at(3), SOON).await.unwrap();
    assert_eq!(seen(&database, "a").await, [3]);
}
