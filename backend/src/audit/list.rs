//! Reads the audit, the newest first.

use std::cmp::Reverse;

use pipeline::clock::Timestamp;
use storage::{
    StorageError,
    control_plane::{AuditFilter, AuditRecord},
};

use super::core::{Audit, BATCH};

/// How many waiting records of the files one page looks at. More of them only wait while the database is away for long.
const FILES_READ_MAX: usize = 10 * BATCH;

/// A page of the audit.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditPage {
    /// The newest first.
    pub records: Vec<AuditRecord>,
    /// Continues after this page. None at the end.
    pub next: Option<String>,
    /// Why the records of the database are missing. None if they were read, or if there is no database.
    pub database_error: Option<String>,
    /// Why the records that wait in files are missing. None if they were read.
    pub files_error: Option<String>,
}

impl Audit {
    /// Reads records of the database and of the files, at most `limit`. If one store cannot be read, the page says so.
    ///
    /// # Errors
    ///
    /// The error of the files, if neither store can be read.
    pub async fn list(&self, before: Option<&str>, limit: usize) -> Result<AuditPage, StorageError> {
        self.list_matching(&AuditFilter::default(), before, limit).await
    }

    /// As [`Audit::list`], only the records that the filter wants.
    ///
    /// # Errors
    ///
    /// The error of the files, if neither store can be read.
    pub async fn list_matching(
        &self,
        filter: &AuditFilter,
        before: Option<&str>,
        limit: usize,
    ) -> Result<AuditPage, StorageError> {
        let before = before.and_then(parse_cursor);
        let (stored, waiting) = tokio::join!(
            self.in_database(|log| log.newest(filter, before.clone(), limit + 1)),
            self.inner.router.files().newest_audit(FILES_READ_MAX),
        );
        let (mut records, database_error) = match stored {
            Some(Ok(records)) => (records, None),
            Some(Err(error)) => (Vec::new(), Some(error.to_string())),
            None if self.inner.database.is_none() => (Vec::new(), None),
            None => (Vec::new(), Some("the database is away".to_owned())),
        };
        let files_error = match waiting {
            Ok(waiting) => {
                let is_before =
                    |record: &AuditRecord| before.as_ref().is_none_or(|before| position(record) < *before);
                records.extend(
                    waiting.records.into_iter().filter(is_before).filter(|record| filter.admits(record)),
                );
                None
            }
            Err(error) if database_error.is_some() => return Err(error),
            Err(error) => Some(error.to_string()),
        };
        records.sort_by_key(|record| Reverse(position(record)));
        // An import may be under way.
        records.dedup_by(|one, other| one.id == other.id);
        let has_more = records.len() > limit;
        records.truncate(limit);
        let next = records.last().filter(|_| has_more).map(cursor);
        Ok(AuditPage { records, next, database_error, files_error })
    }
}

fn position(record: &AuditRecord) -> (Timestamp, String) {
    (record.at, record.id.clone())
}

/// The cursor after a record, for programs, which return it unchanged.
fn cursor(record: &AuditRecord) -> String {
    format!("{}.{}", record.at.timestamp_millis(), record.id)
}

/// Reads a cursor. None if the text is none.
#[must_use]
pub fn parse_cursor(text: &str) -> Option<(Timestamp, String)> {
    let (millis, id) = text.split_once('.')?;
    Some((Timestamp::from_timestamp_millis(millis.parse().ok()?)?, id.to_owned()))
}
