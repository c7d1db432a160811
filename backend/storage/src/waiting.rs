//! A run that was put back into the queue: why, since when, and until when.

use std::time::Duration;

use pipeline::{clock::Timestamp, failure::FailureCode, record::millis};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::optional_millis;

/// The owner in the row of a run that waits. The previous release takes such a row for one whose lease ends.
pub(crate) const WAITING_OWNER: &str = "waiting";

/// The most attempts that a claim counts. A third attempt counts only once the run is alone in its worker, so
/// a run that crashed beside others is never condemned for them.
pub(crate) const SHARED_ATTEMPTS_MAX: i32 = 2;

/// Why a run waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum WaitReason {
    LlmRateLimit,
    LlmCredits,
    LlmAuth,
    LlmTimeout,
    LlmError,
    /// A worker died while it executed this run among others. Such runs take turns.
    CrashSuspected,
    /// Another run of the same owner asks the model the same question. A worker knows it, and no store.
    AnswerAwaited,
}

impl WaitReason {
    /// All reasons.
    pub const ALL: [Self; 7] = [
        Self::LlmRateLimit,
        Self::LlmCredits,
        Self::LlmAuth,
        Self::LlmTimeout,
        Self::LlmError,
        Self::CrashSuspected,
        Self::AnswerAwaited,
    ];

    /// The word in rows, logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LlmRateLimit => "LLM_RATE_LIMIT",
            Self::LlmCredits => "LLM_CREDITS",
            Self::LlmAuth => "LLM_AUTH",
            Self::LlmTimeout => "LLM_TIMEOUT",
            Self::LlmError => "LLM_ERROR",
            Self::CrashSuspected => "CRASH_SUSPECTED",
            Self::AnswerAwaited => "ANSWER_AWAITED",
        }
    }

    /// The reason of this word. A later release may write words that this one does not know.
    #[must_use]
    pub fn of_word(word: &str) -> Self {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word).unwrap_or(Self::LlmError)
    }

    /// The wait that a failed model call leads to. Another failure leads to none.
    #[must_use]
    pub const fn of_code(code: FailureCode) -> Option<Self> {
        match code {
            FailureCode::LlmRateLimit => Some(Self::LlmRateLimit),
            FailureCode::LlmCredits => Some(Self::LlmCredits),
            FailureCode::LlmAuth => Some(Self::LlmAuth),
            FailureCode::LlmTimeout => Some(Self::LlmTimeout),
            FailureCode::LlmError => Some(Self::LlmError),
            _ => None,
        }
    }

    /// The code of a run that waited in vain. None if the wait has no deadline.
    #[must_use]
    pub const fn code(self) -> Option<FailureCode> {
        match self {
            Self::LlmRateLimit => Some(FailureCode::LlmRateLimit),
            Self::LlmCredits => Some(FailureCode::LlmCredits),
            Self::LlmAuth => Some(FailureCode::LlmAuth),
            Self::LlmTimeout => Some(FailureCode::LlmTimeout),
            Self::LlmError => Some(FailureCode::LlmError),
            Self::CrashSuspected | Self::AnswerAwaited => None,
        }
    }

    /// Whether a wait for this reason goes on for the other reason. Reasons of the model follow each other in
    /// one outage.
    #[must_use]
    pub fn continues(self, other: Self) -> bool {
        (self == Self::CrashSuspected) == (other == Self::CrashSuspected)
    }
}

/// The wait of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    pub reason: WaitReason,
    /// When the wait began, over all attempts since the last stored stage.
    #[serde(with = "millis")]
    pub since: Timestamp,
    /// When the run is tried again. None while a worker tries it.
    #[serde(default, with = "optional_millis", skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl Waiting {
    /// The wait after another attempt.
    #[must_use]
    pub fn after(earlier: Option<Self>, next: &Postponement, now: Timestamp) -> Self {
        let since = earlier.filter(|earlier| earlier.reason.continues(next.reason));
        let since = since.map_or(now, |earlier| earlier.since);
        Self { reason: next.reason, since, until: Some(now + next.wait) }
    }

    /// Whether the run may be claimed again.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| until <= now)
    }

    /// Whether the wait has lasted this long.
    #[must_use]
    pub fn has_lasted(&self, limit: Duration, now: Timestamp) -> bool {
        (now - self.since).to_std().is_ok_and(|lasted| lasted >= limit)
    }
}

/// Puts a run back into the queue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Postponement {
    pub reason: WaitReason,
    pub wait: Duration,
    /// US dollars that the attempt cost without a stage.
    pub lost_usd: f64,
}
