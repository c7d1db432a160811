//! Provenance: the analyst or model that answered a stage, and the cost of the answer.

use super::reuse::Reuse;
use crate::llm::{StructuredOutput, Usage};

/// The analyst or model that really answered, and the cost of the answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Provenance {
    /// `extractive`, or the provider behind the model's endpoint.
    pub provider: String,
    /// The model that really answered.
    pub model: String,
    /// Hash of the prompt's text (of the analyst's own rules and word lists for the extractive one).
    pub prompt_version: String,
    pub usage: Usage,
    /// Requests made, at least 1. None were made for a reused answer.
    pub attempts: u32,
    /// How the endpoint enforced the schema, or none for the extractive analyst.
    pub structured_output: Option<StructuredOutput>,
    /// The earlier run whose answer this is. None if a model or an analyst was asked.
    pub reuse: Option<Reuse>,
}
