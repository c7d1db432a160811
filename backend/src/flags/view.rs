//! The flags as people and programs see them.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value as Json;
use storage::control_plane::ReplicaAck;

use super::{
    definitions::{Category, Kind},
    layers::{Reading, Source},
    source::FlagSource,
};

/// Whether the database's flags can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DatabaseWord {
    Reachable,
    /// The last known flags apply.
    Away,
    /// There is none, or nobody has looked yet.
    None,
}

/// One flag.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct FlagView {
    pub key: &'static str,
    /// True, false, or the share of the runs from 0 to 100.
    pub value: Json,
    pub source: Source,
    pub kind: Kind,
    pub default: Json,
    pub category: Category,
    pub description: &'static str,
    pub owner: &'static str,
    /// The first version that has it.
    pub since: &'static str,
    /// Its variable in the environment.
    pub variable: &'static str,
}

/// All flags of one replica, and what it knows of the others.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct FlagListing {
    pub flags: Vec<FlagView>,
    /// The number of changes that this process has seen. The records of stages name it.
    pub revision: u64,
    /// The revision in the database. A change names it as `expected_revision`.
    pub database_revision: Option<u64>,
    pub database: DatabaseWord,
    /// An order that holds until the database is back.
    pub order_id: Option<String>,
    /// The problem of the sources, while there is one.
    pub alarm: Option<String>,
    /// The live replicas, and the revision that each has applied.
    pub replicas: Vec<ReplicaAck>,
}

impl FlagView {
    #[must_use]
    pub fn of(reading: &Reading) -> Self {
        let flag = reading.flag;
        Self {
            key: flag.key,
            value: reading.value.to_json(),
            source: reading.source,
            kind: flag.kind,
            default: flag.default.to_json(),
            category: flag.category,
            description: flag.description,
            owner: flag.owner,
            since: flag.since,
            variable: flag.variable,
        }
    }
}

impl FlagListing {
    /// The knowledge of this process now.
    #[must_use]
    pub fn of(source: &FlagSource) -> Self {
        let (effective, standing) = (source.effective(), source.standing());
        Self {
            flags: effective.readings.iter().map(FlagView::of).collect(),
            revision: effective.revision,
            database_revision: effective.database_revision,
            database: match standing.is_reachable {
                Some(true) => DatabaseWord::Reachable,
                Some(false) => DatabaseWord::Away,
                None => DatabaseWord::None,
            },
            order_id: source.order().map(|order| order.id),
            alarm: source.public_alarm(),
            replicas: standing.replicas,
        }
    }

    /// The live replicas that have not applied the newest revision.
    #[must_use]
    pub fn behind(&self) -> Vec<&str> {
        let newest = self.replicas.iter().filter_map(|replica| replica.revision).max();
        let newest = newest.max(self.database_revision);
        let behind = self.replicas.iter().filter(|replica| replica.revision < newest);
        behind.map(|replica| replica.replica.as_str()).collect()
    }
}
