//! Orders that count for nothing: each is logged once, and what nobody may ever obey is set aside.

use storage::{
    StorageError,
    files::{Note, NoteFolder},
};

use super::{order::Order, sync::FlagSync};

/// How many refused orders are remembered, so that each is logged once.
const REFUSED_MAX: usize = 200;

/// How many orders are kept aside, for a person who wants to know what they said.
const KEPT_MAX: usize = 20;

impl FlagSync {
    /// The order of a note, if it counts.
    pub(super) async fn verified(&self, note: &Note) -> Option<Order> {
        let now = self.clock.now();
        let refusal = match Order::verify(&note.bytes, self.secret.as_ref(), now) {
            Ok(order) => return Some(order),
            Err(refusal) => refusal,
        };
        // A wrong signature may be the fault of the secret here, and another replica may obey the order.
        if !Order::is_over(&note.bytes, now) {
            self.log_refusal(&note.name, &refusal);
            return None;
        }
        match self.set_aside(note).await {
            Ok(()) => log(&note.name, &refusal, true),
            Err(error) => {
                tracing::debug!(event = "flag_order_not_removed", order = note.name, %error, "a refused order could not be set aside; will retry");
            }
        }
        None
    }

    pub(super) fn log_refusal(&self, order: &str, reason: &dyn std::fmt::Display) {
        let mut state = self.state.lock();
        if state.refused.len() < REFUSED_MAX && state.refused.insert(order.to_owned()) {
            log(order, reason, false);
        }
    }

    async fn set_aside(&self, note: &Note) -> Result<(), StorageError> {
        self.files.move_note(NoteFolder::FlagOrders, NoteFolder::FlagRefused, note).await?;
        let kept = self.files.notes(NoteFolder::FlagRefused).await?;
        for oldest in kept.iter().take(kept.len().saturating_sub(KEPT_MAX)) {
            self.files.remove_note(NoteFolder::FlagRefused, &oldest.name).await?;
        }
        Ok(())
    }
}

fn log(order: &str, reason: &dyn std::fmt::Display, set_aside: bool) {
    tracing::error!(event = "flag_order_refused", order, %reason, set_aside, "an order to change flags counts for nothing: {reason}");
}
