//! Measures the quality of reports on a set of documents and brands. docs/EVALUATION.md explains each measure and its weakness.
//!
//! The figures come from finished stage records, so they judge the pipeline as users meet it. No model is asked.

mod compare;
mod figures;
mod measure;
mod plants;
mod recorded;
mod set;
mod texts;

pub use self::{
    compare::{Difference, compare},
    figures::{CaseFigures, Evaluation, Figures, MEASURES, Measure, PlantFigures},
    measure::{EvaluatedRun, evaluate},
    plants::{Plant, Plants, check_plants},
    recorded::{RecordedAnswers, RecordingAnalyst, run_stages},
    set::EvaluationSet,
};
