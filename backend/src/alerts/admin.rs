//! The use cases of alerts for people: look, silence, and try a channel. By the API and by commands, also while the database is away.

use std::{sync::Arc, time::Duration};

use pipeline::clock::Clock;
use serde_json::json;
use storage::{
    StorageError,
    control_plane::{AlertStore, AuditRecord, SharedAlerts, Silence},
    files::NoteFolder,
    router::Router,
};
use tokio::time::timeout;

use super::{
    board::{Board, SharedBy, Standing},
    book::{AlertState, Book},
    channels::Channels,
    rules,
    shared_files::{BOOK_NOTE, silences_of_files},
    view::{AlertListing, AlertView},
};
use crate::{
    audit::{Actor, Audit},
    config::AlertsConfig,
    objectives::Objectives,
};

/// How long the database may take. Then the files are asked.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The longest silence: nobody remembers a longer one.
pub const SILENCE_MAX: Duration = Duration::from_secs(30 * 24 * 3_600);

/// The longest reason, in characters.
pub const REASON_CHARS_MAX: usize = 500;

/// The most silences at once. There are fewer rules.
const SILENCES_MAX: usize = 100;

/// The use cases of alerts for people. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AlertAdmin {
    pub board: Board,
    /// None without a database.
    pub store: Option<Arc<dyn AlertStore>>,
    pub router: Arc<Router>,
    pub audit: Audit,
    pub clock: Arc<dyn Clock>,
    pub settings: Arc<AlertsConfig>,
    pub channels: Arc<Channels>,
    /// None in a command.
    pub objectives: Option<Arc<Objectives>>,
}

/// Why something was not done. A sentence for a person.
#[derive(Debug, thiserror::Error)]
pub enum AlertError {
    #[error("there is no rule {0:?}; innovation alerts list --rules shows all")]
    UnknownRule(String),
    #[error("give a reason of 1 to {REASON_CHARS_MAX} characters: it stands in the audit")]
    NoReason,
    #[error("a silence lasts from a second to 30 days")]
    WrongSpan,
    #[error("there are {SILENCES_MAX} silences already; end some of them")]
    TooMany,
    #[error("there is no such silence, or it has ended; innovation alerts list shows all")]
    UnknownSilence,
    #[error("there is no channel {0:?}; channels are slack, pagerduty, email, webhook and github")]
    UnknownChannel(String),
    #[error("the channel {channel} is not configured; set {variable}, and repeat the command")]
    NotConfigured { channel: &'static str, variable: &'static str },
    #[error("the channel {channel} did not take the message: {reason}")]
    NotSent { channel: &'static str, reason: String },
    #[error("neither the database nor the files took the silence: {0}")]
    Unavailable(#[source] StorageError),
}

/// Where a silence was stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Silenced {
    pub silence: Silence,
    pub stored_in: SharedBy,
}

impl AlertAdmin {
    /// The alerts as this process knows them.
    #[must_use]
    pub fn list(&self) -> AlertListing {
        let (now, channels) = (self.clock.now(), self.channels.names());
        self.board.with(|standing| {
            AlertListing::of(standing, &self.settings, &channels, self.objectives.as_deref(), now)
        })
    }

    /// The alerts that fire now.
    #[must_use]
    pub fn firing(&self) -> Vec<AlertView> {
        let mut alerts = self.list().alerts;
        alerts.retain(|alert| alert.state == AlertState::Firing);
        alerts
    }

    /// The alerts as the services left them in the database, or else in the files. For a command, which looks at no rule itself. None if no
    /// service has left any.
    ///
    /// # Errors
    ///
    /// The error of the files, if the database is away, too.
    pub async fn list_stored(&self) -> Result<Option<AlertListing>, StorageError> {
        let (shared, shared_by) = match self.in_database(|store| async move { store.shared().await }).await {
            Some(Ok(shared)) => (shared, SharedBy::Database),
            Some(Err(_)) | None => (self.shared_of_files().await?, SharedBy::Files),
        };
        let Some(book) = shared.book else { return Ok(None) };
        // A book of a later release is read as far as this one knows it.
        let book: Book = serde_json::from_value(book).unwrap_or_default();
        let standing = Standing { book, silences: shared.silences, shared_by, ..Standing::default() };
        let channels = self.channels.names();
        Ok(Some(AlertListing::of(&standing, &self.settings, &channels, None, self.clock.now())))
    }

    async fn shared_of_files(&self) -> Result<SharedAlerts, StorageError> {
        let files = self.router.files();
        let notes =
            timeout(TIMEOUT, files.notes(NoteFolder::Alerts)).await.unwrap_or_else(|_| Err(slow()))?;
        let book = notes.iter().find(|note| note.name == BOOK_NOTE);
        let book = book.and_then(|note| serde_json::from_slice(&note.bytes).ok());
        Ok(SharedAlerts { book, silences: silences_of_files(files).await?, ..SharedAlerts::default() })
    }

    /// Silences a rule. While the database is away, the silence lies in the file storage, and is imported later.
    ///
    /// # Errors
    ///
    /// [`AlertError`] says what is wrong.
    pub async fn silence(
        &self,
        rule: &str,
        span: Duration,
        reason: &str,
        by: &Actor,
    ) -> Result<Silenced, AlertError> {
        let rule = rules::find(rule).ok_or_else(|| AlertError::UnknownRule(rule.to_owned()))?;
        let reason = reason.trim();
        if !(1..=REASON_CHARS_MAX).contains(&reason.chars().count()) {
            return Err(AlertError::NoReason);
        }
        if span.as_secs() == 0 || span > SILENCE_MAX {
            return Err(AlertError::WrongSpan);
        }
        if self.board.with(|standing| standing.silences.len()) >= SILENCES_MAX {
            return Err(AlertError::TooMany);
        }
        let now = self.clock.now();
        let silence = Silence {
            id: uuid::Uuid::now_v7().to_string(),
            rule: rule.id.to_owned(),
            reason: reason.to_owned(),
            actor: by.name.clone(),
            created_at: now,
            ends_at: now + chrono::TimeDelta::from_std(span).unwrap_or(chrono::TimeDelta::MAX),
        };
        let record = AuditRecord {
            new: Some(json!({ "silence": silence.id, "until": silence.ends_at })),
            reason: Some(reason.to_owned()),
            ..self.audit.describe(by, "alert.silence", rule.id)
        };
        let stored = self.in_database(|store| store_silence(store, &silence, &record)).await;
        let stored_in = match stored {
            Some(Ok(())) => SharedBy::Database,
            Some(Err(error)) if error.kind == storage::StorageErrorKind::Invalid => {
                return Err(AlertError::Unavailable(error));
            }
            Some(Err(_)) | None => {
                self.silence_in_files(&silence, record).await.map_err(AlertError::Unavailable)?;
                SharedBy::Files
            }
        };
        self.board.with(|standing| standing.silences.push(silence.clone()));
        Ok(Silenced { silence, stored_in })
    }

    async fn silence_in_files(&self, silence: &Silence, record: AuditRecord) -> Result<(), StorageError> {
        let bytes = serde_json::to_vec(silence).unwrap_or_default();
        let files = self.router.files();
        let write = async {
            // The record first: no change is without one.
            self.audit.record_in_file(record).await?;
            files.write_note(NoteFolder::AlertSilences, &silence.id, bytes).await
        };
        timeout(TIMEOUT * 2, write).await.unwrap_or_else(|_| Err(slow()))
    }

    /// Ends a silence now.
    ///
    /// # Errors
    ///
    /// [`AlertError`] says what is wrong.
    pub async fn end_silence(&self, id: &str, by: &Actor) -> Result<(), AlertError> {
        let record = self.audit.describe(by, "alert.unsilence", id);
        let ended = self.in_database(|store| store.end_silence(id, &record)).await;
        let is_ended = match ended {
            Some(Ok(true)) => true,
            _ => self.end_in_files(id, record.clone()).await.map_err(AlertError::Unavailable)?,
        };
        if !is_ended {
            return Err(AlertError::UnknownSilence);
        }
        self.board.with(|standing| standing.silences.retain(|silence| silence.id != id));
        Ok(())
    }

    async fn end_in_files(&self, id: &str, record: AuditRecord) -> Result<bool, StorageError> {
        let files = self.router.files();
        let known = silences_of_files(files).await?;
        if !known.iter().any(|silence| silence.id == id) {
            return Ok(false);
        }
        self.audit.record_in_file(record).await?;
        files.remove_note(NoteFolder::AlertSilences, id).await?;
        Ok(true)
    }

    /// Sends a message to one channel, to see whether it arrives.
    ///
    /// # Errors
    ///
    /// [`AlertError`] says what is wrong.
    pub async fn test(&self, channel: &str, by: &Actor) -> Result<&'static str, AlertError> {
        let (name, variable) =
            Channels::named(channel).ok_or_else(|| AlertError::UnknownChannel(channel.to_owned()))?;
        let Some(channel) = self.channels.find(name) else {
            return Err(AlertError::NotConfigured { channel: name, variable });
        };
        let sent = self.channels.test(&*channel, self.clock.now()).await;
        let record = AuditRecord {
            new: Some(json!({ "sent": sent.is_ok() })),
            ..self.audit.describe(by, "alert.test", name)
        };
        // The message went out in any case; the log has the record if no store takes it.
        let _ = self.audit.record(record).await;
        sent.map(|()| name).map_err(|reason| AlertError::NotSent { channel: name, reason })
    }

    /// Calls the database within the time limit. None without one, or while it is known to be away.
    async fn in_database<'a, T, F>(
        &'a self,
        call: impl FnOnce(&'a dyn AlertStore) -> F,
    ) -> Option<Result<T, StorageError>>
    where
        F: Future<Output = Result<T, StorageError>>,
    {
        let store = self.store.as_deref().filter(|_| self.router.is_database_open())?;
        Some(timeout(TIMEOUT, call(store)).await.unwrap_or_else(|_| Err(slow())))
    }
}

async fn store_silence(
    store: &dyn AlertStore,
    silence: &Silence,
    record: &AuditRecord,
) -> Result<(), StorageError> {
    store.silence(silence, record).await
}

fn slow() -> StorageError {
    StorageError::new(storage::StorageErrorKind::Indeterminate, "no answer in time")
}
