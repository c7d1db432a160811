//! Stage 4: opportunities for one brand.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::brand::ProfileField;

/// How many opportunities a run yields. The frontend has a place for each, and warns if one is missing.
pub const OPPORTUNITIES: usize = 5;

/// From this many lessons on, an answer must have all opportunities.
const LESSONS_FOR_ALL: usize = 3;

/// The answer of stage 4.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(description = "What stage 4 answers.")]
pub struct BrandContextualization {
    /// The facts about the brand that decided the choice.
    #[schemars(description = "What about the brand mattered for the choice.")]
    #[schemars(length(min = 10, max = 2000))]
    pub brand_context: String,
    #[schemars(length(min = 3, max = 5))]
    pub opportunities: Vec<Opportunity>,
}

impl BrandContextualization {
    /// A violation that the schema cannot state: too few opportunities for the lessons that the document carries.
    #[must_use]
    pub fn too_few(&self, lessons: usize) -> Option<String> {
        let count = self.opportunities.len();
        (lessons >= LESSONS_FOR_ALL && count < OPPORTUNITIES).then(|| {
            format!("/opportunities: has {count} items, must have {OPPORTUNITIES}: the document carries {lessons} lessons")
        })
    }

    /// The note for an answer to fewer lessons than its opportunities need.
    #[must_use]
    pub fn shared_lessons(&self, lessons: usize) -> Option<String> {
        let count = self.opportunities.len();
        (lessons < LESSONS_FOR_ALL).then(|| {
            let noun = if lessons == 1 { "lesson" } else { "lessons" };
            format!(
                "The document carries {lessons} {noun}, fewer than {LESSONS_FOR_ALL}: several of the {count} \
                 opportunities share a lesson."
            )
        })
    }
}

/// Something the brand could do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Opportunity {
    /// `O1`, `O2` …: given by the pipeline.
    #[serde(default)]
    #[schemars(extend("readOnly" = true))]
    pub id: String,
    #[schemars(length(min = 3, max = 160))]
    pub title: String,
    #[schemars(length(min = 10, max = 1500))]
    pub pitch: String,
    #[schemars(length(min = 10, max = 1500))]
    pub why_this_brand: String,
    /// The entries of the brand's profile that it builds on, word for word.
    #[schemars(description = "What in the brand's profile it builds on, word for word.")]
    #[schemars(length(min = 1, max = 6))]
    pub profile_links: Vec<ProfileLink>,
    #[schemars(length(min = 1, max = 5), inner(length(min = 1, max = 300)))]
    pub target_customers: Vec<String>,
    #[schemars(length(min = 1, max = 6), inner(length(min = 1, max = 500)))]
    pub first_steps: Vec<String>,
    #[schemars(length(min = 1, max = 5), inner(length(min = 1, max = 500)))]
    pub risks: Vec<String>,
    pub effort: Effort,
    pub horizon: Horizon,
    /// Ids of the lessons it uses (`L1` …).
    #[schemars(length(min = 1, max = 7), inner(length(min = 1, max = 8)))]
    pub lessons: Vec<String>,
}

/// One entry of the brand's profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProfileLink {
    pub field: ProfileField,
    /// The entry as the profile has it.
    #[schemars(length(min = 1, max = 500))]
    pub entry: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Effort {
    Low,
    Medium,
    High,
}

/// When the opportunity could reach customers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Horizon {
    /// Within six months.
    Now,
    /// Within six to eighteen months.
    Next,
    /// Later than that.
    Later,
}
