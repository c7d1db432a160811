//! Stage 3: lessons free of the industry they come from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The answer of stage 3.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(description = "What stage 3 answers.")]
pub struct GeneralTranslation {
    #[schemars(length(min = 1, max = 7))]
    pub lessons: Vec<Lesson>,
}

/// A principle that holds outside the industry in which it was observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lesson {
    /// `L1`, `L2` …: given by the pipeline.
    #[serde(default)]
    #[schemars(extend("readOnly" = true))]
    pub id: String,
    #[schemars(length(min = 3, max = 160))]
    pub title: String,
    #[schemars(length(min = 10, max = 800))]
    pub principle: String,
    #[schemars(length(min = 10, max = 1000))]
    pub why_it_works: String,
    pub job_to_be_done: JobToBeDone,
    #[schemars(length(min = 1, max = 8), inner(length(min = 1, max = 120)))]
    pub transfers_to: Vec<String>,
    #[schemars(length(min = 0, max = 6), inner(length(min = 1, max = 400)))]
    pub constraints_removed: Vec<String>,
    /// Ids of the inspirations that taught it (`I1` …).
    #[schemars(length(min = 1, max = 5), inner(length(min = 1, max = 8)))]
    pub inspirations: Vec<String>,
    /// Ids of the trends that carry it (`T1` …).
    #[schemars(length(min = 0, max = 6), inner(length(min = 1, max = 8)))]
    pub trends: Vec<String>,
}

/// The jobs for which people "hire" such a thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(description = "What people hire such a thing for.")]
pub struct JobToBeDone {
    #[schemars(length(min = 1, max = 500))]
    pub functional: String,
    /// Null where the document does not tell.
    #[schemars(length(min = 1, max = 500))]
    pub emotional: Option<String>,
    /// Null where the document does not tell.
    #[schemars(length(min = 1, max = 500))]
    pub social: Option<String>,
}
