//! The outputs of the stages that have run so far.

use super::{
    brand_contextualization::{BrandContextualization, Opportunity},
    general_translation::{GeneralTranslation, Lesson},
    input_processing::{InputProcessing, Inspiration},
    output::StageOutput,
    signal_amplification::{SignalAmplification, Trend},
};

/// The outputs of the stages that have run so far, which later stages read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outputs {
    pub inspirations: Option<InputProcessing>,
    pub trends: Option<SignalAmplification>,
    pub lessons: Option<GeneralTranslation>,
    pub context: Option<BrandContextualization>,
}

impl Outputs {
    /// Adds the output of one stage.
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
