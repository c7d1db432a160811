//! Looks at the rules of alerts, tells channels, and proves that alerting itself lives.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use foundation::resilience::Backoff;

use crate::{
    alerts::{
        heartbeat::Heartbeat,
        notify::{Notified, Notifier},
        platform::PlatformWatch,
        watch::Watch,
    },
    background::{Outcome, Pass, Schedule, Task, TaskError},
};

/// How often a channel is asked whether it has something to tell. It looks at memory.
const NOTIFY_PERIOD: Duration = Duration::from_secs(1);

/// The waits of a channel that does not take messages.
const NOTIFY_RETRY: Backoff = Backoff::new(Duration::from_secs(5), Duration::from_secs(600));

/// A ping that fails comes again soon: its receiver counts seconds.
const PING_RETRY: Backoff = Backoff::new(Duration::from_secs(5), Duration::from_secs(60));

/// An API that does not answer is asked less often.
const PLATFORM_RETRY: Backoff = Backoff::new(Duration::from_secs(60), Duration::from_secs(1_800));

/// Looks at the rules.
#[derive(Debug)]
pub struct WatchAlerts {
    pub watch: Watch,
    pub interval: Duration,
}

#[async_trait]
impl Task for WatchAlerts {
    fn name(&self) -> &'static str {
        "alerts"
    }

    fn schedule(&self) -> Schedule {
        Schedule::every(self.interval)
    }

    fn log_outage(&self, error: &TaskError) {
        tracing::error!(event = "alerts_not_watched", task = self.name(), %error, "the rules of alerts could not be looked at; will retry");
    }

    async fn pass(&mut self, _: &Pass<'_>) -> Result<Outcome, TaskError> {
        let firing = self.watch.pass().await;
        Ok(Outcome::done(format!("{firing} alerts fire")))
    }

    async fn woken(&mut self) {
        self.watch.woken().await;
    }

    async fn stopped(&mut self) {
        self.watch.leave().await;
    }
}

/// Tells one channel.
#[derive(Debug)]
pub struct NotifyChannel {
    pub notifier: Notifier,
}

#[async_trait]
impl Task for NotifyChannel {
    fn name(&self) -> &'static str {
        match self.notifier.name() {
            "slack" => "alerts_slack",
            "pagerduty" => "alerts_pagerduty",
            "email" => "alerts_email",
            "webhook" => "alerts_webhook",
            _ => "alerts_github",
        }
    }

    fn schedule(&self) -> Schedule {
        Schedule::every(NOTIFY_PERIOD).retry(NOTIFY_RETRY)
    }

    fn log_outage(&self, error: &TaskError) {
        tracing::warn!(event = "alert_channel_failed", task = self.name(), %error, "a channel of alerts did not take a message; will retry");
    }

    async fn pass(&mut self, _: &Pass<'_>) -> Result<Outcome, TaskError> {
        match self.notifier.pass().await {
            Ok(Notified::Nothing) => Ok(Outcome::Skipped("nothing is due")),
            Ok(Notified::Sent(alerts)) => {
                tracing::info!(
                    event = "alert_sent",
                    channel = self.notifier.name(),
                    alerts,
                    "the channel {} was told of {alerts} alerts",
                    self.notifier.name()
                );
                Ok(Outcome::done(format!("told of {alerts} alerts")))
            }
            Err(reason) => Err(TaskError(reason)),
        }
    }
}

/// Sends the dead-man's ping.
#[derive(Debug)]
pub struct PingHeartbeat {
    pub heartbeat: Heartbeat,
    /// A look at the rules that is older than this proves nothing.
    pub late: Duration,
}

#[async_trait]
impl Task for PingHeartbeat {
    fn name(&self) -> &'static str {
        "alerts_heartbeat"
    }

    fn schedule(&self) -> Schedule {
        Schedule::every(self.heartbeat.every()).retry(PING_RETRY)
    }

    fn log_outage(&self, error: &TaskError) {
        tracing::warn!(event = "alert_heartbeat_failed", task = self.name(), %error, "the ping of ALERT_HEARTBEAT_URL was not taken; will retry");
    }

    async fn pass(&mut self, _: &Pass<'_>) -> Result<Outcome, TaskError> {
        match self.heartbeat.ping(self.late).await {
            Ok(true) => Ok(Outcome::done("sent")),
            Ok(false) => Ok(Outcome::Skipped("another replica notifies, or the rules were not looked at")),
            Err(reason) => Err(TaskError(reason)),
        }
    }
}

/// Asks the platform whether it has an outage.
#[derive(Debug)]
pub struct AskPlatform {
    pub platform: Arc<PlatformWatch>,
}

#[async_trait]
impl Task for AskPlatform {
    fn name(&self) -> &'static str {
        "alerts_platform"
    }

    fn schedule(&self) -> Schedule {
        Schedule::every(self.platform.every()).retry(PLATFORM_RETRY)
    }

    fn log_outage(&self, error: &TaskError) {
        tracing::warn!(event = "platform_status_unknown", task = self.name(), %error, "the platform's API could not be asked for its state; will retry");
    }

    async fn pass(&mut self, _: &Pass<'_>) -> Result<Outcome, TaskError> {
        match self.platform.ask().await {
            Ok(true) => Ok(Outcome::done("answered")),
            Ok(false) => Ok(Outcome::Skipped("the platform's API has asked for a pause")),
            Err(reason) => Err(TaskError(reason)),
        }
    }
}
