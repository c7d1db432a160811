//! Stage 2: the trends behind the inspirations.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::evidence::Evidence;

/// The answer of stage 2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(description = "What stage 2 answers.")]
pub struct SignalAmplification {
    #[schemars(length(min = 1, max = 6))]
    pub trends: Vec<Trend>,
}

/// A trend, how strong the document shows it to be, and where it is heading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Trend {
    /// `T1`, `T2` …: given by the pipeline.
    #[serde(default)]
    #[schemars(extend("readOnly" = true))]
    pub id: String,
    #[schemars(length(min = 3, max = 160))]
    pub name: String,
    pub category: Category,
    pub strength: Strength,
    /// Why this strength: what in the document speaks for it.
    #[schemars(length(min = 10, max = 1000))]
    pub strength_rationale: String,
    pub direction: Direction,
    /// Ids of the inspirations that show the trend (`I1` …).
    #[schemars(length(min = 0, max = 5), inner(length(min = 1, max = 8)))]
    pub inspirations: Vec<String>,
    #[schemars(length(min = 1, max = 6))]
    pub evidence: Vec<Evidence>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Category {
    Behavioral,
    Technological,
    Cultural,
    Economic,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Strength {
    High,
    Medium,
    Low,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Direction {
    Emerging,
    Growing,
    Stable,
    Declining,
}
