//! The use cases of flags: read, change and revert.

use std::sync::Arc;

use pipeline::clock::Clock;
use secrecy::SecretString;
use serde_json::Value as Json;
use storage::{
    StorageError, StorageErrorKind,
    control_plane::{AuditRecord, FlagChange, FlagEdit, FlagEdits, FlagStore, StoredFlags},
    files::FileStore,
    router::ReplicaPresence,
};
use tokio::sync::Notify;

use crate::audit::Actor;

use super::{
    definitions::{Definition, find},
    effective::database_values,
    layers::Layers,
    parse,
    source::FlagSource,
    value::Value,
};

/// How often a change is tried when other flags were changed at the same time.
const ATTEMPTS: usize = 5;

/// The most changes of one page of history.
pub const HISTORY_MAX: usize = 200;

/// Why a change of a flag is refused, or could not be made.
#[derive(Debug, thiserror::Error)]
pub enum FlagError {
    #[error("there is no flag {0:?}; innovation flags list shows all")]
    Unknown(String),
    #[error("{} takes {}", .0.key, parse::allowed(.0.kind))]
    WrongValue(&'static Definition),
    #[error("a change of a flag needs a reason of 1 to 500 characters")]
    NoReason,
    #[error("it would switch off all storage: set the other storage flag to true first")]
    SwitchedOff,
    #[error(
        "{key} was changed by revision {revision}, after revision {expected}; read it again, then decide"
    )]
    Changed { key: String, revision: u64, expected: u64 },
    #[error(
        "nobody can have seen revision {expected}: the newest is {revision}; read the flag again, then decide"
    )]
    Unseen { revision: u64, expected: u64 },
    #[error("there is no revision {0}; innovation flags history shows all")]
    NoRevision(u64),
    #[error("the order {0} is not open; innovation flags list shows the orders")]
    NoOrder(String),
    #[error("DATABASE_URL is not set, so flags come from FLAGS_FILE and the environment alone")]
    NoDatabase,
    #[error("the flags of the database cannot be reached: {0}")]
    Unavailable(#[from] StorageError),
    #[error(
        "the database is away, and ADMIN_SECRET is not set here: without it no order can be signed; set ADMIN_SECRET on every \
         replica, or change FLAGS_FILE"
    )]
    NoSecret,
    #[error("{0}")]
    Refused(String),
}

/// The use cases of flags. Cheap to clone.
#[derive(Debug, Clone)]
pub struct FlagControl {
    pub source: FlagSource,
    /// None without a database.
    pub store: Option<Arc<dyn FlagStore>>,
    pub files: FileStore,
    pub presence: Arc<ReplicaPresence>,
    /// Whether the files vanish with the container.
    pub is_ephemeral: bool,
    pub clock: Arc<dyn Clock>,
    /// `ADMIN_SECRET`
    pub secret: Option<SecretString>,
    /// Wakes the task that applies flags in this process.
    pub changed: Arc<Notify>,
    /// This process's name among the replicas. None for a command.
    pub replica: Option<String>,
    /// The platform's id of this deployment, for the audit.
    pub deployment: Option<String>,
}

impl FlagControl {
    pub(super) fn store(&self) -> Result<&Arc<dyn FlagStore>, FlagError> {
        self.store.as_ref().ok_or(FlagError::NoDatabase)
    }

    /// Brings the database's flags to a process that has no task for that. Without an answer, the last known ones stay.
    ///
    /// # Errors
    ///
    /// [`FlagError::NoDatabase`] and [`FlagError::Unavailable`].
    pub async fn refresh(&self) -> Result<StoredFlags, FlagError> {
        let stored = self.store()?.load().await;
        self.source.note(|standing| standing.is_reachable = Some(stored.is_ok()));
        let stored = stored?;
        // A replica that is kept away from the database does not follow it because somebody asked once.
        if self.replica.is_some() && !self.source.effective().asks_database() {
            return Ok(stored);
        }
        let (source, copy) = (self.source.clone(), stored.clone());
        // A copy goes to the local disk, which may hang. It waits for a second at most.
        let _ = tokio::task::spawn_blocking(move || source.apply_database(&copy)).await;
        Ok(stored)
    }

    /// Sets a flag in the database, or removes its value there. `expected` is the revision that the caller has seen.
    ///
    /// # Errors
    ///
    /// [`FlagError`] says why nothing has changed.
    pub async fn set(
        &self,
        key: &str,
        value: Option<&Json>,
        reason: &str,
        expected: Option<u64>,
        by: &Actor,
    ) -> Result<FlagChange, FlagError> {
        let flag = find(key).ok_or_else(|| FlagError::Unknown(key.to_owned()))?;
        let value = match value {
            Some(json) => Some(parse::of_json(flag, json).ok_or(FlagError::WrongValue(flag))?),
            None => None,
        };
        let changes = self.edit(&[(flag, value)], "flag.set", reason, expected, None, by).await?;
        changes.into_iter().next().ok_or(FlagError::NoDatabase)
    }

    /// Gives a flag the value that it had before a revision.
    ///
    /// # Errors
    ///
    /// [`FlagError::NoRevision`], [`FlagError::Changed`] if the flag was changed since, and those of
    /// [`FlagControl::set`].
    pub async fn revert(&self, revision: u64, reason: &str, by: &Actor) -> Result<FlagChange, FlagError> {
        let before = revision.checked_add(1);
        let found = self.store()?.history(None, before, 1).await?;
        let change = found.into_iter().find(|change| change.revision == revision);
        let change = change.ok_or(FlagError::NoRevision(revision))?;
        let flag = find(&change.key).ok_or_else(|| FlagError::Unknown(change.key.clone()))?;
        let old = match &change.old {
            Some(json) => Some(parse::of_json(flag, json).ok_or(FlagError::WrongValue(flag))?),
            None => None,
        };
        let changes = self.edit(&[(flag, old)], "flag.revert", reason, Some(revision), None, by).await?;
        changes.into_iter().next().ok_or(FlagError::NoDatabase)
    }

    /// Lists changes before a revision, the newest first.
    ///
    /// # Errors
    ///
    /// [`FlagError::Unknown`], [`FlagError::NoDatabase`] and [`FlagError::Unavailable`].
    pub async fn history(
        &self,
        key: Option<&str>,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<FlagChange>, FlagError> {
        if let Some(key) = key.filter(|key| find(key).is_none()) {
            return Err(FlagError::Unknown(key.to_owned()));
        }
        Ok(self.store()?.history(key, before, limit.min(HISTORY_MAX)).await?)
    }

    /// Makes changes together. A change of another flag at the same time is no obstacle.
    pub(super) async fn edit(
        &self,
        edits: &[(&'static Definition, Option<Value>)],
        action: &str,
        reason: &str,
        expected: Option<u64>,
        order_id: Option<&str>,
        by: &Actor,
    ) -> Result<Vec<FlagChange>, FlagError> {
        if !(1..=500).contains(&reason.trim().chars().count()) {
            return Err(FlagError::NoReason);
        }
        let store = self.store()?;
        let mut attempt = 1;
        loop {
            let stored = store.load().await?;
            check_seen(edits, expected, &stored)?;
            self.check_storage(edits, &stored)?;
            let all = edits.iter().map(|(flag, value)| FlagEdit {
                key: flag.key.to_owned(),
                new: value.map(Value::to_json),
                audit: self.audit(flag.key, action, reason, by),
            });
            let all = FlagEdits {
                edits: all.collect(),
                expected: stored.revision,
                order_id: order_id.map(str::to_owned),
            };
            match store.change(&all).await {
                Err(error) if error.kind == StorageErrorKind::CasConflict && attempt < ATTEMPTS => {
                    attempt += 1
                }
                changed => {
                    let changes = changed?;
                    self.changed.notify_one();
                    for change in &changes {
                        tracing::info!(
                            event = "flag_set",
                            flag = change.key,
                            revision = change.revision,
                            actor = by.name,
                            reason,
                            "[{}] is set in the database",
                            change.key
                        );
                    }
                    return Ok(changes);
                }
            }
        }
    }

    /// Refuses flags that would switch off all storage: by the database and the environment, and on this replica.
    fn check_storage(
        &self,
        edits: &[(&'static Definition, Option<Value>)],
        stored: &StoredFlags,
    ) -> Result<(), FlagError> {
        let mut database = database_values(stored);
        for (flag, value) in edits {
            match value {
                Some(value) => database.insert(flag.key, *value),
                None => database.remove(flag.key),
            };
        }
        if edits.iter().all(|(flag, _)| !flag.is_storage()) {
            return Ok(());
        }
        let here = Layers { database, ..self.source.layers() };
        let elsewhere = Layers { file: Default::default(), order: Default::default(), ..here.clone() };
        if here.switch_off_storage() || elsewhere.switch_off_storage() {
            return Err(FlagError::SwitchedOff);
        }
        Ok(())
    }

    fn audit(&self, key: &str, action: &str, reason: &str, by: &Actor) -> AuditRecord {
        let record = by.record(action, key, self.clock.now(), self.deployment.clone());
        AuditRecord { reason: Some(reason.trim().to_owned()), ..record }
    }
}

/// A flag that was changed after the revision that the caller has seen is a lost update. Both storage flags count as one:
/// together they make the mode.
fn check_seen(
    edits: &[(&'static Definition, Option<Value>)],
    expected: Option<u64>,
    stored: &StoredFlags,
) -> Result<(), FlagError> {
    let Some(expected) = expected else { return Ok(()) };
    if expected > stored.revision {
        // A number that was made up would win over every change.
        return Err(FlagError::Unseen { revision: stored.revision, expected });
    }
    let is_storage = edits.iter().any(|(flag, _)| flag.is_storage());
    let concerns = |key: &str| {
        edits.iter().any(|(flag, _)| flag.key == key)
            || (is_storage && find(key).is_some_and(Definition::is_storage))
    };
    let newer = stored.flags.iter().find(|flag| flag.revision > expected && concerns(&flag.key));
    match newer {
        Some(flag) => Err(FlagError::Changed { key: flag.key.clone(), revision: flag.revision, expected }),
        None => Ok(()),
    }
}
