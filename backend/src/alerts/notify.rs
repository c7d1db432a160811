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
    use crate::{
        alerts::{
            report::Seen,
            rules::{self, Severity},
        },
        config::{Config, Purpose},
    };

    /// A channel that takes every message.
    #[derive(Debug, Clone, Copy)]
    struct Anybody {
        is_grouped: bool,
        least: Severity,
    }

    const GROUPED: Anybody = Anybody { is_grouped: true, least: Severity::Warning };

    #[async_trait]
    impl Channel for Anybody {
        fn name(&self) -> &'static str {
            "anybody"
        }

        fn is_grouped(&self) -> bool {
            self.is_grouped
        }

        fn least(&self) -> Severity {
            self.least
        }

        fn pause(&self) -> Duration {
            Duration::from_secs(2)
        }

        async fn send(&self, _: &Notice) -> Result<(), SendError> {
            Ok(())
        }
    }

    /// A notifier with the default settings, in a replica that notifies.
    struct Told {
        board: Board,
        clock: Arc<ManualClock>,
        notifier: Notifier,
    }

    impl Told {
        fn new(channel: Anybody) -> Self {
            let variables = BTreeMap::from([("ALLOW_UNAUTHENTICATED".to_owned(), "true".to_owned())]);
            let config = Config::from_variables(variables, Purpose::Command).unwrap();
            let (board, clock) = (Board::default(), Arc::new(ManualClock::new()));
            board.with(|standing| standing.leads = true);
            let notifier =
                Notifier::new(Arc::new(channel), board.clone(), Arc::new(config.alerts), clock.clone());
            Self { board, clock, notifier }
        }

        fn fire(&self, rule: &str) {
            let rule = rules::find(rule).unwrap();
            let seen = Seen::figure(1e9, "so".to_owned());
            let (setting, now) = (rule.default_setting(), self.clock.now());
            self.board
                .with(|standing| standing.book.advance(rule, &setting, &seen, Duration::from_secs(60), now));
        }

        /// The alerts of the message that is sent after so many seconds.
        async fn after(&mut self, seconds: u64) -> usize {
            self.clock.advance(Duration::from_secs(seconds));
            match self.notifier.pass().await.unwrap() {
                Notified::Nothing => 0,
                Notified::Sent(alerts) => alerts,
            }
        }
    }

    #[tokio::test]
    async fn failures_end_when_nothing_is_due() {
        let mut told = Told::new(GROUPED);
        told.board.failed("anybody", "HTTP 500");
        assert_eq!(told.after(0).await, 0);
        assert_eq!(told.board.with(|standing| standing.channels["anybody"].failures_in_a_row), 0);
    }

    #[tokio::test]
    async fn a_group_waits_and_the_next_one_longer() {
        let mut told = Told::new(GROUPED);
        told.fire(rules::CONFLICTS);
        assert_eq!(told.after(0).await, 0);
        told.fire(rules::MISSING_ROWS);
        assert_eq!(told.after(29).await, 0);
        assert_eq!(told.after(1).await, 2, "30 s after the first");
        told.fire(rules::DATABASE_BREAKER);
        assert_eq!(told.after(1).await, 0);
        assert_eq!(told.after(298).await, 0);
        assert_eq!(told.after(1).await, 1, "5 min after the message");
        assert_eq!(told.after(900).await, 0, "each alert once");
    }

    #[tokio::test]
    async fn single_messages_keep_the_pause_of_their_channel() {
        let mut told = Told::new(Anybody { is_grouped: false, ..GROUPED });
        for rule in [rules::CONFLICTS, rules::MISSING_ROWS, rules::DATABASE_BREAKER] {
            told.fire(rule);
        }
        let mut sent = Vec::new();
        for _ in 0..6 {
            sent.push(told.after(1).await);
        }
        assert_eq!(sent, [1, 0, 1, 0, 1, 0]);
    }

    #[tokio::test]
    async fn a_channel_for_critical_alerts_hears_of_no_other() {
        let mut told = Told::new(Anybody { least: Severity::Critical, ..GROUPED });
        told.fire(rules::CONFLICTS);
        told.after(0).await;
        assert_eq!(told.after(600).await, 0);
        told.fire(rules::DATABASE_BREAKER);
        told.after(0).await;
        assert_eq!(told.after(600).await, 1);
    }
}
