//! The golden set: documents, brands and planted quotes.

use serde::Deserialize;

use super::plants::Plants;

/// The golden set, as `data/eval/set.json` describes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluationSet {
    /// A sentence for people.
    #[serde(default)]
    pub about: String,
    /// Ids of brand profiles.
    pub brands: Vec<String>,
    pub documents: Vec<Plants>,
}
