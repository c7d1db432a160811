//! PagerDuty, by its Events API v2: critical alerts, and change events for flips and deployments.
//!
//! Its limits: `dedup_key` 255 characters, `summary` 1,024, 512 KB a request. Only the routing key that triggered an incident resolves it.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::Client;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::{
    channel::Channel,
    notice::{Notice, NoticeAlert, time},
};
use crate::{
    alerts::http::{SendError, ask, cut},
    alerts::{board::ChangeEvent, rules::Severity},
    config::alert_channels::PagerDutyConfig,
};

const KEY_CHARS_MAX: usize = 255;
const SUMMARY_CHARS_MAX: usize = 1_024;

#[derive(Debug)]
pub(super) struct PagerDuty {
    config: PagerDutyConfig,
    client: Client,
}

impl PagerDuty {
    pub(super) fn new(config: PagerDutyConfig, client: Client) -> Self {
        Self { config, client }
    }

    async fn post(&self, path: &str, body: &Value) -> Result<(), SendError> {
        let request = self.client.post(format!("{}{path}", self.config.url));
        let request = request.header("content-type", "application/json").body(body.to_string());
        ask(request).await.map(|_| ())
    }

    fn event(&self, notice: &Notice, alert: &NoticeAlert) -> Value {
        let key = self.config.routing_key.expose_secret();
        let dedup_key = cut(&alert.key, KEY_CHARS_MAX);
        if alert.resolved_at.is_some() {
            return json!({ "routing_key": key, "event_action": "resolve", "dedup_key": dedup_key });
        }
        let summary = format!(
            "[{} {}] {}: {}: {}",
            notice.service, notice.environment, alert.rule, alert.title, alert.detail
        );
        json!({
            "routing_key": key,
            "event_action": "trigger",
            "dedup_key": dedup_key,
            "client": "innovation",
            "payload": {
                "summary": cut(&summary, SUMMARY_CHARS_MAX),
                "source": format!("{}/{}", notice.service, notice.environment),
                "severity": alert.severity.as_str(),
                "timestamp": time(alert.fired_at),
                "component": notice.service,
                "class": alert.rule,
                "custom_details": {
                    "seen": alert.detail,
                    "replicas": alert.replicas,
                    "next": alert.hint,
                },
            },
        })
    }
}

#[async_trait]
impl Channel for PagerDuty {
    fn name(&self) -> &'static str {
        "pagerduty"
    }

    fn is_grouped(&self) -> bool {
        false
    }

    fn least(&self) -> Severity {
        Severity::Critical
    }

    fn pause(&self) -> Duration {
        // Far below 120 events a minute and key.
        Duration::from_secs(1)
    }

    async fn send(&self, notice: &Notice) -> Result<(), SendError> {
        for alert in &notice.alerts {
            self.post("/v2/enqueue", &self.event(notice, alert)).await?;
        }
        Ok(())
    }

    fn takes_changes(&self) -> bool {
        true
    }

    async fn send_change(&self, change: &ChangeEvent) -> Result<(), SendError> {
        let body = json!({
            "routing_key": self.config.routing_key.expose_secret(),
            "payload": {
                "summary": cut(&change.summary, SUMMARY_CHARS_MAX),
                "source": self.config.source,
                "timestamp": time(change.at),
            },
        });
        self.post("/v2/change/enqueue", &body).await
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::{super::notice::samples, *};

    #[test]
    fn events_stay_within_the_limits() {
        foundation::tls::install_crypto();
        let config = PagerDutyConfig {
            url: "https://events.example.com".to_owned(),
            routing_key: SecretString::from("k".repeat(32)),
            source: "innovation".to_owned(),
        };
        let channel = PagerDuty::new(config, Client::new());
        let notice = samples(2, 5_000);
        let [trigger, resolve] = [0, 1].map(|index| channel.event(&notice, &notice.alerts[index]));
        let chars = |value: &Value| value.as_str().unwrap().chars().count();
        assert_eq!(chars(&trigger["payload"]["summary"]), SUMMARY_CHARS_MAX);
        assert_eq!(
            (chars(&trigger["dedup_key"]), &resolve["event_action"]),
            (KEY_CHARS_MAX, &json!("resolve"))
        );
        assert_eq!(trigger["dedup_key"], resolve["dedup_key"]);
    }
}
