//! The four stages: the answer of each, the schema that it must satisfy, and the checks of its references to
//! earlier stages.
//!
//! Each stage has a file. [`schema`] makes two JSON Schemas of each answer's type. Providers get one in
//! keywords that every strict mode accepts. The other has bounds, and checks the answer.

pub mod brand_contextualization;
mod evidence;
pub mod general_translation;
pub mod input_processing;
mod output;
mod outputs;
pub mod references;
pub mod schema;
pub mod signal_amplification;

pub use self::{
    brand_contextualization::{
        BrandContextualization, Effort, Horizon, OPPORTUNITIES, Opportunity, ProfileLink,
    },
    evidence::{Evidence, QuoteArea, QuoteStatus},
    general_translation::{GeneralTranslation, JobToBeDone, Lesson},
    input_processing::{InputProcessing, Inspiration},
    output::StageOutput,
    outputs::Outputs,
    signal_amplification::{Category, Direction, SignalAmplification, Strength, Trend},
};
pub use crate::brand::ProfileField;
