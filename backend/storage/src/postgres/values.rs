//! Conversions of values to SQL and back.

use pipeline::{clock::Timestamp, run::RunId};
use sqlx::{Row as _, postgres::PgRow};

use crate::{
    control_plane::Principal,
    error::{StorageError, StorageErrorKind},
    frontend_rows::FrontendRows,
    postgres::pool::db_error::DbError,
    run::End,
};

/// The owner of runs without a user.
pub(super) const SYSTEM_USER: &str = "system";

/// The frontend rows of a completed run.
pub(super) fn frontend_rows(end: End<'_>, at: Timestamp) -> Result<Option<FrontendRows>, StorageError> {
    match end {
        End::Completed { records, report } => {
            FrontendRows::new(records, report, at).map(Some).map_err(|error| refused(&error))
        }
        End::Failed(_) => Ok(None),
    }
}

pub(super) fn refused(error: &pipeline::record::RecordError) -> StorageError {
    StorageError::new(StorageErrorKind::Invalid, format!("a stage's record {error}"))
}

/// Removes NUL, which PostgreSQL text cannot hold.
pub(super) fn text(text: &str) -> std::borrow::Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "").into() } else { text.into() }
}

pub(super) fn time(millis: Option<i64>) -> Option<Timestamp> {
    millis.and_then(Timestamp::from_timestamp_millis)
}

/// Reads the column `principal` of a run or of a tombstone.
pub(super) fn principal(row: &PgRow) -> Result<Principal, DbError> {
    let stored: Option<String> = row.try_get("principal")?;
    Principal::of_stored(stored.as_deref()).map_err(|error| {
        let what = format!("principal {stored:?}: {error}");
        DbError::Store(StorageError::new(StorageErrorKind::Unreadable, what))
    })
}

/// Parses the id of an accepted row, which acceptance has checked.
pub(super) fn run_id(id: &str) -> Result<RunId, DbError> {
    RunId::parse(id)
        .map_err(|error| DbError::Store(StorageError::new(StorageErrorKind::Invalid, error.to_string())))
}

/// One parameter of a statement that writes several rows.
pub(super) fn column<'a, R, T>(rows: &'a [R], value: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}
