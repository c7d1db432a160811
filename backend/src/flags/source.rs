//! The flags in effect, and their sources: `FLAGS_FILE`, orders, the database, and the environment.
//!
//! `FLAGS_FILE` holds `KEY=value` lines and overrides the other sources, key by key. Operators replace it by
//! rename. If its content is unreadable or incomplete, or would switch off all storage, the last good flags
//! stay, and an alarm is raised. They survive a restart: a copy of the last good content lies on the local disk of
//! this replica, and so do the last known flags of the database. The file is polled, because inotify does not support
//! every kind of mount. Half a second of delay is short enough for a person.

mod alarms;
mod file;

use std::{path::PathBuf, sync::Arc};

use parking_lot::Mutex;
use pipeline::clock::Clock;
use serde::{Deserialize, Serialize};
use storage::{
    control_plane::{ReplicaAck, StoredFlags},
    mode::Flags,
};
use tokio::sync::watch;

use super::{
    definitions::{ALL, Definition},
    effective::{DatabaseStanding, Effective, SwitchedOff, database_values, log_changes},
    layers::{Layers, Reading, Source, Values},
    order::Order,
    snapshot::{self, Snapshot},
    watched_file::WatchedFile,
};

/// The current flags. Cheap to clone.
#[derive(Debug, Clone)]
pub struct FlagSource(Arc<Inner>);

/// The copy of the database's flags on the local disk.
#[derive(Debug, Serialize, Deserialize)]
struct DatabaseCopy {
    flags: StoredFlags,
    /// The live replicas at that time.
    replicas: Vec<ReplicaAck>,
}

#[derive(Debug)]
struct Inner {
    storage: watch::Sender<Flags>,
    effective: watch::Sender<Arc<Effective>>,
    /// The sources, and the order in effect. Requests do not take this lock.
    sources: Mutex<(Layers, Option<Order>)>,
    standing: Mutex<DatabaseStanding>,
    file: Option<WatchedFile>,
    /// None without a folder for state.
    database_snapshot: Option<Snapshot>,
    order_snapshot: Option<Snapshot>,
}

impl FlagSource {
    /// Creates the source and reads the flags for the first time. `state_folder` keeps the last good content. With
    /// `has_database`, the last known flags of the database apply until it answers.
    #[must_use]
    pub fn new(
        environment: Values,
        file: Option<PathBuf>,
        state_folder: Option<PathBuf>,
        has_database: bool,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let file = file.map(|path| {
            let copy = |folder| Snapshot::of_file(folder, &path, clock.clone(), snapshot::write);
            let copy = state_folder.clone().map(copy);
            WatchedFile::new(path, copy)
        });
        let state_folder = state_folder.filter(|_| has_database);
        let database = state_folder.clone().map(|folder| Snapshot::of_database(folder, clock.clone()));
        let order = state_folder.map(|folder| Snapshot::of_order(folder, clock.clone()));
        Self::over(environment, file, database, order)
    }

    fn over(
        environment: Values,
        file: Option<WatchedFile>,
        database_snapshot: Option<Snapshot>,
        order_snapshot: Option<Snapshot>,
    ) -> Self {
        let layers = Layers { environment, ..Layers::default() };
        let effective = Effective { readings: layers.read_all(), revision: 1, database_revision: None };
        let source = Self(Arc::new(Inner {
            storage: watch::channel(layers.storage(1, None)).0,
            effective: watch::channel(Arc::new(effective)).0,
            sources: Mutex::new((layers, None)),
            standing: Mutex::default(),
            file,
            database_snapshot,
            order_snapshot,
        }));
        source.restore();
        source.look();
        source
    }

    /// Takes the last known flags of the database and the order in effect from the local disk. Damaged copies count as absent.
    fn restore(&self) {
        let text = |copy: &Option<Snapshot>| copy.as_ref().and_then(|copy| copy.load().ok().flatten());
        let copy = text(&self.0.database_snapshot);
        if let Some(copy) = copy.and_then(|text| serde_json::from_str::<DatabaseCopy>(&text).ok()) {
            self.0.standing.lock().replicas = copy.replicas;
            let _ = self.take(&copy.flags);
        }
        if let Some(order) = text(&self.0.order_snapshot).and_then(|text| serde_json::from_str(&text).ok()) {
            let _ = self.set_order(order);
        }
    }

    /// Returns a receiver of every change of the storage flags, and of every new revision.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Flags> {
        self.0.storage.subscribe()
    }

    /// Returns a receiver of every change of any flag.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Arc<Effective>> {
        self.0.effective.subscribe()
    }

    /// The flags in effect.
    #[must_use]
    pub fn effective(&self) -> Arc<Effective> {
        self.0.effective.borrow().clone()
    }

    /// One flag in effect.
    #[must_use]
    pub fn read(&self, flag: &'static Definition) -> Reading {
        let effective = self.0.effective.borrow();
        let found = effective.readings.iter().find(|reading| reading.flag.key == flag.key);
        found.copied().unwrap_or(Reading { flag, value: flag.default, source: Source::Default })
    }

    /// Whether a flag is on.
    #[must_use]
    pub fn is_on(&self, flag: &'static Definition) -> bool {
        self.read(flag).value.is_on()
    }

    /// Whether a flag is on for a run.
    #[must_use]
    pub fn is_on_for(&self, flag: &'static Definition, run: &str) -> bool {
        self.read(flag).value.is_on_for(flag.key, run)
    }

    /// The sources, to try a change on.
    #[must_use]
    pub fn layers(&self) -> Layers {
        self.0.sources.lock().0.clone()
    }

    /// The order in effect.
    #[must_use]
    pub fn order(&self) -> Option<Order> {
        self.0.sources.lock().1.clone()
    }

    #[must_use]
    pub fn standing(&self) -> DatabaseStanding {
        self.0.standing.lock().clone()
    }

    /// Changes what this process knows of the database.
    pub fn note(&self, change: impl FnOnce(&mut DatabaseStanding)) {
        change(&mut self.0.standing.lock());
    }

    /// Applies the flags of the database, and keeps them for a later start. Blocks, for a limited time.
    pub fn apply_database(&self, stored: &StoredFlags) {
        let is_refused = self.take(stored).is_err();
        let was_refused = std::mem::replace(&mut self.0.standing.lock().is_refused, is_refused);
        if is_refused && !was_refused {
            tracing::error!(
                event = "flags_refused",
                revision = stored.revision,
                "the flags of the database would switch off all storage of this replica; its last good storage flags stay"
            );
        }
        self.keep_copy(stored);
    }

    /// Keeps the database's flags and the replicas for a start without it, and for a command. Blocks, for a limited time.
    pub(super) fn keep_copy(&self, stored: &StoredFlags) {
        let mut replicas = self.standing().replicas;
        // Before the first change and the first look at the replicas, there is nothing to keep.
        let has_news = stored.revision > 0 || !replicas.is_empty();
        if let Some(snapshot) = self.0.database_snapshot.as_ref().filter(|_| has_news) {
            replicas.iter_mut().for_each(|replica| replica.silent_seconds = 0);
            let copy = DatabaseCopy { flags: stored.clone(), replicas };
            if let Ok(text) = serde_json::to_string(&copy) {
                snapshot.keep(text);
            }
        }
    }

    fn take(&self, stored: &StoredFlags) -> Result<(), SwitchedOff> {
        let values = database_values(stored);
        self.update(Source::Database, Some(stored.revision), |layers| layers.database = values)
    }

    /// Lets an order hold, or no order any more, and keeps that for a later start. Blocks, for a limited time.
    ///
    /// # Errors
    ///
    /// [`SwitchedOff`] if it would switch off all storage of this replica. Then the last good storage flags stay.
    pub fn set_order(&self, order: Option<Order>) -> Result<(), SwitchedOff> {
        let values = order.as_ref().map(Order::values).unwrap_or_default();
        let text = serde_json::to_string(&order);
        self.0.sources.lock().1 = order;
        let updated = self.update(Source::Order, None, |layers| layers.order = values);
        if let (Some(copy), Ok(text)) = (&self.0.order_snapshot, text) {
            copy.keep(text);
        }
        updated
    }

    /// Changes a source. If that would switch off all storage, the storage flags of all sources stay.
    fn update(
        &self,
        cause: Source,
        database_revision: Option<u64>,
        change: impl FnOnce(&mut Layers),
    ) -> Result<(), SwitchedOff> {
        let mut sources = self.0.sources.lock();
        let layers = &mut sources.0;
        let before = layers.clone();
        change(layers);
        let is_refused = layers.switch_off_storage();
        if is_refused {
            keep_storage(layers, &before);
        }
        self.publish(layers, cause, database_revision);
        if is_refused { Err(SwitchedOff) } else { Ok(()) }
    }

    fn publish(&self, layers: &Layers, cause: Source, database_revision: Option<u64>) {
        let old = self.effective();
        let readings = layers.read_all();
        let has_new = readings.iter().zip(&old.readings).any(|(new, old)| new.value != old.value);
        let revision = old.revision + u64::from(has_new);
        let database_revision = database_revision.or(old.database_revision);
        let new = Effective { readings, revision, database_revision };
        if new == *old {
            return;
        }
        let flags = layers.storage(revision, database_revision);
        log_changes(&old, &new, cause);
        self.0.effective.send_replace(Arc::new(new));
        self.0.storage.send_if_modified(|held| {
            let before = std::mem::replace(held, flags);
            if before.mode() != flags.mode() {
                tracing::warn!(event = "storage_flags_changed",
                    old_mode = %before.mode(),
                    new_mode = %flags.mode(),
                    revision,
                    database_revision,
                    source = cause.as_str(),
                    "storage flags changed by source {}", cause.as_str()
                );
            }
            before != flags
        });
    }
}

fn keep_storage(layers: &mut Layers, before: &Layers) {
    let pairs = [
        (&mut layers.file, &before.file),
        (&mut layers.order, &before.order),
        (&mut layers.database, &before.database),
    ];
    for (new, old) in pairs {
        for flag in ALL.into_iter().filter(|flag| flag.is_storage()) {
            match old.get(flag.key) {
                Some(value) => new.insert(flag.key, *value),
                None => new.remove(flag.key),
            };
        }
    }
}

#[cfg(test)]
mod tests;
