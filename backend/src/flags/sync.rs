//! Brings the flags of the database to this process, acknowledges them, and deals with orders that were given while the
//! database was away.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use parking_lot::Mutex;
use pipeline::clock::{Clock, Timestamp};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::json;
use storage::{
    StorageError, StorageErrorKind,
    control_plane::{AuditRecord, FlagEdit, FlagEdits, FlagStore, StoredFlags},
    files::{FileStore, Note, NoteFolder},
};
use tokio::task::spawn_blocking;

use super::{layers::Source, order::Order, source::FlagSource};

/// An acknowledgement that does not change is repeated as often. The database forgets a silent replica after a minute.
const ACKNOWLEDGE_EVERY: Duration = Duration::from_secs(15);

/// How often the list of replicas is read, for health and for the time when the database is away.
const REPLICAS_EVERY: Duration = Duration::from_secs(10);

/// How often the folder of orders is read while the database answers. While it does not, each pass reads it.
const ORDERS_EVERY: Duration = Duration::from_secs(10);

/// How many refused orders are remembered, so that each is logged once.
const REFUSED_MAX: usize = 200;

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
    noted: Option<(ReplicaNote, Duration)>,
    refused: BTreeSet<String>,
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

    async fn read_and_apply(&self) -> Result<StoredFlags, StorageError> {
        let stored = self.store.load().await?;
        let (source, copy) = (self.source.clone(), stored.clone());
        // A copy goes to the local disk, which may hang.
        let applied = spawn_blocking(move || source.apply_database(&copy)).await;
        applied.map_err(|error| StorageError::new(StorageErrorKind::Unavailable, error.to_string()))?;
        Ok(stored)
    }

    async fn acknowledge(&self, revision: u64) -> Result<(), StorageError> {
        let (source, now) = (self.source.effective().storage_source(), self.clock.monotonic());
        let is_known = self.state.lock().acknowledged.is_some_and(|(known, known_source, at)| {
            (known, known_source) == (revision, source) && now.saturating_sub(at) < ACKNOWLEDGE_EVERY
        });
        if !is_known {
            self.store.acknowledge(&self.replica, revision, source.as_str()).await?;
            self.state.lock().acknowledged = Some((revision, source, now));
        }
        Ok(())
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

    /// Applies the newest order while the database is away. Makes changes of the orders when it is back.
    async fn look_for_orders(&self, stored: Option<&StoredFlags>) {
        let notes = match self.files.notes(NoteFolder::FlagOrders).await {
            Ok(notes) => notes,
            Err(error) => {
                tracing::debug!(event = "flag_orders_unreadable", %error, "the folder of orders cannot be read");
                Vec::new()
            }
        };
        let mut orders: Vec<Order> = notes.iter().filter_map(|note| self.verified(note)).collect();
        if let Some(held) = self.source.order().filter(|held| orders.iter().all(|order| order.id != held.id))
        {
            orders.push(held);
        }
        orders.sort_by(|one, other| one.id.cmp(&other.id));
        match stored {
            Some(_) => {
                for order in orders {
                    self.import(&order).await;
                }
            }
            None => self.obey(orders.pop()).await,
        }
        self.note_applied().await;
    }

    fn verified(&self, note: &Note) -> Option<Order> {
        let refusal = match Order::verify(&note.bytes, self.secret.as_ref(), self.clock.now()) {
            Ok(order) => return Some(order),
            Err(refusal) => refusal,
        };
        self.log_refusal(&note.name, &refusal);
        None
    }

    fn log_refusal(&self, order: &str, reason: &dyn std::fmt::Display) {
        let mut state = self.state.lock();
        if state.refused.len() < REFUSED_MAX && state.refused.insert(order.to_owned()) {
            tracing::error!(event = "flag_order_refused", order, %reason, "an order to change flags counts for nothing: {reason}");
        }
    }

    /// Lets an order hold. An order whose giver knew less of the database than this process does is left to a person.
    async fn obey(&self, order: Option<Order>) {
        let Some(order) = order else { return };
        let held = self.source.order();
        if held.as_ref().is_some_and(|held| held.id >= order.id) {
            return;
        }
        let known = self.source.effective().database_revision;
        if order.base_revision.zip(known).is_some_and(|(base, known)| base < known) {
            self.log_refusal(&order.id, &"the database's flags were changed after its giver last saw them");
            return;
        }
        tracing::warn!(
            event = "flag_order_applied",
            order = order.id,
            actor = order.actor,
            reason = order.reason,
            "an order to change the storage flags holds until the database is back"
        );
        self.hold(Some(order)).await;
    }

    async fn hold(&self, order: Option<Order>) {
        let source = self.source.clone();
        // The order is kept on the local disk, which may hang.
        if let Ok(Err(refused)) = spawn_blocking(move || source.set_order(order)).await {
            tracing::error!(
                event = "flags_refused",
                "an order to change flags holds in part only: {refused}"
            );
        }
    }

    /// Makes a change of an order, once. Without an answer, the next look tries again.
    async fn import(&self, order: &Order) {
        match self.try_import(order).await {
            Ok(Imported::Settled) => {
                if let Err(error) = self.files.remove_note(NoteFolder::FlagOrders, &order.id).await {
                    tracing::debug!(event = "flag_order_not_removed", order = order.id, %error, "a settled order could not be removed");
                }
                // The database's flags come first, so that no other mode holds in between.
                let applied = self.read_and_apply().await;
                if applied.is_ok() && self.source.order().is_some_and(|held| held.id <= order.id) {
                    self.hold(None).await;
                    self.source.note(|standing| standing.conflict = None);
                }
            }
            Ok(Imported::Contradicted) => {
                let mut is_new = false;
                self.source.note(|standing| {
                    is_new = standing.conflict.replace(order.id.clone()).as_ref() != Some(&order.id);
                });
                if is_new {
                    tracing::error!(
                        event = "flag_order_conflict",
                        order = order.id,
                        actor = order.actor,
                        "the database's flags were changed after an order was given without it; a person must decide: \
                         innovation flags settle {} --keep order|database --reason …",
                        order.id
                    );
                }
            }
            Err(error) => {
                tracing::warn!(event = "flag_order_not_imported", order = order.id, %error, "an order could not be brought to the database; will retry");
            }
        }
    }

    async fn try_import(&self, order: &Order) -> Result<Imported, StorageError> {
        if self.store.has_order(&order.id).await? {
            return Ok(Imported::Settled);
        }
        let stored = self.store.load().await?;
        if contradicts(order, &stored) {
            return Ok(Imported::Contradicted);
        }
        let edits = edits_of(order, stored.revision, self.clock.now());
        let changes = self.store.change(&edits).await?;
        tracing::warn!(
            event = "flag_order_imported",
            order = order.id,
            revision = changes.last().map(|change| change.revision),
            "an order that was given without the database is a change there now"
        );
        Ok(Imported::Settled)
    }

    /// Notes in the file storage what this replica has applied, while an order is in effect.
    async fn note_applied(&self) {
        let now = self.clock.monotonic();
        let order = self.source.order();
        if order.is_none() && self.state.lock().noted.is_none() {
            return;
        }
        let note = ReplicaNote {
            replica: self.replica.clone(),
            at: self.clock.now(),
            mode: self.source.layers().storage(0).mode().as_str().to_owned(),
            order_id: order.as_ref().map(|order| order.id.clone()),
            source: self.source.effective().storage_source().as_str().to_owned(),
        };
        let is_known = self.state.lock().noted.as_ref().is_some_and(|(known, at)| {
            *known == ReplicaNote { at: known.at, ..note.clone() }
                && now.saturating_sub(*at) < ACKNOWLEDGE_EVERY
        });
        if is_known {
            return;
        }
        let name = note_name(&self.replica);
        let done = match (&order, serde_json::to_vec(&note)) {
            (Some(_), Ok(bytes)) => self.files.write_note(NoteFolder::FlagAcks, &name, bytes).await,
            _ => self.files.remove_note(NoteFolder::FlagAcks, &name).await,
        };
        match done {
            Ok(()) => self.state.lock().noted = order.map(|_| (note, now)),
            Err(error) => {
                tracing::debug!(event = "flag_ack_not_written", %error, "the acknowledgement of an order could not be written");
            }
        }
    }
}

/// The result of bringing an order to the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Imported {
    /// It is a change there.
    Settled,
    /// Somebody changed the same flags there meanwhile.
    Contradicted,
}

/// Whether somebody changed a flag of the order in the database, to another value, without the giver's knowledge. Earlier
/// orders of the same outage do not count.
fn contradicts(order: &Order, stored: &StoredFlags) -> bool {
    let base = order.base_revision.unwrap_or(0);
    order.flags.iter().any(|(key, is_on)| {
        stored.flags.iter().any(|flag| {
            let is_of_earlier_order = flag.order_id.as_ref().is_some_and(|earlier| *earlier < order.id);
            flag.key == *key
                && flag.revision > base
                && flag.value != Some(json!(is_on))
                && !is_of_earlier_order
        })
    })
}

/// The changes that an order becomes.
fn edits_of(order: &Order, expected: u64, now: Timestamp) -> FlagEdits {
    let edit = |(key, is_on): (&String, &bool)| FlagEdit {
        key: key.clone(),
        new: Some(json!(is_on)),
        audit: AuditRecord {
            id: uuid::Uuid::now_v7().to_string(),
            at: order.at,
            actor: order.actor.clone(),
            role: order.role.clone(),
            address: order.address.clone(),
            action: "flag.rollback".to_owned(),
            target: key.clone(),
            old: None,
            new: None,
            reason: Some(order.reason.clone()),
            request_id: order.request_id.clone(),
            deployment: order.deployment.clone(),
            imported_at: Some(now),
        },
    };
    FlagEdits { edits: order.flags.iter().map(edit).collect(), expected, order_id: Some(order.id.clone()) }
}

/// The name of a replica's note. A replica may have any name.
fn note_name(replica: &str) -> String {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if (1..=64).contains(&replica.len()) && replica.bytes().all(is_plain) {
        replica.to_owned()
    } else {
        pipeline::record::sha256_hex(replica.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use storage::control_plane::StoredFlag;

    use super::*;

    #[test]
    fn only_unknown_changes_to_other_values_contradict() {
        let order = Order {
            id: "0194-b".to_owned(),
            at: Timestamp::default(),
            flags: [("ENABLE_DATABASE_WRITES".to_owned(), false)].into(),
            base_revision: Some(5),
            actor: "ops".to_owned(),
            role: "operator".to_owned(),
            address: None,
            reason: "a test".to_owned(),
            request_id: None,
            deployment: None,
        };
        let stored = |key: &str, is_on: bool, revision, order_id: Option<&str>| StoredFlags {
            revision,
            flags: vec![StoredFlag {
                key: key.to_owned(),
                value: Some(json!(is_on)),
                revision,
                order_id: order_id.map(str::to_owned),
            }],
        };
        let key = "ENABLE_DATABASE_WRITES";
        assert!(contradicts(&order, &stored(key, true, 6, None)));
        assert!(!contradicts(&order, &stored(key, true, 5, None)), "its giver knew that");
        assert!(!contradicts(&order, &stored(key, false, 6, None)), "it is what the order wants");
        assert!(!contradicts(&order, &stored("ENABLE_FILE_FALLBACK", true, 6, None)));
        assert!(!contradicts(&order, &stored(key, true, 6, Some("0194-a"))), "an earlier order");
        assert!(contradicts(&order, &stored(key, true, 6, Some("0194-c"))), "a later order");
    }

    #[test]
    fn notes_have_safe_names() {
        assert_eq!(note_name("replica-1"), "replica-1");
        for odd in ["", "../x", "a/b", ".x", &"x".repeat(65)] {
            assert_eq!(note_name(odd).len(), 64, "{odd:?}");
        }
    }
}
