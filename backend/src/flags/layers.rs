//! The sources of a flag's value, one above the other.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use storage::mode::Flags;

use super::{
    definitions::{ALL, DATABASE_WRITES, Definition, FILE_FALLBACK},
    value::Value,
};

/// Values by the flag's key.
pub type Values = BTreeMap<&'static str, Value>;

/// Where a value comes from. The first that has one wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// `FLAGS_FILE`
    File,
    /// An order that was given while the database was away, until it has become a change there.
    Order,
    Database,
    Environment,
    Default,
}

impl Source {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Order => "order",
            Self::Database => "database",
            Self::Environment => "environment",
            Self::Default => "default",
        }
    }
}

/// A flag, its value, and where the value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    pub flag: &'static Definition,
    pub value: Value,
    pub source: Source,
}

/// The values of each source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layers {
    pub file: Values,
    pub order: Values,
    pub database: Values,
    pub environment: Values,
}

impl Layers {
    #[must_use]
    pub fn read(&self, flag: &'static Definition) -> Reading {
        let layers = [
            (&self.file, Source::File),
            (&self.order, Source::Order),
            (&self.database, Source::Database),
            (&self.environment, Source::Environment),
        ];
        let found = layers.into_iter().find_map(|(values, source)| Some((*values.get(flag.key)?, source)));
        let (value, source) = found.unwrap_or((flag.default, Source::Default));
        Reading { flag, value, source }
    }

    /// Every flag, in the order of the definitions.
    #[must_use]
    pub fn read_all(&self) -> Vec<Reading> {
        ALL.into_iter().map(|flag| self.read(flag)).collect()
    }

    /// The storage flags, at these revisions.
    #[must_use]
    pub fn storage(&self, revision: u64, database_revision: Option<u64>) -> Flags {
        Flags {
            database_writes: self.read(&DATABASE_WRITES).value.is_on(),
            file_fallback: self.read(&FILE_FALLBACK).value.is_on(),
            revision,
            database_revision,
        }
    }

    /// Whether these layers would switch off all storage. The environment alone may say so.
    #[must_use]
    pub fn switch_off_storage(&self) -> bool {
        let is_deliberate = [&DATABASE_WRITES, &FILE_FALLBACK]
            .into_iter()
            .all(|flag| matches!(self.read(flag).source, Source::Environment | Source::Default));
        self.storage(0, None).accepts_nothing() && !is_deliberate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_source_with_a_value_wins() {
        let values = |is_on| Values::from([(DATABASE_WRITES.key, Value::Boolean(is_on))]);
        let mut layers = Layers::default();
        let read = |layers: &Layers| {
            let reading = layers.read(&DATABASE_WRITES);
            (reading.value.is_on(), reading.source)
        };
        assert_eq!(read(&layers), (true, Source::Default));
        layers.environment = values(false);
        assert_eq!(read(&layers), (false, Source::Environment));
        layers.database = values(true);
        assert_eq!(read(&layers), (true, Source::Database));
        layers.order = values(false);
        assert_eq!(read(&layers), (false, Source::Order));
        layers.file = values(true);
        assert_eq!(read(&layers), (true, Source::File));
    }

    #[test]
    fn only_the_environment_may_switch_storage_off() {
        let off = Values::from([
            (DATABASE_WRITES.key, Value::Boolean(false)),
            (FILE_FALLBACK.key, Value::Boolean(false)),
        ]);
        assert!(!Layers { environment: off.clone(), ..Layers::default() }.switch_off_storage());
        assert!(Layers { database: off.clone(), ..Layers::default() }.switch_off_storage());
        let half = Values::from([(DATABASE_WRITES.key, Value::Boolean(false))]);
        let rest = Values::from([(FILE_FALLBACK.key, Value::Boolean(false))]);
        assert!(Layers { database: half, environment: rest, ..Layers::default() }.switch_off_storage());
    }
}
