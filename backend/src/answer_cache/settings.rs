//! The limits of the cache.

use std::time::Duration;

/// The limits of the cache.
#[derive(Debug, Clone)]
pub struct AnswerCacheSettings {
    /// `ANSWER_CACHE`
    pub is_on: bool,
    /// `ANSWER_CACHE_DAYS`: older answers are not used.
    pub keep: Duration,
    /// How long a run leads without a renewal. It renews five times within this time.
    pub lease: Duration,
    /// How long a run waits for another one's answer. Then it asks for itself.
    pub wait_max: Duration,
}
