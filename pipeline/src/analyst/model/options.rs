//! How much a model is sent and may answer.

/// How much a model is sent and may answer. Tokens are estimated at four characters each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelOptions {
    /// The document's share of the prompt. A longer document is sent in part, and the answer says so.
    pub document_tokens_max: usize,
    /// The share of a brand's research notes.
    pub notes_tokens_max: usize,
    /// The longest answer; beyond it the model is cut off, which fails the stage.
    pub output_tokens_max: u32,
}

impl Default for ModelOptions {
    /// For models with a context of 200,000 tokens; the longest answers that satisfy a schema have about
    /// 12,000 tokens.
    fn default() -> Self {
        Self { document_tokens_max: 120_000, notes_tokens_max: 20_000, output_tokens_max: 16_000 }
    }
}
