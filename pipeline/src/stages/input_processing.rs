//! Stage 1: the cases of the document that are worth transferring.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::evidence::Evidence;

/// The answer of stage 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(description = "What stage 1 answers.")]
pub struct InputProcessing {
    #[schemars(length(min = 2, max = 5))]
    pub inspirations: Vec<Inspiration>,
}

/// One case or idea of the document, and the pattern in it that can be transferred.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Inspiration {
    /// `I1`, `I2` …: given by the pipeline.
    #[serde(default)]
    #[schemars(extend("readOnly" = true))]
    pub id: String,
    #[schemars(length(min = 3, max = 160))]
    pub title: String,
    #[schemars(length(min = 10, max = 1500))]
    pub summary: String,
    /// The transferable pattern: what makes it work.
    #[schemars(length(min = 10, max = 1000))]
    pub mechanism: String,
    #[schemars(length(min = 1, max = 8), inner(length(min = 1, max = 300)))]
    pub key_elements: Vec<String>,
    #[schemars(length(min = 1, max = 6))]
    pub evidence: Vec<Evidence>,
}
