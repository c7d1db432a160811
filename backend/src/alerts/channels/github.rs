//! An issue on GitHub: one for each alert, found again by its labels, and closed when the alert is over.

use std::time::Duration;

use async_trait::async_trait;
use pipeline::record::sha256_hex;
use reqwest::{Client, Method, RequestBuilder};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::{
    channel::Channel,
    notice::{Notice, NoticeAlert},
};
use crate::{
    alerts::http::{SendError, ask, cut, json as parsed},
    config::alert_channels::GitHubConfig,
};

/// The label of all issues that this service opens.
const LABEL: &str = "innovation-alert";

/// GitHub's limits: a label has 50 characters, a title 256.
const LABEL_CHARS_MAX: usize = 50;
const TITLE_CHARS_MAX: usize = 256;

/// Hex digits of a key's digest in a label.
const DIGEST_CHARS: usize = 16;

#[derive(Debug)]
pub(super) struct GitHub {
    config: GitHubConfig,
    client: Client,
}

impl GitHub {
    pub(super) fn new(config: GitHubConfig, client: Client) -> Self {
        Self { config, client }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}/repos/{}{path}", self.config.url, self.config.repository);
        self.client
            .request(method, url)
            .bearer_auth(self.config.token.expose_secret())
            .header("accept", "application/vnd.github+json")
            .header("x-github-api-version", "2022-11-28")
    }

    async fn write(&self, method: Method, path: &str, body: &Value) -> Result<(), SendError> {
        let request = self.request(method, path).header("content-type", "application/json");
        ask(request.body(body.to_string())).await.map(|_| ())
    }

    /// The number of the open issue of an alert. The list by labels knows a new issue at once; the search does not.
    async fn open_issue(&self, label: &str) -> Result<Option<u64>, SendError> {
        let labels = format!("{LABEL},{label}");
        let query: String =
            url::form_urlencoded::Serializer::new(String::new()).append_pair("labels", &labels).finish();
        let path = format!("/issues?state=open&per_page=1&{query}");
        let (_, body) = ask(self.request(Method::GET, &path)).await?;
        let issues = parsed(&body)?;
        Ok(issues.as_array().and_then(|issues| issues.first()?.get("number")?.as_u64()))
    }

    async fn tell(&self, notice: &Notice, alert: &NoticeAlert) -> Result<(), SendError> {
        let label = label_of(alert);
        let known = self.open_issue(&label).await?;
        let text = text(notice, alert);
        match (known, alert.resolved_at.is_some()) {
            (None, true) => Ok(()),
            (None, false) => {
                let title =
                    format!("[{} {}] {}: {}", notice.service, notice.environment, alert.rule, alert.title);
                let title = cut(&title, TITLE_CHARS_MAX);
                let readable = cut(&format!("{}:{}", notice.environment, alert.rule), LABEL_CHARS_MAX);
                let body = json!({ "title": title, "body": text, "labels": [LABEL, label, readable] });
                self.write(Method::POST, "/issues", &body).await
            }
            (Some(number), is_resolved) => {
                let comment = json!({ "body": text });
                self.write(Method::POST, &format!("/issues/{number}/comments"), &comment).await?;
                if is_resolved {
                    let closed = json!({ "state": "closed", "state_reason": "completed" });
                    self.write(Method::PATCH, &format!("/issues/{number}"), &closed).await?;
                }
                Ok(())
            }
        }
    }
}

#[async_trait]
impl Channel for GitHub {
    fn name(&self) -> &'static str {
        "github"
    }

    fn is_grouped(&self) -> bool {
        false
    }

    fn pause(&self) -> Duration {
        // GitHub asks for a second between two changes, and one alert makes two.
        Duration::from_secs(2)
    }

    async fn send(&self, notice: &Notice) -> Result<(), SendError> {
        for alert in &notice.alerts {
            self.tell(notice, alert).await?;
        }
        Ok(())
    }
}

/// The label by which an issue is found again. Services may share a repository, so it stands for the whole key.
fn label_of(alert: &NoticeAlert) -> String {
    let digest = sha256_hex(alert.key.as_bytes());
    format!("alert-{}", digest.get(..DIGEST_CHARS).unwrap_or(&digest))
}

/// The text of an issue. The detail may hold any character, so it stands in a block of code.
fn text(notice: &Notice, alert: &NoticeAlert) -> String {
    let lines = alert.lines().join("\n").replace("```", "'''");
    format!("```\n{lines}\n```\n{} {}", notice.service, notice.environment)
}

#[cfg(test)]
mod tests {
    use super::{super::notice::samples, *};

    #[test]
    fn services_that_share_a_repository_have_own_issues() {
        let mut alert = samples(1, 10).alerts.remove(0);
        let labels = ["a/staging/queue-age", "b/staging/queue-age", "a/staging/queue-age"].map(|key| {
            key.clone_into(&mut alert.key);
            label_of(&alert)
        });
        assert_ne!(labels[0], labels[1]);
        assert_eq!(labels[0], labels[2]);
        assert!(labels[0].chars().count() <= LABEL_CHARS_MAX, "{}", labels[0]);
    }
}
