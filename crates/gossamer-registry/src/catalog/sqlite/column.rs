//! Columns to values and back.

use std::error::Error as StdError;
use std::str::FromStr;

use rusqlite::Row;
use rusqlite::types::Type;
use time::OffsetDateTime;

/// Reads a text column as what it is the text of.
pub(super) fn parsed<T>(row: &Row<'_>, column: &str) -> rusqlite::Result<T>
where
    T: FromStr<Err: StdError + Send + Sync + 'static>,
{
    parse(row.get_ref(column)?.as_str()?)
}

/// As [`parsed`], of a column that may be null.
pub(super) fn maybe_parsed<T>(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<T>>
where
    T: FromStr<Err: StdError + Send + Sync + 'static>,
{
    row.get_ref(column)?.as_str_or_null()?.map(parse).transpose()
}

/// Reads a count or a size; the catalog never writes a negative one.
pub(super) fn unsigned(row: &Row<'_>, column: &str) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| invalid("a negative count or size".into()))
}

/// What a column keeps of a count or a size. Sizes are under `i64::MAX` by the limits.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// What a `LIMIT` takes.
pub(super) fn limit(entries: usize) -> i64 {
    i64::try_from(entries).unwrap_or(i64::MAX)
}

pub(super) fn time(row: &Row<'_>, column: &str) -> rusqlite::Result<OffsetDateTime> {
    let microseconds: i64 = row.get(column)?;
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(microseconds) * 1_000)
        .map_err(|error| invalid(error.into()))
}

/// Microseconds since 1970.
pub(super) fn microseconds(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX)
}

fn parse<T>(text: &str) -> rusqlite::Result<T>
where
    T: FromStr<Err: StdError + Send + Sync + 'static>,
{
    text.parse().map_err(|error: T::Err| invalid(error.into()))
}

/// The catalog holds what it never writes: somebody else wrote to it.
pub(super) fn invalid(error: Box<dyn StdError + Send + Sync>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Text, error)
}
