//! An answer as the cache keeps it: in the form in which the model gave it, so that it is checked again like the model's own.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{llm::StructuredOutput, record::Reuse};

/// A complete answer of the model of first choice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnswerContent {
    /// The answer as JSON, without anything that the pipeline adds.
    pub answer: Value,
    pub provider: String,
    pub model: String,
    pub prompt_version: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub structured_output: Option<StructuredOutput>,
    /// Warnings about the question, such as omitted pages.
    pub warnings: Vec<String>,
}

/// An answer with its origin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CachedAnswer {
    pub content: AnswerContent,
    pub origin: Reuse,
}
