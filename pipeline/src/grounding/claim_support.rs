//! The support of one claim by its evidence.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How far the quotes that a claim cites carry it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Support {
    /// The quotes say something else, or nothing of it.
    Unsupported,
    /// The quotes say a part of it.
    Partly,
    /// The quotes say it, with its numbers and names.
    Supported,
}

impl Support {
    /// The word for people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Supported => "supported",
            Self::Partly => "partly supported",
            Self::Unsupported => "unsupported",
        }
    }
}

/// The support of one claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClaimSupport {
    /// The id of the item (`I1`), or `brand_context`.
    pub item: String,
    /// The name of the item's field.
    pub field: String,
    pub support: Support,
}
