//! The analyst seam: whoever answers a stage.
//!
//! Two stand behind it: [`model::ModelAnalyst`], which asks a language model, and
//! [`extractive::ExtractiveAnalyst`], which needs neither key nor network. The engine cannot tell them
//! apart, except by the provider they name in their answer.

pub mod extractive;
pub mod fallback;
pub mod model;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

pub use crate::record::Provenance;
use crate::{
    brand::BrandProfile,
    document::PackedDocument,
    llm::LlmError,
    packed::PackError,
    prior_outputs::Earlier,
    run::{RunId, Stage},
    stages::StageOutput,
};

/// What a stage may read.
#[derive(Debug, Clone, Copy)]
pub struct StageInput<'a> {
    pub run: &'a RunId,
    pub document: &'a PackedDocument,
    pub brand: &'a BrandProfile,
    /// The outputs of the stages before this one, quotes already looked up.
    pub earlier: &'a Earlier,
    /// What the run may still spend, in US dollars.
    pub spend_limit_usd: Option<f64>,
}

/// A stage's answer. It satisfies the stage's schema; references and quotes are not checked yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub output: StageOutput,
    pub provenance: Provenance,
    /// What a reader should know about this answer, in sentences.
    pub warnings: Vec<String>,
}

/// Why a stage has no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AnalystError {
    #[error(transparent)]
    Llm(#[from] LlmError),
    /// The document holds too little for this analyst to work with.
    #[error("the document holds too little text to analyse: {0}")]
    TooLittleText(String),
    /// A defect of ours: never the document's or the model's fault.
    #[error("internal error: {0}")]
    Internal(String),
}

impl From<PackError> for AnalystError {
    fn from(error: PackError) -> Self {
        Self::Internal(format!("what the run has read {error}"))
    }
}

/// Something that answers stages.
#[async_trait]
pub trait Analyst: Send + Sync + std::fmt::Debug {
    /// Answers one stage from its input.
    async fn answer(
        &self,
        stage: Stage,
        input: &StageInput<'_>,
        cancel: &CancellationToken,
    ) -> Result<Answer, AnalystError>;
}
