//! What the writer promises: groups commit together, failures stay alone, what was answered survives.

use rusqlite::Connection;

use super::{Database, DatabaseError};

fn rows(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0))
}

async fn open(directory: &tempfile::TempDir) -> Database {
    let database = Database::open(&directory.path().join("plugin.db")).unwrap();
    database
        .write(|c| c.execute_batch("CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY) STRICT"))
        .await
        .unwrap();
    database
}

#[tokio::test]
async fn what_was_answered_is_there_after_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory).await;
    database.write(|c| c.execute("INSERT INTO t VALUES (1)", [])).await.unwrap();
    database.close().await;
    assert!(matches!(database.write(rows).await, Err(DatabaseError::Closed)));
    assert_eq!(open(&directory).await.read(rows).await.unwrap(), 1);
}

#[tokio::test]
async fn a_failure_or_a_panic_rolls_back_only_itself() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory).await;
    let writes = (0..100).map(|n| {
        let database = database.clone();
        async move {
            let write = move |c: &Connection| {
                c.execute("INSERT INTO t VALUES (?1)", [n])?;
                assert!(n % 10 != 3, "one in ten panics after its insert");
                if n % 10 == 7 { c.execute("INSERT INTO t VALUES (?1)", [n]) } else { Ok(1) }
            };
            database.write(write).await
        }
    });
    let outcomes = futures::future::join_all(writes).await;
    let panicked = outcomes.iter().filter(|o| matches!(o, Err(DatabaseError::Panicked))).count();
    let refused = outcomes.iter().filter(|o| matches!(o, Err(DatabaseError::Refused(_)))).count();
    assert_eq!((panicked, refused), (10, 10));
    assert_eq!(database.read(rows).await.unwrap(), 80);
}

#[tokio::test]
async fn readers_cannot_write() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory).await;
    assert!(database.read(|c| c.execute("INSERT INTO t VALUES (1)", [])).await.is_err());
}
