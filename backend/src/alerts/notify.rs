//! Tells one channel what it does not know yet: grouped, at a bounded rate, and without delaying the others.

use std::{sync::Arc, time::Duration};

use pipeline::clock::Clock;

use super::{
    board::{Board, Due},
    channels::{channel::Channel, notice::Notice},
    http::SendError,
};
use crate::config::AlertsConfig;

/// How long one message may take.
const SEND_TIMEOUT: Duration = Duration::from_secs(15);

/// So many failures in a row, with up to ten minutes between them, are half a day. Then the channel is told nothing more of these alerts.
const ATTEMPTS_MAX: u32 = 80;

/// Tells one channel.
#[derive(Debug)]
pub struct Notifier {
    channel: Arc<dyn Channel>,
    board: Board,
    settings: Arc<AlertsConfig>,
    clock: Arc<dyn Clock>,
    /// By the monotonic clock: the first thing of the next message, the last message, and the end of a wait that the channel asked for.
    waits_since: Option<Duration>,
    sent_at: Option<Duration>,
    not_before: Duration,
}

/// How a pass ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notified {
    Nothing,
    /// So many alerts in one message.
    Sent(usize),
}

impl Notifier {
    #[must_use]
    pub fn new(
        channel: Arc<dyn Channel>,
        board: Board,
        settings: Arc<AlertsConfig>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { channel, board, settings, clock, waits_since: None, sent_at: None, not_before: Duration::ZERO }
    }

    /// The channel's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.channel.name()
    }

    /// Sends one message, if one is due.
    ///
    /// # Errors
    ///
    /// Why the channel did not take it. It never holds a secret.
    pub async fn pass(&mut self) -> Result<Notified, String> {
        let now = self.clock.monotonic();
        if now < self.not_before {
            return Ok(Notified::Nothing);
        }
        self.tell_changes().await?;
        let mut due = self.board.due(self.channel.name(), self.channel.least(), self.clock.now());
        if due.is_empty() {
            self.waits_since = None;
            self.board.idle(self.channel.name());
            return Ok(Notified::Nothing);
        }
        if !self.is_time(now) {
            return Ok(Notified::Nothing);
        }
        if !self.channel.is_grouped() {
            due.truncate(1);
        }
        self.send(due).await
    }

    /// A group waits for what else is wrong. After a message, the next one waits longer.
    fn is_time(&mut self, now: Duration) -> bool {
        let since = *self.waits_since.get_or_insert(now);
        if !self.channel.is_grouped() {
            return self.sent_at.is_none_or(|at| now >= at + self.channel.pause());
        }
        let wait = now >= since + self.settings.group_wait;
        let interval = self.settings.group_interval.max(self.channel.pause());
        wait && self.sent_at.is_none_or(|at| now >= at + interval)
    }

    async fn send(&mut self, due: Vec<Due>) -> Result<Notified, String> {
        let notice = Notice::of(&due, &self.settings, self.clock.now());
        let sent = tokio::time::timeout(SEND_TIMEOUT, self.channel.send(&notice)).await;
        match sent.unwrap_or_else(|_| Err(SendError::new("no answer in time"))) {
            Ok(()) => {
                self.board.told(self.channel.name(), &due, self.clock.now());
                self.sent_at = Some(self.clock.monotonic());
                self.waits_since = None;
                Ok(Notified::Sent(due.len()))
            }
            Err(error) => Err(self.failed(error, &due)),
        }
    }

    fn failed(&mut self, error: SendError, due: &[Due]) -> String {
        let name = self.channel.name();
        let failures = self.board.failed(name, &error.reason);
        self.not_before = self.clock.monotonic() + error.retry_after.unwrap_or_default();
        if failures >= ATTEMPTS_MAX {
            self.board.told(name, due, self.clock.now());
            let rules = due.iter().map(|one| one.rule.id).collect::<Vec<_>>().join(", ");
            tracing::error!(
                event = "alert_given_up",
                channel = name,
                rules,
                reason = error.reason,
                "the channel {name} was not told of {rules}: it took no message for {failures} attempts"
            );
        }
        error.reason
    }

    /// Flips and deployments, for a channel that shows them.
    async fn tell_changes(&mut self) -> Result<(), String> {
        if !self.channel.takes_changes() {
            return Ok(());
        }
        while let Some(change) = self.board.with(|standing| standing.changes.front().cloned()) {
            let sent = tokio::time::timeout(SEND_TIMEOUT, self.channel.send_change(&change)).await;
            match sent.unwrap_or_else(|_| Err(SendError::new("no answer in time"))) {
                Ok(()) => {
                    self.board.with(|standing| {
                        if standing.changes.front() == Some(&change) {
                            standing.changes.pop_front();
                        }
                    });
                }
                Err(error) => {
                    self.not_before = self.clock.monotonic() + error.retry_after.unwrap_or_default();
                    self.board.failed(self.channel.name(), &error.reason);
                    return Err(error.reason);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use async_trait::async_trait;
    use pipeline::testing::ManualClock;

    use super::*;
    use crate::config::{Config, Purpose};

    #[derive(Debug)]
    struct Anybody;

    #[async_trait]
    impl Channel for Anybody {
        fn name(&self) -> &'static str {
            "anybody"
        }

        fn is_grouped(&self) -> bool {
            true
        }

        async fn send(&self, _: &Notice) -> Result<(), SendError> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn failures_end_when_nothing_is_due() {
        let variables = BTreeMap::from([("ALLOW_UNAUTHENTICATED".to_owned(), "true".to_owned())]);
        let config = Config::from_variables(variables, Purpose::Command).unwrap();
        let (board, clock) = (Board::default(), Arc::new(ManualClock::new()));
        board.failed("anybody", "HTTP 500");
        let mut notifier = Notifier::new(Arc::new(Anybody), board.clone(), Arc::new(config.alerts), clock);
        assert_eq!(notifier.pass().await, Ok(Notified::Nothing));
        assert_eq!(board.with(|standing| standing.channels["anybody"].failures_in_a_row), 0);
    }
}
