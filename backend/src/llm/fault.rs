//! The faults of one request, and whether a retry may help.

use std::time::Duration;

use pipeline::llm::{LlmErrorCode, Usage};

use super::wire::reply::Reply;

/// A request without an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    pub fault: Fault,
    /// The cost of the request, if the endpoint stated it.
    pub usage: Usage,
    /// The reply that arrived before the fault. It may hold a complete answer, which is paid for.
    pub partial: Option<Box<Reply>>,
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self { fault, usage: Usage::default(), partial: None }
    }
}

/// Why a request brought no answer. Texts from outside are raw here, and are cleaned when a message is built.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// The endpoint reported it, by HTTP status or by an error inside a 200.
    Upstream(Box<Upstream>),
    /// The connection failed, or it broke before the answer was complete.
    Connection(&'static str),
    /// Nothing arrived for this long.
    Idle(Duration),
    /// The call's total time is over.
    Deadline,
    /// A 200 that is not a model's answer. The text says what it is instead.
    NotAnAnswer(&'static str),
    /// The body or the stream ended before the answer did.
    CutOff,
    /// More bytes than this client reads.
    TooLarge(usize),
    /// No content, or only white space.
    EmptyContent,
    /// The model reached `max_tokens`.
    LengthLimit,
    ContentFilter,
    /// The model declined in these words.
    Refusal(String),
    /// The request could not be serialized again, for this reason. Nothing was sent. This is a defect of the
    /// program.
    Unwritten(String),
    /// The run may be another process's by now, so nothing was sent.
    NotOurs,
}

/// An error in the endpoint's words.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Upstream {
    /// The HTTP status, or the code inside a 200. None if the endpoint gave no status.
    pub status: Option<u16>,
    pub message: String,
    /// Whether the endpoint itself marks it as retryable (`availability` errors).
    pub retryable: Option<bool>,
    pub retry_after: Option<Duration>,
    /// Whether a filter before the model refused the prompt.
    pub is_refusal: bool,
    /// The parameter of the request that caused it, if the endpoint names one.
    pub parameter: Option<String>,
}

impl Fault {
    /// Whether a repetition of the same request may succeed.
    pub(super) fn is_retryable(&self) -> bool {
        match self {
            Self::Upstream(upstream) => upstream.is_retryable(),
            Self::Connection(_)
            | Self::Idle(_)
            | Self::NotAnAnswer(_)
            | Self::CutOff
            | Self::EmptyContent => true,
            // These answers are paid for, and the next one would be the same.
            Self::TooLarge(_) | Self::LengthLimit | Self::ContentFilter | Self::Refusal(_) => false,
            Self::Deadline | Self::Unwritten(_) | Self::NotOurs => false,
        }
    }

    /// The outage that the fault shows. None for a rejected request and a useless answer.
    pub(super) fn outage(&self) -> Option<LlmErrorCode> {
        match self {
            Self::Upstream(upstream) => upstream.outage(),
            Self::Idle(_) | Self::Deadline => Some(LlmErrorCode::LlmTimeout),
            Self::Connection(_) | Self::NotAnAnswer(_) | Self::CutOff => Some(LlmErrorCode::LlmError),
            Self::EmptyContent
            | Self::TooLarge(_)
            | Self::LengthLimit
            | Self::ContentFilter
            | Self::Refusal(_)
            | Self::Unwritten(_)
            | Self::NotOurs => None,
        }
    }

    /// Whether the fault may concern this request alone: the model may have worked on it, and been paid, or
    /// the endpoint may not like its content.
    pub(super) fn may_be_own(&self) -> bool {
        match self {
            Self::Upstream(upstream) => upstream.status == Some(403) && !upstream.names_the_account(),
            Self::Idle(_) | Self::Deadline | Self::CutOff => true,
            _ => false,
        }
    }

    /// How long the endpoint asks the client to wait.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Upstream(upstream) => upstream.retry_after,
            _ => None,
        }
    }
}

impl Upstream {
    fn outage(&self) -> Option<LlmErrorCode> {
        if self.is_refusal {
            return None;
        }
        match self.status {
            Some(401 | 403) => Some(LlmErrorCode::LlmAuth),
            Some(402) => Some(LlmErrorCode::LlmCredits),
            Some(429) => Some(LlmErrorCode::LlmRateLimit),
            Some(408 | 504 | 524) if self.is_retryable() => Some(LlmErrorCode::LlmTimeout),
            _ => self.is_retryable().then_some(LlmErrorCode::LlmError),
        }
    }

    /// Whether the endpoint's words are about the key or its account, and not about the request.
    fn names_the_account(&self) -> bool {
        let words = self.message.to_lowercase();
        ["key", "account", "credit", "quota", "billing", "limit"].iter().any(|word| words.contains(word))
    }

    pub(super) fn is_retryable(&self) -> bool {
        if self.is_refusal {
            return false;
        }
        match self.status {
            Some(400..=404 | 413 | 422) => false,
            Some(408 | 425 | 429 | 500..=599) => self.retryable.unwrap_or(true),
            // New statuses appear without notice. A 4xx means a wrong request, unless the endpoint asks for a
            // wait.
            Some(_) => self.retryable.unwrap_or(self.retry_after.is_some()),
            None => self.retryable.unwrap_or(true),
        }
    }
}
