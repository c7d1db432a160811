//! How far the database's clock is from this process's clock.

use std::time::Duration;

use pipeline::clock::Timestamp;

/// Leases and times of both sides are compared in seconds. More than this would show in them.
const TOLERATED_MS: i64 = 2_000;

/// The difference of two clocks, by one question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockSkew {
    /// How far the database is ahead; negative if it is behind.
    pub ahead_ms: i64,
    /// The true difference is at most this far from the measured one.
    pub uncertainty_ms: i64,
}

impl ClockSkew {
    /// The answer was read between `ours` and `ours + round_trip`.
    #[must_use]
    pub fn new(ours: Timestamp, theirs_ms: i64, round_trip: Duration) -> Self {
        let half = i64::try_from(round_trip.as_millis() / 2).unwrap_or(i64::MAX);
        let middle = ours.timestamp_millis().saturating_add(half);
        Self { ahead_ms: theirs_ms.saturating_sub(middle), uncertainty_ms: half.saturating_add(1) }
    }

    /// Whether the clocks surely differ by more than is tolerated.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        self.ahead_ms.saturating_abs().saturating_sub(self.uncertainty_ms) > TOLERATED_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skew(theirs_ms: i64, round_trip_ms: u64) -> ClockSkew {
        let ours = Timestamp::from_timestamp_millis(100_000).unwrap_or_default();
        ClockSkew::new(ours, theirs_ms, Duration::from_millis(round_trip_ms))
    }

    #[test]
    fn half_a_round_trip_is_not_skew() {
        assert_eq!(skew(100_500, 1_000), ClockSkew { ahead_ms: 0, uncertainty_ms: 501 });
        assert!(!skew(102_600, 1_200).is_too_large(), "it may be the network");
        assert!(skew(103_500, 10).is_too_large());
        assert!(skew(96_000, 10).is_too_large());
    }
}
