//! Orders that were given while the database was away: applied, acknowledged, and brought to the database.

use pipeline::clock::Timestamp;
use serde_json::json;
use storage::{
    StorageError,
    control_plane::{AuditRecord, FlagEdit, FlagEdits, StoredFlags},
    files::NoteFolder,
};
use tokio::task::spawn_blocking;

use super::{
    order::Order,
    sync::{ACKNOWLEDGE_EVERY, FlagSync, ReplicaNote},
};

impl FlagSync {
    /// Applies the newest order while the database is away. Makes changes of the orders when it is back.
    pub(super) async fn look_for_orders(&self, stored: Option<&StoredFlags>) {
        let notes = match self.files.notes(NoteFolder::FlagOrders).await {
            Ok(notes) => notes,
            Err(error) => {
                tracing::debug!(event = "flag_orders_unreadable", %error, "the folder of orders cannot be read");
                Vec::new()
            }
        };
        let mut orders = Vec::new();
        for note in &notes {
            orders.extend(self.verified(note).await);
        }
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
            mode: self.source.layers().storage(0, None).mode().as_str().to_owned(),
            order_id: order.as_ref().map(|order| order.id.clone()),
            source: self.source.effective().storage_source().as_str().to_owned(),
        };
        let is_known = self.state.lock().noted.as_ref().is_some_and(|(known, at)| {
            *known == ReplicaNote { at: known.at, ..note.clone() }
                && now.saturating_sub(*at) < ACKNOWLEDGE_EVERY
        });
        if is_known
            || !self.is_mirror_written(self.source.effective().database_revision.unwrap_or_default()).await
        {
            return;
        }
        let name = note_name(&self.replica);
        let done = match (&order, serde_json::to_vec(&note)) {
            (Some(_), Ok(bytes)) => self.files.write_note(NoteFolder::FlagAcks, &name, bytes).await,
            _ => self.remove_notes(&name).await,
        };
        match done {
            Ok(()) => self.state.lock().noted = order.map(|_| (note, now)),
            Err(error) => {
                tracing::debug!(event = "flag_ack_not_written", %error, "the acknowledgement of an order could not be written");
            }
        }
    }

    /// Removes this replica's note when no order holds any more, and those of replicas that ended before they could.
    async fn remove_notes(&self, name: &str) -> Result<(), StorageError> {
        let now = self.clock.now();
        for note in self.files.notes(NoteFolder::FlagAcks).await? {
            let read = serde_json::from_slice::<ReplicaNote>(&note.bytes);
            let is_live = read.is_ok_and(|note| note.is_live(now));
            if !is_live {
                self.files.remove_note(NoteFolder::FlagAcks, &note.name).await?;
            }
        }
        self.files.remove_note(NoteFolder::FlagAcks, name).await
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
            action: "flag.rollback".to_owned(),
            target: key.clone(),
            imported_at: Some(now),
            ..order.record()
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
