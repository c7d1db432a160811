//! The flags in effect at one moment, and what this process knows of the database's flags.

use storage::control_plane::{ReplicaAck, StoredFlags};

use super::{
    definitions::{DATABASE_WRITES, find},
    layers::{Reading, Source, Values},
    parse,
};

/// The flags in effect at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// Every flag, in the order of the definitions.
    pub readings: Vec<Reading>,
    /// The number of changes that this process has seen; it starts at 1.
    pub revision: u64,
    /// The revision of the database's flags that it has applied. None without a database, or before the first look.
    pub database_revision: Option<u64>,
}

/// This process's knowledge of the database's flags.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DatabaseStanding {
    /// Whether the last look succeeded. None without a database, and before the first look.
    pub is_reachable: Option<bool>,
    /// The live replicas at the last good look.
    pub replicas: Vec<ReplicaAck>,
    /// An order that the database contradicts.
    pub conflict: Option<String>,
    /// Its flags would switch off all storage of this replica.
    pub(super) is_refused: bool,
}

impl Effective {
    /// Whether the database may be asked for flags. `FLAGS_FILE` and the environment may keep this process away from it
    /// altogether. A mode that was chosen in the database, or by an order, must stay changeable there.
    #[must_use]
    pub fn asks_database(&self) -> bool {
        let writes = self.readings.iter().find(|reading| reading.flag.key == DATABASE_WRITES.key);
        writes.is_some_and(|writes| {
            writes.value.is_on() || matches!(writes.source, Source::Database | Source::Order)
        })
    }

    /// The source of the storage flags.
    #[must_use]
    pub fn storage_source(&self) -> Source {
        let found = self.readings.iter().find(|reading| reading.flag.key == DATABASE_WRITES.key);
        found.map_or(Source::Default, |reading| reading.source)
    }
}

/// A change was refused, because it would switch off all storage of this replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it would switch off all storage of this replica")]
pub struct SwitchedOff;

/// The values of the database that this version knows. Another version may know more flags.
#[must_use]
pub(super) fn database_values(stored: &StoredFlags) -> Values {
    let known = stored.flags.iter().filter_map(|flag| {
        let definition = find(&flag.key)?;
        let json = flag.value.as_ref()?;
        let value = parse::of_json(definition, json);
        if value.is_none() {
            tracing::debug!(
                event = "flag_value_unknown",
                flag = definition.key,
                "a flag's value in the database is none of its kind"
            );
        }
        Some((definition.key, value?))
    });
    known.collect()
}

/// Logs each changed flag. The storage flags have a line of their own.
pub(super) fn log_changes(old: &Effective, new: &Effective, cause: Source) {
    for (before, after) in old.readings.iter().zip(&new.readings) {
        if before.value != after.value && !after.flag.is_storage() {
            tracing::info!(
                event = "flag_changed",
                flag = after.flag.key,
                old = %before.value,
                new = %after.value,
                revision = new.revision,
                database_revision = new.database_revision,
                source = cause.as_str(),
                "the flag {} is now {}", after.flag.key, after.value
            );
        }
    }
}
