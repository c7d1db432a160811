//! Settles an order that the database contradicts.

use serde_json::json;
use storage::files::NoteFolder;

use crate::audit::Actor;

use super::{
    control::{FlagControl, FlagError},
    definitions::find,
    order::Order,
    parse,
};

impl FlagControl {
    /// Decides about an order that the database contradicts: the order becomes a change, or the database's flags stay.
    ///
    /// # Errors
    ///
    /// [`FlagError::NoOrder`] if no such order is open here, and those of [`FlagControl::set`].
    pub async fn settle(
        &self,
        order_id: &str,
        keeps_order: bool,
        reason: &str,
        by: &Actor,
    ) -> Result<u64, FlagError> {
        let order = self.open_order(order_id).await?;
        let stored = self.refresh().await?;
        let mut edits = Vec::new();
        for (key, is_on) in &order.flags {
            let flag = find(key).ok_or_else(|| FlagError::Unknown(key.clone()))?;
            let in_database =
                stored.flags.iter().find(|flag| flag.key == *key).and_then(|flag| flag.value.clone());
            let value = if keeps_order { Some(json!(is_on)) } else { in_database };
            edits.push((flag, value.and_then(|json| parse::of_json(flag, &json))));
        }
        let changes = self.edit(&edits, "flag.settle", reason, None, Some(order_id), by).await?;
        Ok(changes.last().map_or(0, |change| change.revision))
    }

    async fn open_order(&self, order_id: &str) -> Result<Order, FlagError> {
        if let Some(held) = self.source.order().filter(|held| held.id == order_id) {
            return Ok(held);
        }
        let mut notes = self.files.notes(NoteFolder::FlagOrders).await?;
        // An order that a conflict has kept open for a day lies there.
        notes.extend(self.files.notes(NoteFolder::FlagRefused).await?);
        let note = notes.iter().find(|note| note.name == order_id);
        let order = note.and_then(|note| {
            // A person looks at it now, so its age does not count.
            Order::verify_at_any_age(&note.bytes, self.secret.as_ref()).ok()
        });
        order.ok_or_else(|| FlagError::NoOrder(order_id.to_owned()))
    }
}
