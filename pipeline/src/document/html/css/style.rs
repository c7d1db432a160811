//! The style of one element.

use super::property::{PROPERTIES, Property, Value};

/// The declarations that hold for an element, each with its rank in the cascade.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::document::html) struct Style([Option<(u64, Value)>; PROPERTIES]);

impl Style {
    pub(in crate::document::html) fn get(&self, property: Property) -> Option<Value> {
        self.0.get(property as usize).copied().flatten().map(|(_, value)| value)
    }

    pub(in crate::document::html) fn is(&self, property: Property) -> bool {
        self.get(property) == Some(Value::Yes)
    }

    pub(super) fn set(&mut self, rank: u64, property: Property, value: Value) {
        if let Some(slot) = self.0.get_mut(property as usize)
            && slot.is_none_or(|(other, _)| other <= rank)
        {
            *slot = Some((rank, value));
        }
    }
}
