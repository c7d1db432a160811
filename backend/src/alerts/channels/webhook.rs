//! A webhook in the form of Alertmanager's webhook receiver (version 4), signed as our other webhooks are (Standard Webhooks).

use async_trait::async_trait;
use pipeline::record::sha256_hex;
use reqwest::Client;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::{
    channel::Channel,
    notice::{Notice, NoticeAlert, time},
};
use crate::{
    alerts::http::{SendError, ask},
    config::alert_channels::AlertWebhookConfig,
    webhooks::sign,
};

/// Alertmanager writes this for an alert that has not ended.
const NO_END: &str = "0001-01-01T00:00:00Z";

/// How many digits of a digest are a fingerprint there.
const FINGERPRINT_DIGITS: usize = 16;

#[derive(Debug)]
pub(super) struct Webhook {
    config: AlertWebhookConfig,
    client: Client,
}

impl Webhook {
    pub(super) fn new(config: AlertWebhookConfig, client: Client) -> Self {
        Self { config, client }
    }
}

#[async_trait]
impl Channel for Webhook {
    fn name(&self) -> &'static str {
        "webhook"
    }

    fn is_grouped(&self) -> bool {
        true
    }

    async fn send(&self, notice: &Notice) -> Result<(), SendError> {
        let body = body(notice).to_string();
        // Equal for a repetition of the same message.
        let id = format!("msg_{}", sha256_hex(body.as_bytes()).get(..32).unwrap_or_default());
        let timestamp = notice.at.timestamp();
        let mut request = self
            .client
            .post(self.config.url.expose_secret())
            .header("content-type", "application/json")
            .header("webhook-id", &id)
            .header("webhook-timestamp", timestamp);
        if let Some(signatures) = sign::signatures(&self.config.keys, &id, timestamp, body.as_bytes()) {
            request = request.header("webhook-signature", signatures);
        }
        ask(request.body(body)).await.map(|_| ())
    }
}

fn body(notice: &Notice) -> Value {
    let status = if notice.is_resolved() { "resolved" } else { "firing" };
    json!({
        "version": "4",
        "groupKey": format!("{{}}:{{service=\"{}\",environment=\"{}\"}}", notice.service, notice.environment),
        "truncatedAlerts": 0,
        "status": status,
        "receiver": "innovation",
        "groupLabels": { "service": notice.service, "environment": notice.environment },
        "commonLabels": { "service": notice.service, "environment": notice.environment },
        "commonAnnotations": {},
        "externalURL": "",
        "alerts": notice.alerts.iter().map(|one| alert(notice, one)).collect::<Vec<_>>(),
    })
}

fn alert(notice: &Notice, alert: &NoticeAlert) -> Value {
    let fingerprint = sha256_hex(alert.key.as_bytes());
    json!({
        "status": if alert.resolved_at.is_some() { "resolved" } else { "firing" },
        "labels": {
            "alertname": alert.rule,
            "severity": alert.severity.as_str(),
            "service": notice.service,
            "environment": notice.environment,
        },
        "annotations": {
            "summary": alert.title,
            "description": alert.detail,
            "next": alert.hint,
            "replicas": alert.replicas.join(", "),
        },
        "startsAt": time(alert.fired_at),
        "endsAt": alert.resolved_at.map_or_else(|| NO_END.to_owned(), time),
        "generatorURL": "",
        "fingerprint": fingerprint.get(..FINGERPRINT_DIGITS).unwrap_or_default(),
    })
}
