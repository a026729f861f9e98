//! Brings a catalog of any older version to the present one.

use rusqlite::Connection;

use super::fault::Fault;
use crate::Error;

/// What leads from each version to the next. Append; never edit what was released.
const STEPS: [&str; 2] = [include_str!("schema.sql"), include_str!("log_id.sql")];

/// Takes the missing steps, each in a transaction together with the number of the version it leads to.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), Error> {
    let known = STEPS.len() as i64;
    let found: i64 =
        connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(Fault::from)?;
    if !(0..=known).contains(&found) {
        return Err(Error::CatalogVersion { found, known });
    }
    for (version, step) in (1..).zip(STEPS).filter(|(version, _)| *version > found) {
        take(connection, version, step).map_err(Fault::from)?;
    }
    Ok(())
}

fn take(connection: &mut Connection, version: i64, step: &str) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(step)?;
    transaction.pragma_update(None, "user_version", version)?;
    transaction.commit()
}
