//! Slack, by an incoming webhook.
//!
//! Its limits: one message a second, 50 blocks, 3,000 characters a section. A message of more than 8,000 characters in all is cut or refused.

use async_trait::async_trait;
use reqwest::Client;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::{
    channel::Channel,
    notice::{Notice, NoticeAlert},
};
use crate::alerts::http::{SendError, ask, cut};

/// Below Slack's limits, because it counts what markup becomes.
const SECTION_CHARS_MAX: usize = 2_800;
const MESSAGE_CHARS_MAX: usize = 7_000;

/// The heading, the alerts, and a last line for those that are left out.
const ALERTS_MAX: usize = 48;

/// The longest line of a notification on a phone.
const TEXT_CHARS_MAX: usize = 300;

#[derive(Debug)]
pub(super) struct Slack {
    /// The address itself is the secret.
    url: SecretString,
    client: Client,
}

impl Slack {
    pub(super) fn new(url: SecretString, client: Client) -> Self {
        Self { url, client }
    }
}

#[async_trait]
impl Channel for Slack {
    fn name(&self) -> &'static str {
        "slack"
    }

    fn is_grouped(&self) -> bool {
        true
    }

    async fn send(&self, notice: &Notice) -> Result<(), SendError> {
        let request = self.client.post(self.url.expose_secret());
        let body = body(notice).to_string();
        ask(request.header("content-type", "application/json").body(body)).await.map(|_| ())
    }
}

/// The message in Slack's form.
fn body(notice: &Notice) -> Value {
    let headline = escaped(&cut(&notice.headline(), TEXT_CHARS_MAX));
    let mut blocks = vec![section(&format!("*{headline}*"))];
    // The heading stands in the text for phones, too.
    let mut left = MESSAGE_CHARS_MAX.saturating_sub(headline.chars().count() * 2);
    let mut shown = 0;
    for alert in notice.alerts.iter().take(ALERTS_MAX) {
        let text = cut(&of_alert(alert), SECTION_CHARS_MAX);
        let Some(rest) = left.checked_sub(text.chars().count()) else { break };
        left = rest;
        blocks.push(section(&text));
        shown += 1;
    }
    if let hidden @ 1.. = notice.alerts.len() - shown {
        blocks.push(section(&format!("and {hidden} more: `innovation alerts list`")));
    }
    json!({ "text": headline, "blocks": blocks })
}

fn section(text: &str) -> Value {
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } })
}

fn of_alert(alert: &NoticeAlert) -> String {
    let mark = if alert.resolved_at.is_some() { ":white_check_mark:" } else { ":rotating_light:" };
    let mut lines = alert.lines().into_iter();
    let first = lines.next().unwrap_or_default();
    let rest: Vec<String> = lines.map(|line| escaped(&line)).collect();
    format!("{mark} *{}*\n{}", escaped(&first), rest.join("\n"))
}

/// Slack reads these three characters as markup.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::{super::notice::samples, *};

    #[test]
    fn messages_stay_within_the_limits() {
        for (count, chars) in [(1, 10), (22, 390), (60, 4_000), (60, 5)] {
            let body = body(&samples(count, chars));
            let blocks = body["blocks"].as_array().unwrap();
            let texts = blocks.iter().map(|block| block["text"]["text"].as_str().unwrap().chars().count());
            let texts: Vec<usize> = texts.collect();
            assert!(blocks.len() <= 50 && texts.iter().all(|chars| (1..=3_000).contains(chars)), "{texts:?}");
            let all: usize = texts.iter().sum::<usize>() + body["text"].as_str().unwrap().chars().count();
            assert!(all < 8_000, "{all}");
            assert!(blocks.len() > 1, "an alert is shown");
        }
    }
}
