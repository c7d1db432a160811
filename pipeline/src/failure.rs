//! Failures: why a run ended without its report, as a stable code, the stage, and a sentence for people.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    analyst::AnalystError,
    compressed::CompressError,
    document::DocumentError,
    llm::{Disposition, LlmErrorCode, Usage},
    record::RecordError,
    run::Stage,
    store::StoreError,
};

/// The run error codes of the product, as clients see them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FailureCode {
    DocumentEncrypted,
    DocumentCorrupt,
    DocumentNoText,
    DocumentTooLarge,
    DocumentUnsupported,
    DocumentTimeout,
    DocumentUnavailable,
    BrandNotFound,
    BrandInvalid,
    LlmRateLimit,
    LlmCredits,
    LlmCostLimit,
    LlmAuth,
    LlmTimeout,
    LlmInvalidOutput,
    LlmTruncated,
    LlmRefused,
    LlmError,
    StorageUnavailable,
    Cancelled,
    CrashLoop,
    Internal,
}

impl FailureCode {
    /// All codes.
    pub const ALL: [Self; 22] = [
        Self::DocumentEncrypted,
        Self::DocumentCorrupt,
        Self::DocumentNoText,
        Self::DocumentTooLarge,
        Self::DocumentUnsupported,
        Self::DocumentTimeout,
        Self::DocumentUnavailable,
        Self::BrandNotFound,
        Self::BrandInvalid,
        Self::LlmRateLimit,
        Self::LlmCredits,
        Self::LlmCostLimit,
        Self::LlmAuth,
        Self::LlmTimeout,
        Self::LlmInvalidOutput,
        Self::LlmTruncated,
        Self::LlmRefused,
        Self::LlmError,
        Self::StorageUnavailable,
        Self::Cancelled,
        Self::CrashLoop,
        Self::Internal,
    ];

    /// The code as clients see it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DocumentEncrypted => "DOCUMENT_ENCRYPTED",
            Self::DocumentCorrupt => "DOCUMENT_CORRUPT",
            Self::DocumentNoText => "DOCUMENT_NO_TEXT",
            Self::DocumentTooLarge => "DOCUMENT_TOO_LARGE",
            Self::DocumentUnsupported => "DOCUMENT_UNSUPPORTED",
            Self::DocumentTimeout => "DOCUMENT_TIMEOUT",
            Self::DocumentUnavailable => "DOCUMENT_UNAVAILABLE",
            Self::BrandNotFound => "BRAND_NOT_FOUND",
            Self::BrandInvalid => "BRAND_INVALID",
            Self::LlmRateLimit => "LLM_RATE_LIMIT",
            Self::LlmCredits => "LLM_CREDITS",
            Self::LlmCostLimit => "LLM_COST_LIMIT",
            Self::LlmAuth => "LLM_AUTH",
            Self::LlmTimeout => "LLM_TIMEOUT",
            Self::LlmInvalidOutput => "LLM_INVALID_OUTPUT",
            Self::LlmTruncated => "LLM_TRUNCATED",
            Self::LlmRefused => "LLM_REFUSED",
            Self::LlmError => "LLM_ERROR",
            Self::StorageUnavailable => "STORAGE_UNAVAILABLE",
            Self::Cancelled => "CANCELLED",
            Self::CrashLoop => "CRASH_LOOP",
            Self::Internal => "INTERNAL",
        }
    }
}

impl std::fmt::Display for FailureCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The model was away: the same call works once it is well again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelWait {
    /// The shortest wait, if the endpoint stated one.
    pub after: Option<Duration>,
    /// Whether this call reached the endpoint at all. Others may have closed the way to it.
    pub was_asked: bool,
}

/// A run's error, as it is stored, shown and sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("{code}: {message}")]
pub struct RunFailure {
    pub code: FailureCode,
    /// The stage at which the run ended, or none if the document could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// The failure and the next step. It never holds a secret.
    pub message: String,
    /// Whether the same run may succeed when it is retried, at once or after the step that the message names.
    pub can_retry: bool,
    /// Set if the model was away, so that the run may wait for it instead of failing.
    #[serde(skip)]
    pub wait: Option<ModelWait>,
    /// The cost of the answer that never came. It is a part of the run's cost, and in no record.
    #[serde(skip)]
    pub usage: Usage,
}

impl RunFailure {
    /// A failure that spent nothing.
    #[must_use]
    pub fn new(code: FailureCode, stage: Option<Stage>, message: impl Into<String>, can_retry: bool) -> Self {
        Self { code, stage, message: message.into(), can_retry, wait: None, usage: Usage::default() }
    }

    /// Somebody stopped the run.
    #[must_use]
    pub fn cancelled(stage: Option<Stage>) -> Self {
        Self::new(FailureCode::Cancelled, stage, "the run was stopped before it was finished", true)
    }

    /// An analyst had no answer for `stage`.
    #[must_use]
    pub fn from_analyst(stage: Stage, error: AnalystError) -> Self {
        match error {
            AnalystError::Llm(error) => {
                let code = match error.code {
                    LlmErrorCode::LlmRateLimit => FailureCode::LlmRateLimit,
                    LlmErrorCode::LlmCredits => FailureCode::LlmCredits,
                    LlmErrorCode::LlmCostLimit => FailureCode::LlmCostLimit,
                    LlmErrorCode::LlmAuth => FailureCode::LlmAuth,
                    LlmErrorCode::LlmTimeout => FailureCode::LlmTimeout,
                    LlmErrorCode::LlmInvalidOutput => FailureCode::LlmInvalidOutput,
                    LlmErrorCode::LlmTruncated => FailureCode::LlmTruncated,
                    LlmErrorCode::LlmRefused => FailureCode::LlmRefused,
                    LlmErrorCode::LlmError => FailureCode::LlmError,
                    LlmErrorCode::Cancelled => FailureCode::Cancelled,
                };
                // After the operator has raised the limit, a retry goes on.
                let can_retry = error.disposition.can_retry() || code == FailureCode::LlmCostLimit;
                let wait = match error.disposition {
                    Disposition::Wait { after } => Some(ModelWait { after, was_asked: error.attempts > 0 }),
                    Disposition::Retry { .. } | Disposition::Fail => None,
                };
                Self { usage: error.usage, wait, ..Self::new(code, Some(stage), error.message, can_retry) }
            }
            AnalystError::TooLittleText(_) => {
                Self::new(FailureCode::DocumentNoText, Some(stage), error.to_string(), false)
            }
            // With a model, the same run goes on.
            AnalystError::UnknownLanguage(_) => {
                Self::new(FailureCode::DocumentUnsupported, Some(stage), error.to_string(), true)
            }
            AnalystError::TookTooLong { .. } => {
                Self::new(FailureCode::DocumentTimeout, Some(stage), error.to_string(), true)
            }
            AnalystError::Internal(_) => {
                Self::new(FailureCode::Internal, Some(stage), error.to_string(), true)
            }
        }
    }

    /// Storage could not load or store what the stage needed.
    #[must_use]
    pub fn from_store(stage: Option<Stage>, error: &StoreError) -> Self {
        Self::new(FailureCode::StorageUnavailable, stage, error.message.clone(), true)
    }

    /// The run's document or outputs could not be compressed or read back, which is a defect.
    #[must_use]
    pub fn from_compression(stage: Option<Stage>, error: &CompressError) -> Self {
        Self::new(FailureCode::Internal, stage, format!("the run's document or outputs {error}"), true)
    }

    /// A record could not be made or read, which is a defect.
    #[must_use]
    pub fn from_record(stage: Option<Stage>, error: &RecordError) -> Self {
        Self::new(FailureCode::Internal, stage, format!("the stage's record {error}"), true)
    }
}

impl From<DocumentError> for RunFailure {
    fn from(error: DocumentError) -> Self {
        let code = match &error {
            DocumentError::Encrypted => FailureCode::DocumentEncrypted,
            DocumentError::Corrupt(_) => FailureCode::DocumentCorrupt,
            DocumentError::NoText(_) => FailureCode::DocumentNoText,
            DocumentError::TooLarge(_) => FailureCode::DocumentTooLarge,
            DocumentError::Unsupported(_) => FailureCode::DocumentUnsupported,
            DocumentError::Timeout(_) => FailureCode::DocumentTimeout,
            DocumentError::Unavailable(_) => FailureCode::DocumentUnavailable,
        };
        let can_retry = error.can_retry();
        Self::new(code, None, error.to_string(), can_retry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_equal_in_json_and_text() {
        for code in FailureCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }

    #[test]
    fn all_codes_are_listed() {
        let schema = schemars::schema_for!(FailureCode);
        assert_eq!(schema.get("enum"), Some(&serde_json::json!(FailureCode::ALL)));
    }

    #[test]
    fn a_document_error_keeps_its_code() {
        let failure = RunFailure::from(DocumentError::Encrypted);
        assert_eq!(failure.code.as_str(), DocumentError::Encrypted.code());
        assert!(!failure.can_retry);
    }
}
