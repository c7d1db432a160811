//! The numbers of the document's texts, against which those of claims are compared.

use std::collections::{HashMap, HashSet};

use super::{
    directions::Direction,
    number_units::Unit,
    number_value::Value,
    numbers::{self, Number},
};

/// The numbers that stand in some texts.
#[derive(Debug, Default)]
pub(super) struct NumberSet {
    values: HashMap<Value, HashSet<(Unit, Option<Direction>)>>,
}

/// How a claim's number relates to the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Stands,
    /// It stands there, but everywhere for a change in the other direction.
    Reversed,
    Missing,
}

impl NumberSet {
    pub(super) fn add(&mut self, text: &str) {
        for number in numbers::in_document(text) {
            for value in number.values.iter().chain(&number.parts) {
                self.values.entry(value.clone()).or_default().insert((number.unit, number.direction));
            }
        }
    }
}

/// How a number relates to the texts of some sets. A number without a unit matches any unit, because a table has
/// its `%` in the heading.
pub(super) fn standing(sets: &[&NumberSet], number: &Number) -> Standing {
    let is_unit = |unit: Unit| number.unit == Unit::None || unit == Unit::None || unit == number.unit;
    let places = |value: &Value| -> Vec<Option<Direction>> {
        let found = sets.iter().filter_map(|set| set.values.get(value)).flatten();
        found.filter(|(unit, _)| is_unit(*unit)).map(|(_, direction)| *direction).collect()
    };
    let directions: Vec<Option<Direction>> = number.values.iter().flat_map(places).collect();
    let is_reversed = number.direction.is_some()
        && directions.iter().all(|direction| direction.is_some() && *direction != number.direction);
    if !directions.is_empty() {
        return if is_reversed { Standing::Reversed } else { Standing::Stands };
    }
    let has_parts = !number.parts.is_empty() && number.parts.iter().all(|part| !places(part).is_empty());
    if has_parts { Standing::Stands } else { Standing::Missing }
}
