//! The catalog with its threads.

use std::sync::Arc;

use rusqlite::Connection;

use super::{Sqlite, migrate};
use crate::Error;
use crate::catalog::{Catalog, Change};
use crate::index::Index;
use crate::testing::new_manifest;

fn open(directory: &tempfile::TempDir) -> Result<Sqlite, Error> {
    Sqlite::open(&directory.path().join("catalog.db"), Arc::new(Index::new(1 << 20)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_changes_share_commits() {
    let directory = tempfile::tempdir().unwrap();
    let catalog = open(&directory).unwrap();
    let puts = (0..500).map(|number| {
        let manifest = new_manifest(&format!("r{}", number % 8), &format!("v{number}"), number, true);
        catalog.apply(Change::PutManifest(Box::new(manifest)))
    });
    for applied in futures::future::join_all(puts).await {
        applied.unwrap();
    }
    let totals = catalog.stop().await.unwrap();
    assert_eq!(totals.changes, 500);
    assert!(totals.commits <= 100, "{} commits for 500 puts", totals.commits);
}

#[tokio::test]
async fn a_stopped_catalog_answers_what_it_took_and_refuses_the_rest() {
    let directory = tempfile::tempdir().unwrap();
    let catalog = open(&directory).unwrap();
    let put = |number| catalog.apply(Change::PutManifest(Box::new(new_manifest("a", "v1", number, true))));
    let (taken, stopped) = tokio::join!(put(1), catalog.stop());
    taken.unwrap();
    assert_eq!(stopped.unwrap().changes, 1);
    assert!(matches!(put(2).await, Err(Error::Closed)));
    assert!(catalog.stop().await.is_none());
    assert_eq!(catalog.repositories("", 9).unwrap().len(), 1, "reads go on");
}

#[test]
fn a_catalog_of_a_newer_program_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let mut connection = Connection::open(directory.path().join("catalog.db")).unwrap();
    migrate::migrate(&mut connection).unwrap();
    migrate::migrate(&mut connection).unwrap();
    connection.pragma_update(None, "user_version", 999).unwrap();
    assert!(matches!(open(&directory), Err(Error::CatalogVersion { found: 999, known: 2 })));
}

#[test]
fn the_schema_survives_a_check_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let mut connection = super::connect(&directory.path().join("catalog.db")).unwrap();
    migrate::migrate(&mut connection).unwrap();
    let verdict: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
    let mode: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    let synchronous: i64 = connection.query_row("PRAGMA synchronous", [], |row| row.get(0)).unwrap();
    assert_eq!((mode.as_str(), synchronous), ("wal", 2), "2 is FULL");
}
