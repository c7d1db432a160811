//! The fallback: another analyst answers if every model is down and the operator allows it
//! (`LLM_OFFLINE_FALLBACK`). Its answer keeps its own provider and has a warning, so that nobody takes it for
//! a model's work.

use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::{Analyst, AnalystError, Answer, StageInput};
use crate::{
    llm::{LlmError, LlmErrorCode},
    run::Stage,
};

/// Asks `primary`, and `fallback` if the primary cannot be reached.
#[derive(Debug)]
pub struct FallbackAnalyst {
    primary: Arc<dyn Analyst>,
    fallback: Arc<dyn Analyst>,
}

impl FallbackAnalyst {
    #[must_use]
    pub fn new(primary: Arc<dyn Analyst>, fallback: Arc<dyn Analyst>) -> Self {
        Self { primary, fallback }
    }
}

/// Whether the failure means that no model can be reached now. A refused key, an unknown model or an invalid
/// answer is another failure. Somebody must look at it, and a weaker answer would hide it.
const fn is_down(error: &LlmError) -> bool {
    match error.code {
        LlmErrorCode::LlmError | LlmErrorCode::LlmTimeout | LlmErrorCode::LlmRateLimit => {
            error.disposition.can_retry()
        }
        LlmErrorCode::LlmCredits => true,
        LlmErrorCode::LlmAuth
        | LlmErrorCode::LlmCostLimit
        | LlmErrorCode::LlmInvalidOutput
        | LlmErrorCode::LlmTruncated
        | LlmErrorCode::LlmRefused
        | LlmErrorCode::Cancelled => false,
    }
}

#[async_trait]
impl Analyst for FallbackAnalyst {
    async fn answer(
        &self,
        stage: Stage,
        input: &StageInput<'_>,
        cancel: &CancellationToken,
    ) -> Result<Answer, AnalystError> {
        match self.primary.answer(stage, input, cancel).await {
            Err(AnalystError::Llm(error)) if is_down(&error) => {
                let answer = self.fallback.answer(stage, input, cancel).await;
                if let Err(AnalystError::UnknownLanguage(language)) = answer {
                    // As without a fallback: the run waits for the model, or fails with its code.
                    let message = format!(
                        "{}; the built-in analyst cannot answer instead, because the document is written in {language}",
                        error.message
                    );
                    return Err(AnalystError::Llm(LlmError { message, ..error }));
                }
                let mut answer = answer?;
                answer.provenance.usage += error.usage;
                answer.provenance.attempts += error.attempts;
                answer.warnings.insert(
                    0,
                    format!(
                        "No model could be reached ({}: {}); the built-in analyst answered this stage instead.",
                        serde_json::to_value(error.code).ok().as_ref().and_then(|code| code.as_str()).unwrap_or("LLM_ERROR"),
                        error.message
                    ),
                );
                Ok(answer)
            }
            other => other,
        }
    }
}
