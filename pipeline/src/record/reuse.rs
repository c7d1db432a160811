//! The earlier run whose answer a record reuses.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{clock::Timestamp, run::RunId};

/// The earlier run whose answer a record reuses. It belongs to the same owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reuse {
    /// The run that asked the model.
    pub reused_from: RunId,
    /// The time of the model's answer, in milliseconds at most, so that it is read back as it was written.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub answered_at: Timestamp,
}
