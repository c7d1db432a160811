//! Planted quotes: fakes that the look-up must refuse, and true ones that it must find.

use serde::Deserialize;

use super::figures::PlantFigures;
use crate::{
    document::Document,
    grounding::{self, PageIndex},
    stages::{Category, Direction, Evidence, QuoteStatus, SignalAmplification, StageOutput, Strength, Trend},
};

/// The planted quotes of one document of the set.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plants {
    /// The document's file, from the folder of the set.
    pub file: String,
    pub fakes: Vec<Plant>,
    pub truths: Vec<Plant>,
}

/// A planted quote.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plant {
    pub quote: String,
    pub page: u32,
    /// The change, for people.
    #[serde(default)]
    pub change: String,
}

impl Plants {
    /// The name of the document in tables.
    #[must_use]
    pub fn name(&self) -> &str {
        self.file.rsplit('/').next().unwrap_or(&self.file)
    }
}

/// Looks the planted quotes up, as if an analyst had cited them.
#[must_use]
pub fn check_plants(document: &Document, plants: &Plants) -> PlantFigures {
    let index = PageIndex::new(document);
    let is_verified = |plant: &Plant| {
        let status = status(&index, plant);
        matches!(status, Some(QuoteStatus::Verbatim | QuoteStatus::Near | QuoteStatus::WrongPage))
    };
    let (caught, missed): (Vec<&Plant>, Vec<&Plant>) =
        plants.fakes.iter().partition(|fake| !is_verified(fake));
    let (found, lost): (Vec<&Plant>, Vec<&Plant>) =
        plants.truths.iter().partition(|truth| is_verified(truth));
    PlantFigures {
        document: plants.name().to_owned(),
        fakes: plants.fakes.len(),
        fakes_caught: caught.len(),
        truths: plants.truths.len(),
        truths_found: found.len(),
        wrong: missed.into_iter().chain(lost).map(|plant| plant.quote.clone()).collect(),
    }
}

fn status(index: &PageIndex, plant: &Plant) -> Option<QuoteStatus> {
    let trend = Trend {
        id: "T1".to_owned(),
        name: "A planted quote".to_owned(),
        category: Category::Behavioral,
        strength: Strength::Low,
        strength_rationale: "It is planted.".to_owned(),
        direction: Direction::Stable,
        inspirations: Vec::new(),
        evidence: vec![Evidence::cited(plant.quote.as_str(), plant.page)],
    };
    let mut output = StageOutput::SignalAmplification(SignalAmplification { trends: vec![trend] });
    grounding::look_up_quotes(&mut output, index);
    output.evidence_mut().first().and_then(|evidence| evidence.status)
}
