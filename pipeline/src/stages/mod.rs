//! The four stages: what each must answer, the schema it is held to, and the checks that tie it to the
//! stages before it.
//!
//! One file a stage. [`schema`] makes two JSON Schemas of each answer's type: one that is sent, in the keywords that every
//! provider's strict mode accepts, and one with bounds, against which the answer is checked.

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
    evidence::{Evidence, QuoteStatus},
    general_translation::{GeneralTranslation, JobToBeDone, Lesson},
    input_processing::{InputProcessing, Inspiration},
    output::StageOutput,
    outputs::Outputs,
    signal_amplification::{Category, Direction, SignalAmplification, Strength, Trend},
};
pub use crate::brand::ProfileField;
