//! The seam to analysts, which answer the stages.
//!
//! There are two: [`model::ModelAnalyst`] asks a language model, and [`extractive::ExtractiveAnalyst`] needs
//! neither key nor network. The engine sees a difference only in the provider of an answer. [`cached`] takes an answer that
//! an earlier run has paid for.

pub mod cached;
pub mod extractive;
pub mod fallback;
pub mod model;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

pub use crate::record::Provenance;
use crate::{
    answers::AnswerCache,
    brand::BrandProfile,
    compressed::CompressError,
    document::CompressedDocument,
    llm::LlmError,
    prior_outputs::PriorOutputs,
    run::{RunId, Stage},
    stages::StageOutput,
};

/// The material that a stage may read.
#[derive(Debug, Clone, Copy)]
pub struct StageInput<'a> {
    pub run: &'a RunId,
    pub document: &'a CompressedDocument,
    pub brand: &'a BrandProfile,
    /// The outputs of the earlier stages. Their quotes were looked up.
    pub earlier: &'a PriorOutputs,
    /// The money that the run may still spend, in US dollars.
    pub spend_limit_usd: Option<f64>,
    /// The run's lease. None for a run that no other process could take over.
    pub lease: Option<&'a dyn RunLease>,
    /// Answers of earlier runs that this run may use. None without a cache.
    pub answers: Option<&'a dyn AnswerCache>,
}

/// The lease of a run, which may run out while a stage is being answered.
#[async_trait]
pub trait RunLease: Send + Sync + std::fmt::Debug {
    /// Whether this process surely holds it at this moment.
    async fn is_held(&self) -> bool;
}

/// A stage's answer. It satisfies the stage's schema. References and quotes are not checked yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub output: StageOutput,
    pub provenance: Provenance,
    /// Warnings about this answer, in sentences.
    pub warnings: Vec<String>,
    /// Whether another run with the same question may use it: the model of first choice has answered completely.
    pub is_first_choice: bool,
}

/// Why a stage has no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AnalystError {
    #[error(transparent)]
    Llm(#[from] LlmError),
    /// The document holds too little for this analyst to work with.
    #[error("the document holds too little text to analyse: {0}")]
    TooLittleText(String),
    /// The document is in a language that this analyst does not know. The field names it.
    #[error(
        "the document is written in {0}, and the built-in analyst reads English only; set OPENROUTER_API_KEY, so that a \
         model reads it, or submit the document in English"
    )]
    UnknownLanguage(String),
    /// The computation took longer than it may.
    #[error(
        "the built-in analyst did not finish {stage} within {seconds} s; submit a shorter document, or set \
         OPENROUTER_API_KEY, so that a model reads it"
    )]
    TookTooLong { stage: Stage, seconds: u64 },
    /// A defect of this program, not a fault of the document or the model.
    #[error("internal error: {0}")]
    Internal(String),
}

impl From<CompressError> for AnalystError {
    fn from(error: CompressError) -> Self {
        Self::Internal(format!("the run's document or outputs {error}"))
    }
}

/// Answers stages.
#[async_trait]
pub trait Analyst: Send + Sync + std::fmt::Debug {
    /// Answers one stage from its input.
    ///
    /// # Errors
    ///
    /// [`AnalystError`]: the model call failed or was cancelled, the document holds too little text, or there is a defect.
    async fn answer(
        &self,
        stage: Stage,
        input: &StageInput<'_>,
        cancel: &CancellationToken,
    ) -> Result<Answer, AnalystError>;
}
