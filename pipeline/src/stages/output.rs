//! The typed answer of one stage.

use serde::{Deserialize, Deserializer, Serialize};

use super::{
    brand_contextualization::BrandContextualization, evidence::Evidence,
    general_translation::GeneralTranslation, input_processing::InputProcessing,
    signal_amplification::SignalAmplification,
};
use crate::run::Stage;

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
    ///
    /// # Errors
    ///
    /// The JSON does not have the form of the stage's answer.
    pub fn from_json(stage: Stage, value: serde_json::Value) -> Result<Self, serde_json::Error> {
        Self::read(stage, value)
    }

    /// As [`StageOutput::from_json`], from JSON in any form.
    pub(crate) fn read<'de, D: Deserializer<'de>>(stage: Stage, json: D) -> Result<Self, D::Error> {
        Ok(match stage {
            Stage::InputProcessing => Self::InputProcessing(Deserialize::deserialize(json)?),
            Stage::SignalAmplification => Self::SignalAmplification(Deserialize::deserialize(json)?),
            Stage::GeneralTranslation => Self::GeneralTranslation(Deserialize::deserialize(json)?),
            Stage::BrandContextualization => Self::BrandContextualization(Deserialize::deserialize(json)?),
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
