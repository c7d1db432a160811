//! Alerts in the file storage: for a restart, and for replicas that share a disk or a bucket while the database is away.

use std::time::Duration;

use pipeline::clock::Timestamp;
use serde::{Deserialize, Serialize};
use storage::{
    StorageError,
    control_plane::Silence,
    files::{AlertLeader, FileStore, NoteFolder},
};

use super::{book::Book, report::Report};

/// The note of the book.
pub(super) const BOOK_NOTE: &str = "book";

/// A report of a replica, as the files hold it.
#[derive(Debug, Serialize, Deserialize)]
struct FiledReport {
    at: Timestamp,
    report: Report,
}

/// The files that replicas of a disk or a bucket share.
#[derive(Debug)]
pub(super) struct SharedFiles {
    files: FileStore,
    replica: String,
    /// The leader that was seen last, and since when its beat has not grown, by the monotonic clock.
    leader: Option<(AlertLeader, Duration)>,
}

/// The result of an exchange.
#[derive(Debug)]
pub(super) struct Exchanged {
    pub(super) leads: bool,
    pub(super) book: Option<Book>,
    pub(super) reports: Vec<(String, Report)>,
    pub(super) silences: Vec<Silence>,
}

impl SharedFiles {
    pub(super) fn new(files: FileStore, replica: String) -> Self {
        Self { files, replica, leader: None }
    }

    /// Leaves this replica's report, takes or keeps the lead, and reads what the others left. A report or a leader that is older than `lease`
    /// counts no more.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Indeterminate` if the files fail.
    pub(super) async fn exchange(
        &mut self,
        report: &Report,
        lease: Duration,
        now: Timestamp,
        monotonic: Duration,
    ) -> Result<Exchanged, StorageError> {
        let name = plain(&self.replica);
        let filed = FiledReport { at: now, report: report.known() };
        let bytes = serde_json::to_vec(&filed).unwrap_or_default();
        self.files.write_note(NoteFolder::AlertReports, &name, bytes).await?;
        let dead = self.leader.clone().filter(|(_, since)| monotonic.saturating_sub(*since) > lease);
        let leader = self.files.lead_alerts(&self.replica, dead.map(|(leader, _)| leader)).await?;
        let leads = leader.owner == self.replica;
        if self.leader.as_ref().is_none_or(|(known, _)| *known != leader) {
            self.leader = Some((leader, monotonic));
        }
        let reports = self.reports(&name, lease, now).await?;
        let silences = silences_of_files(&self.files).await?;
        Ok(Exchanged { leads, book: self.book().await?, reports, silences })
    }

    async fn reports(
        &self,
        own: &str,
        lease: Duration,
        now: Timestamp,
    ) -> Result<Vec<(String, Report)>, StorageError> {
        let mut reports = Vec::new();
        for note in self.files.notes(NoteFolder::AlertReports).await? {
            let Ok(filed) = serde_json::from_slice::<FiledReport>(&note.bytes) else { continue };
            let age = (now - filed.at).abs().to_std().unwrap_or_default();
            if age > Duration::from_secs(3_600) {
                // A replica that is long gone.
                self.files.remove_note(NoteFolder::AlertReports, &note.name).await?;
            } else if note.name != own && age <= lease {
                reports.push((note.name, filed.report));
            }
        }
        Ok(reports)
    }

    /// The book of these files. None if there is none, or if it is damaged.
    pub(super) async fn book(&self) -> Result<Option<Book>, StorageError> {
        let notes = self.files.notes(NoteFolder::Alerts).await?;
        let book = notes.iter().find(|note| note.name == BOOK_NOTE);
        Ok(book.and_then(|note| serde_json::from_slice(&note.bytes).ok()))
    }

    /// Stores the book.
    pub(super) async fn save(&self, book: &Book) -> Result<(), StorageError> {
        let bytes = serde_json::to_vec(book).unwrap_or_default();
        self.files.write_note(NoteFolder::Alerts, BOOK_NOTE, bytes).await
    }

    /// Removes silences that the database has.
    pub(super) async fn remove(&self, silences: &[Silence]) -> Result<(), StorageError> {
        for silence in silences {
            self.files.remove_note(NoteFolder::AlertSilences, &silence.id).await?;
        }
        Ok(())
    }

    /// The silences of these files, for the database.
    pub(super) async fn silences(&self) -> Result<Vec<Silence>, StorageError> {
        silences_of_files(&self.files).await
    }
}

/// The silences that wait in the files for the database.
pub(super) async fn silences_of_files(files: &FileStore) -> Result<Vec<Silence>, StorageError> {
    let notes = files.notes(NoteFolder::AlertSilences).await?;
    Ok(notes.iter().filter_map(|note| serde_json::from_slice(&note.bytes).ok()).collect())
}

/// A replica's name as the name of a note.
fn plain(replica: &str) -> String {
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let name: String = replica.chars().filter(is_plain).take(80).collect();
    format!("r-{name}")
}
