//! The faults of one request, and whether another one may go better.

use std::time::Duration;

use pipeline::llm::Usage;

use super::wire::Reply;

/// One request that brought no answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    pub fault: Fault,
    /// The cost of the request all the same, where the endpoint stated it.
    pub usage: Usage,
    /// The reply that had arrived before the fault. It may hold a complete answer, which is paid for.
    pub partial: Option<Box<Reply>>,
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self { fault, usage: Usage::default(), partial: None }
    }
}

/// Why a request brought no answer. Texts from outside are raw here: they are cleaned where a message is made.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// The endpoint said so, by HTTP status or by an error inside a 200.
    Upstream(Box<Upstream>),
    /// No connection could be made, or it broke before an answer was whole.
    Connection(&'static str),
    /// Nothing arrived for this long.
    Idle(Duration),
    /// The call's whole time is used up.
    Deadline,
    /// A 200 that is no answer of a model: what it is instead.
    NotAnAnswer(&'static str),
    /// The body or the stream ended before the answer did.
    CutOff,
    /// More bytes than this client reads.
    TooLarge(usize),
    /// No content, or nothing but white space.
    EmptyContent,
    /// The model reached `max_tokens`.
    LengthLimit,
    ContentFilter,
    /// The model declined, in these words.
    Refusal(String),
    /// Nothing was sent: the request could not be written again, for this reason. A defect of ours.
    Unwritten(String),
}

/// An error in the endpoint's words.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Upstream {
    /// The HTTP status, or the code inside a 200; none where the endpoint gave nothing that is a status.
    pub status: Option<u16>,
    pub message: String,
    /// Whether the endpoint itself calls it worth retrying (`availability` errors).
    pub retryable: Option<bool>,
    pub retry_after: Option<Duration>,
    /// Whether a filter before the model refused the prompt.
    pub is_refusal: bool,
    /// The parameter of the request that it is about, where it names one.
    pub parameter: Option<String>,
}

impl Fault {
    /// Whether the same request may succeed when it is made again.
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
            Self::Deadline | Self::Unwritten(_) => false,
        }
    }

    /// Whether it speaks against the endpoint's health. A request that was refused for what it is, or an answer
    /// that is useless for what it says, does not.
    pub(super) fn counts_against_endpoint(&self) -> bool {
        self.is_retryable() || matches!(self, Self::Deadline)
    }

    /// How long the endpoint asks to wait.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Upstream(upstream) => upstream.retry_after,
            _ => None,
        }
    }
}

impl Upstream {
    fn is_retryable(&self) -> bool {
        if self.is_refusal {
            return false;
        }
        match self.status {
            Some(400..=404 | 413 | 422) => false,
            Some(408 | 425 | 429 | 500..=599) => self.retryable.unwrap_or(true),
            // New statuses arrive without notice; 4xx means that the request is at fault, unless a wait is asked for.
            Some(_) => self.retryable.unwrap_or(self.retry_after.is_some()),
            None => self.retryable.unwrap_or(true),
        }
    }
}
