//! The channels that tell people. Each knows the limits of its other side. No message holds a secret, and no error an address.

pub mod channel;
mod email;
mod github;
pub mod notice;
mod pagerduty;
mod slack;
mod webhook;

use std::{path::Path, sync::Arc, time::Duration};

use pipeline::clock::Timestamp;

use self::{channel::Channel, notice::Notice};
use super::http::{self, SendError};
use crate::config::AlertsConfig;

/// How long a message to try a channel may take.
const TEST_TIMEOUT: Duration = Duration::from_secs(15);

/// All configured channels.
#[derive(Debug)]
pub struct Channels {
    all: Vec<Arc<dyn Channel>>,
    settings: Arc<AlertsConfig>,
}

/// Each channel with the variable that configures it.
const NAMES: [(&str, &str); 5] = [
    ("slack", "ALERT_SLACK_WEBHOOK_URL"),
    ("pagerduty", "ALERT_PAGERDUTY_ROUTING_KEY"),
    ("email", "ALERT_SMTP_URL"),
    ("webhook", "ALERT_WEBHOOK_URL"),
    ("github", "ALERT_GITHUB_REPOSITORY"),
];

impl Channels {
    /// Makes the clients of the configured channels. Nothing is sent.
    ///
    /// # Errors
    ///
    /// A sentence that names the setting that is unusable.
    pub fn new(settings: Arc<AlertsConfig>, extra_ca_file: Option<&Path>) -> Result<Self, String> {
        let client = http::client(extra_ca_file)?;
        let mut all: Vec<Arc<dyn Channel>> = Vec::new();
        if let Some(config) = settings.slack.clone() {
            all.push(Arc::new(slack::Slack::new(config, client.clone())));
        }
        if let Some(config) = settings.pagerduty.clone() {
            all.push(Arc::new(pagerduty::PagerDuty::new(config, client.clone())));
        }
        if let Some(config) = &settings.email {
            all.push(Arc::new(email::Email::new(config, extra_ca_file)?));
        }
        if let Some(config) = settings.webhook.clone() {
            all.push(Arc::new(webhook::Webhook::new(config, client.clone())));
        }
        if let Some(config) = settings.github.clone() {
            all.push(Arc::new(github::GitHub::new(config, client)));
        }
        Ok(Self { all, settings })
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[Arc<dyn Channel>] {
        &self.all
    }

    /// The names of the configured ones.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        self.all.iter().map(|channel| channel.name()).collect()
    }

    /// The name of a channel that exists, and its variable.
    #[must_use]
    pub fn named(name: &str) -> Option<(&'static str, &'static str)> {
        NAMES.into_iter().find(|(known, _)| *known == name)
    }

    /// The configured channel of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Arc<dyn Channel>> {
        self.all.iter().find(|channel| channel.name() == name).cloned()
    }

    /// Sends a message that says that it is a test, and its end.
    ///
    /// # Errors
    ///
    /// Why the channel did not take it.
    pub async fn test(&self, channel: &dyn Channel, now: Timestamp) -> Result<(), String> {
        for is_resolved in [false, true] {
            let notice = Notice::test(&self.settings, now, is_resolved);
            let sent = tokio::time::timeout(TEST_TIMEOUT, channel.send(&notice)).await;
            sent.unwrap_or_else(|_| Err(SendError::new("no answer in time")))
                .map_err(|error| error.reason)?;
            if channel.is_grouped() {
                // One message proves a channel that shows both in the same way.
                break;
            }
        }
        Ok(())
    }
}
