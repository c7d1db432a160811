//! Who answered a stage, and what the answer took.

use crate::llm::{StructuredOutput, Usage};

/// Who really answered, and what it took.
#[derive(Debug, Clone, PartialEq)]
pub struct Provenance {
    /// `extractive`, or the provider behind the model's endpoint.
    pub provider: String,
    /// The model that really answered.
    pub model: String,
    /// Hash of the prompt's text (of the analyst's own rules and word lists for the extractive one).
    pub prompt_version: String,
    pub usage: Usage,
    /// Requests made, at least 1.
    pub attempts: u32,
    /// How the model was held to the schema; none for the extractive analyst.
    pub structured_output: Option<StructuredOutput>,
}
