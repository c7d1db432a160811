//! Limits how often a bucket is polled without a notification, because each poll costs a request.

use std::time::Duration;

use parking_lot::Mutex;
/// The shortest time between two polls of one kind. A dead replica's run has to wait for its lease anyway.
const INTERVAL: Duration = Duration::from_secs(1);

/// The time of the last poll, by the monotonic clock.
#[derive(Debug, Default)]
pub(super) struct PollLimiter(Mutex<Option<Duration>>);

impl PollLimiter {
    /// Whether a poll is due. If so, the caller makes it.
    pub(super) fn is_due(&self, now: Duration) -> bool {
        let mut last = self.0.lock();
        let is_due = last.is_none_or(|last| now.saturating_sub(last) >= INTERVAL);
        if is_due {
            *last = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_look_a_second() {
        let poll_limiters = PollLimiter::default();
        let at = Duration::from_millis;
        let made = [0, 500, 999, 1_000, 1_500, 2_100].map(|ms| poll_limiters.is_due(at(ms)));
        assert_eq!(made, [true, false, false, true, false, true]);
    }
}
