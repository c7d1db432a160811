//! A model's answer from one request.

use pipeline::llm::{Oddities, ReplyParts, Usage};

/// A model's answer from one request.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// Not all of them are blank.
    pub parts: ReplyParts,
    /// The model's words if it declined.
    pub refusal: String,
    pub model: Option<String>,
    pub provider: Option<String>,
    pub generation_id: Option<String>,
    /// Why the model stopped: `stop`, an unknown word, or none.
    pub finish_reason: Option<String>,
    /// Whether the endpoint confirms that the model finished its answer.
    pub is_finished: bool,
    pub usage: Usage,
    /// The deviations that the decoder tolerated.
    pub oddities: Oddities,
}
