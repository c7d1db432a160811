//! Why a document has no analysis.

use crate::{
    analyst::{AnalystError, extractive::stop::Stopped},
    llm::{Disposition, LlmError, LlmErrorCode, Usage},
};

/// Why a document has no analysis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(transparent)]
    Stopped(#[from] Stopped),
    #[error("the document is written in {0}")]
    Foreign(&'static str),
}

impl From<Stopped> for AnalystError {
    fn from(stopped: Stopped) -> Self {
        Self::Llm(LlmError {
            code: LlmErrorCode::Cancelled,
            message: stopped.to_string(),
            disposition: Disposition::Fail,
            usage: Usage::default(),
            attempts: 0,
        })
    }
}

impl From<Refusal> for AnalystError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Stopped(stopped) => stopped.into(),
            Refusal::Foreign(language) => Self::UnknownLanguage(language.to_owned()),
        }
    }
}
