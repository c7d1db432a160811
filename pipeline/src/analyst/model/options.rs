//! How much a model is sent and may answer.

/// How much a model is sent and may answer. A token is estimated at four characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelOptions {
    /// The document's share of the prompt. A longer document is sent in part, with a warning in the answer.
    pub document_tokens_max: usize,
    /// The share of a brand's research notes.
    pub notes_tokens_max: usize,
    /// The longest answer. A longer one is cut off, which fails the stage.
    pub output_tokens_max: u32,
}

impl Default for ModelOptions {
    /// For models with a context of 200,000 tokens. The longest valid answers have about 12,000 tokens.
    fn default() -> Self {
        Self { document_tokens_max: 120_000, notes_tokens_max: 20_000, output_tokens_max: 16_000 }
    }
}
