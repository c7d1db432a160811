//! The four stages: what each must answer, the schema it is held to, and the checks that tie it to the
//! stages before it.
//!
//! One file a stage. [`schema`] makes two JSON Schemas of each answer's type: one that is sent, in the keywords that every
//! provider's strict mode accepts, and one with bounds, against which the answer is checked.

pub mod brand_contextualization;
mod earlier;
pub mod general_translation;
pub mod input_processing;
pub mod references;
pub mod schema;
pub mod signal_amplification;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use brand_contextualization::{
    BrandContextualization, Effort, Horizon, OPPORTUNITIES, Opportunity, ProfileField, ProfileLink,
};
pub use earlier::Earlier;
pub use general_translation::{GeneralTranslation, JobToBeDone, Lesson};
pub use input_processing::{InputProcessing, Inspiration};
pub use signal_amplification::{Category, Direction, SignalAmplification, Strength, Trend};

use crate::run::Stage;

/// A quote from the document, with the page it stands on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Word for word from the document.
    #[schemars(length(min = 1, max = 600))]
    pub quote: String,
    /// The page's number, from 1.
    #[serde(deserialize_with = "whole_number")]
    #[schemars(range(min = 1, max = 2000))]
    pub page: u32,
    /// Set by [`crate::grounding`], never by whoever answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("readOnly" = true))]
    pub status: Option<QuoteStatus>,
}

/// Any integer of JSON Schema, which counts `1.0` and `1e30` among them, cut to the range of the type. Bounds are the
/// checked schema's business: this only keeps an answer from being lost for the spelling of a number.
fn whole_number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let number = serde_json::Number::deserialize(deserializer)?;
    if let Some(number) = number.as_u64() {
        return Ok(u32::try_from(number).unwrap_or(u32::MAX));
    }
    match number.as_f64() {
        // A cast from a float saturates.
        Some(float) if float.fract() == 0.0 => Ok(float as u32),
        _ => Err(serde::de::Error::custom("is no whole number")),
    }
}

/// What the look-up of a quote found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum QuoteStatus {
    /// Stands on the cited page, up to white space, ligatures, hyphenation and quotation marks.
    Verbatim,
    /// Stands on a page within the stated edit distance; the quote was replaced by the document's words.
    Near,
    /// Stands on another page; the page was corrected.
    WrongPage,
    /// Stands nowhere: kept here for the record, dropped from the report, counted.
    Absent,
}

impl QuoteStatus {
    /// Whether the document holds the quote.
    #[must_use]
    pub const fn is_verified(self) -> bool {
        !matches!(self, Self::Absent)
    }
}

/// The typed answer of one stage.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum StageOutput {
    InputProcessing(InputProcessing),
    SignalAmplification(SignalAmplification),
    GeneralTranslation(GeneralTranslation),
    BrandContextualization(BrandContextualization),
}

impl StageOutput {
    #[must_use]
    pub const fn stage(&self) -> Stage {
        match self {
            Self::InputProcessing(_) => Stage::InputProcessing,
            Self::SignalAmplification(_) => Stage::SignalAmplification,
            Self::GeneralTranslation(_) => Stage::GeneralTranslation,
            Self::BrandContextualization(_) => Stage::BrandContextualization,
        }
    }

    /// How many inspirations, trends, lessons or opportunities it holds.
    #[must_use]
    pub const fn item_count(&self) -> usize {
        match self {
            Self::InputProcessing(out) => out.inspirations.len(),
            Self::SignalAmplification(out) => out.trends.len(),
            Self::GeneralTranslation(out) => out.lessons.len(),
            Self::BrandContextualization(out) => out.opportunities.len(),
        }
    }

    /// Reads the answer of `stage` from JSON that already satisfies the stage's schema.
    pub fn from_json(stage: Stage, value: serde_json::Value) -> Result<Self, serde_json::Error> {
        Ok(match stage {
            Stage::InputProcessing => Self::InputProcessing(serde_json::from_value(value)?),
            Stage::SignalAmplification => Self::SignalAmplification(serde_json::from_value(value)?),
            Stage::GeneralTranslation => Self::GeneralTranslation(serde_json::from_value(value)?),
            Stage::BrandContextualization => Self::BrandContextualization(serde_json::from_value(value)?),
        })
    }

    /// Numbers the items (`I1`, `T1`, `L1`, `O1` …), so that later stages can refer to them.
    pub fn assign_ids(&mut self) {
        match self {
            Self::InputProcessing(out) => {
                number_items("I", out.inspirations.iter_mut().map(|item| &mut item.id))
            }
            Self::SignalAmplification(out) => {
                number_items("T", out.trends.iter_mut().map(|item| &mut item.id))
            }
            Self::GeneralTranslation(out) => {
                number_items("L", out.lessons.iter_mut().map(|item| &mut item.id))
            }
            Self::BrandContextualization(out) => {
                number_items("O", out.opportunities.iter_mut().map(|item| &mut item.id));
            }
        }
    }

    /// Every piece of evidence in the answer.
    pub fn evidence_mut(&mut self) -> Vec<&mut Evidence> {
        match self {
            Self::InputProcessing(out) => {
                out.inspirations.iter_mut().flat_map(|item| &mut item.evidence).collect()
            }
            Self::SignalAmplification(out) => {
                out.trends.iter_mut().flat_map(|item| &mut item.evidence).collect()
            }
            Self::GeneralTranslation(_) | Self::BrandContextualization(_) => Vec::new(),
        }
    }
}

fn number_items<'a>(prefix: &str, ids: impl Iterator<Item = &'a mut String>) {
    for (index, id) in ids.enumerate() {
        *id = format!("{prefix}{}", index + 1);
    }
}

/// The outputs of the stages that have run so far; what a later stage reads.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outputs {
    pub inspirations: Option<InputProcessing>,
    pub trends: Option<SignalAmplification>,
    pub lessons: Option<GeneralTranslation>,
    pub context: Option<BrandContextualization>,
}

impl Outputs {
    /// Takes in the output of one stage.
    pub fn insert(&mut self, output: StageOutput) {
        match output {
            StageOutput::InputProcessing(out) => self.inspirations = Some(out),
            StageOutput::SignalAmplification(out) => self.trends = Some(out),
            StageOutput::GeneralTranslation(out) => self.lessons = Some(out),
            StageOutput::BrandContextualization(out) => self.context = Some(out),
        }
    }

    /// The inspirations, empty before stage 1 has run.
    #[must_use]
    pub fn inspirations(&self) -> &[Inspiration] {
        self.inspirations.as_ref().map_or(&[], |out| &out.inspirations)
    }

    /// The trends, empty before stage 2 has run.
    #[must_use]
    pub fn trends(&self) -> &[Trend] {
        self.trends.as_ref().map_or(&[], |out| &out.trends)
    }

    /// The lessons, empty before stage 3 has run.
    #[must_use]
    pub fn lessons(&self) -> &[Lesson] {
        self.lessons.as_ref().map_or(&[], |out| &out.lessons)
    }

    /// The opportunities, empty before stage 4 has run.
    #[must_use]
    pub fn opportunities(&self) -> &[Opportunity] {
        self.context.as_ref().map_or(&[], |out| &out.opportunities)
    }
}
