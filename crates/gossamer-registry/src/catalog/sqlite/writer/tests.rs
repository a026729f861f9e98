//! One batch at a time, without the thread.

use std::sync::Arc;

use gossamer_events::Sequence;
use tokio::sync::{oneshot, watch};

use super::{Job, Totals, Writer};
use crate::Error;
use crate::catalog::sqlite::{connect, migrate::migrate};
use crate::catalog::{Applied, Change};
use crate::index::Index;
use crate::testing::{name, new_manifest, stamp};

type Answer = oneshot::Receiver<Result<Applied, Error>>;

fn writer(directory: &tempfile::TempDir) -> (Writer, watch::Receiver<Sequence>) {
    let mut connection = connect(&directory.path().join("catalog.db")).unwrap();
    migrate(&mut connection).unwrap();
    let (head, seen) = watch::channel(Sequence::ZERO);
    let index = Arc::new(Index::new(1 << 20));
    (Writer { connection, synced: true, index, head, totals: Totals::default() }, seen)
}

fn jobs(changes: impl IntoIterator<Item = Change>) -> (Vec<Job>, Vec<Answer>) {
    changes
        .into_iter()
        .map(|change| {
            let (answer, answered) = oneshot::channel();
            (Job { change, answer }, answered)
        })
        .unzip()
}

#[test]
fn a_batch_is_one_commit_and_a_refused_change_spoils_only_itself() {
    let directory = tempfile::tempdir().unwrap();
    let (mut writer, head) = writer(&directory);
    let (batch, answers) = jobs([
        Change::PutManifest(Box::new(new_manifest("a", "v1", 1, true))),
        Change::PutManifest(Box::new(new_manifest("a", "v2", 2, false))), // its blobs are missing
        Change::DeleteRepository { repository: name("unknown"), stamp: stamp() },
        Change::PutManifest(Box::new(new_manifest("b", "v1", 1, true))),
    ]);
    writer.commit(batch);
    let results: Vec<_> = answers.into_iter().map(|answer| answer.blocking_recv().unwrap()).collect();
    assert_eq!(results[0].as_ref().unwrap().sequence, Some(Sequence::new(1)));
    assert!(matches!(results[1], Err(Error::ManifestBlobUnknown(_))));
    assert!(matches!(results[2], Err(Error::NameUnknown(_))));
    assert_eq!(results[3].as_ref().unwrap().sequence, Some(Sequence::new(2)), "no gap");
    assert_eq!(writer.totals, Totals { commits: 1, changes: 4 });
    assert_eq!(*head.borrow(), Sequence::new(2));
}

#[test]
fn a_refused_change_is_no_longer_in_the_index_or_the_tables() {
    let directory = tempfile::tempdir().unwrap();
    let (mut writer, _head) = writer(&directory);
    let refused = new_manifest("a", "v1", 1, false);
    let (batch, _answers) = jobs([Change::PutManifest(Box::new(refused))]);
    writer.commit(batch);
    for table in ["repositories", "manifests", "contents", "tags", "events"] {
        let sql = format!("SELECT count(*) FROM {table}");
        let rows: i64 = writer.connection.query_row(&sql, [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 0, "{table}");
    }
}

#[test]
fn a_full_database_refuses_changes_and_recovers() {
    let directory = tempfile::tempdir().unwrap();
    let (mut writer, head) = writer(&directory);
    let pages: i64 = writer.connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    let set_limit = |writer: &Writer, pages: i64| {
        let sql = format!("PRAGMA max_page_count = {pages}");
        writer.connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap();
    };
    set_limit(&writer, pages);
    let fill = |number| Change::PutManifest(Box::new(new_manifest("a", "v1", number, true)));
    let (batch, answers) = jobs((0..40).map(fill));
    writer.commit(batch);
    for answer in answers {
        assert!(matches!(answer.blocking_recv().unwrap(), Err(Error::StorageFull)));
    }
    assert_eq!(*head.borrow(), Sequence::ZERO);
    set_limit(&writer, pages + 1_000);
    let (batch, answers) = jobs((0..40).map(fill));
    writer.commit(batch);
    let sequences = answers.into_iter().map(|answer| answer.blocking_recv().unwrap().unwrap().sequence);
    assert!(sequences.eq((1..=40).map(|number| Some(Sequence::new(number)))));
}

#[test]
fn a_read_only_database_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let (mut writer, _head) = writer(&directory);
    writer.connection.execute_batch("PRAGMA query_only = ON").unwrap();
    let (batch, answers) = jobs([Change::PutManifest(Box::new(new_manifest("a", "v1", 1, true)))]);
    writer.commit(batch);
    for answer in answers {
        assert!(matches!(answer.blocking_recv().unwrap(), Err(Error::ReadOnly)));
    }
}
