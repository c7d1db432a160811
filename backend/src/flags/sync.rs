//! Brings the flags of the database to this process, acknowledges them, and deals with orders that were given while the
//! database was away.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use chrono::TimeDelta;
use parking_lot::Mutex;
use pipeline::clock::{Clock, Timestamp};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use storage::{
    StorageError, StorageErrorKind,
    control_plane::{FlagStore, StoredFlags},
    files::FileStore,
};
use tokio::{task::spawn_blocking, time::timeout};

use super::{layers::Source, source::FlagSource};

/// An acknowledgement that does not change is repeated as often. The database forgets a silent replica after a minute.
pub(super) const ACKNOWLEDGE_EVERY: Duration = Duration::from_secs(15);

/// How often the list of replicas is read, for health and for the time when the database is away.
const REPLICAS_EVERY: Duration = Duration::from_secs(10);

/// How often the folder of orders is read while the database answers. While it does not, each pass reads it.
const ORDERS_EVERY: Duration = Duration::from_secs(10);

/// How long an acknowledgement waits for the files. The next pass waits again.
const MIRROR_TIMEOUT: Duration = Duration::from_secs(2);

/// The flags that a replica has applied, as a note in the file storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaNote {
    pub replica: String,
    pub at: Timestamp,
    /// The storage mode that its flags select.
    pub mode: String,
    pub order_id: Option<String>,
    /// The source of its storage flags.
    pub source: String,
}

/// How old the note of a live replica may be. It is written every 15 seconds, by a clock that may be minutes off.
const NOTE_LIVES: TimeDelta = TimeDelta::minutes(5);

impl ReplicaNote {
    /// Whether its replica may still be there.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        now - self.at <= NOTE_LIVES
    }
}

/// The flags' way into this process. One pass at a time.
#[derive(Debug)]
pub struct FlagSync {
    pub source: FlagSource,
    pub store: Arc<dyn FlagStore>,
    pub files: FileStore,
    pub clock: Arc<dyn Clock>,
    /// `ADMIN_SECRET`
    pub secret: Option<SecretString>,
    /// This process's name among the replicas.
    pub replica: String,
    pub state: Mutex<SyncState>,
}

/// The results of the last passes.
#[derive(Debug, Default)]
pub struct SyncState {
    acknowledged: Option<(u64, Source, Duration)>,
    replicas_at: Option<Duration>,
    orders_at: Option<Duration>,
    /// Whether somebody waits for an acknowledgement, also of flags that have not changed.
    is_asked: bool,
    pub(super) noted: Option<(ReplicaNote, Duration)>,
    pub(super) refused: BTreeSet<String>,
}

impl FlagSync {
    /// Reads the database's flags, applies and acknowledges them, and looks for orders. Returns the revision. None if this
    /// process is kept away from the database.
    ///
    /// # Errors
    ///
    /// The errors of the database. The last known flags stay.
    pub async fn pass(&self) -> Result<Option<u64>, StorageError> {
        if !self.source.effective().asks_database() {
            self.source.note(|standing| standing.is_reachable = None);
            return Ok(None);
        }
        let loaded = self.read_and_apply().await;
        self.source.note(|standing| standing.is_reachable = Some(loaded.is_ok()));
        let is_due = self.is_due(|state| &mut state.orders_at, ORDERS_EVERY);
        if is_due || loaded.is_err() || self.source.order().is_some() {
            self.look_for_orders(loaded.as_ref().ok()).await;
        }
        let stored = loaded?;
        self.acknowledge(stored.revision).await?;
        let is_due = self.is_due(|state| &mut state.replicas_at, REPLICAS_EVERY);
        let replicas = self.source.standing().replicas;
        // After a change, each look tells who follows.
        if is_due || replicas.iter().any(|replica| replica.revision < Some(stored.revision)) {
            let replicas = self.store.acknowledgements().await?;
            self.source.note(|standing| standing.replicas = replicas);
            let (source, copy) = (self.source.clone(), stored.clone());
            let _ = spawn_blocking(move || source.keep_copy(&copy)).await;
        }
        Ok(Some(stored.revision))
    }

    /// Takes leave of the database, because a stopping replica acknowledges nothing any more.
    pub async fn leave(&self) {
        if self.state.lock().acknowledged.is_none() {
            return;
        }
        if let Err(error) = self.store.forget(&self.replica).await {
            tracing::debug!(event = "flag_ack_not_removed", %error, "this replica's acknowledgement of flags could not be removed");
        }
    }

    pub(super) async fn read_and_apply(&self) -> Result<StoredFlags, StorageError> {
        let stored = self.store.load().await?;
        let (source, copy) = (self.source.clone(), stored.clone());
        // A copy goes to the local disk, which may hang.
        let applied = spawn_blocking(move || source.apply_database(&copy)).await;
        applied.map_err(|error| StorageError::new(StorageErrorKind::Unavailable, error.to_string()))?;
        Ok(stored)
    }

    /// Lets the next pass acknowledge the flags, changed or not.
    pub fn ask(&self) {
        self.state.lock().is_asked = true;
    }

    async fn acknowledge(&self, revision: u64) -> Result<(), StorageError> {
        let (source, now) = (self.source.effective().storage_source(), self.clock.monotonic());
        let is_asked = std::mem::take(&mut self.state.lock().is_asked);
        let is_known = self.state.lock().acknowledged.is_some_and(|(known, known_source, at)| {
            (known, known_source) == (revision, source) && now.saturating_sub(at) < ACKNOWLEDGE_EVERY
        }) && !is_asked;
        if is_known {
            return Ok(());
        }
        if self.is_mirror_written(revision).await {
            self.store.acknowledge(&self.replica, revision, source.as_str()).await?;
            self.state.lock().acknowledged = Some((revision, source, now));
        } else {
            self.ask();
        }
        Ok(())
    }

    /// Whether the files have what the database had before these flags. Otherwise, the next pass acknowledges them: a
    /// person who waits for an acknowledgement may take the database away.
    pub(super) async fn is_mirror_written(&self, revision: u64) -> bool {
        let mirror = self.files.mirror();
        let is_written = timeout(MIRROR_TIMEOUT, mirror.drained()).await.is_ok();
        if !is_written {
            let records = mirror.lag().records;
            tracing::warn!(
                event = "flags_not_acknowledged",
                revision,
                records,
                "the files do not have {records} writes of the database yet; flags are acknowledged after them"
            );
        }
        is_written
    }

    /// Whether it is time for something, which is then noted as done.
    fn is_due(&self, last: impl Fn(&mut SyncState) -> &mut Option<Duration>, every: Duration) -> bool {
        let (now, mut state) = (self.clock.monotonic(), self.state.lock());
        let last = last(&mut state);
        let is_due = last.is_none_or(|last| now.saturating_sub(last) >= every);
        if is_due {
            *last = Some(now);
        }
        is_due
    }
}
