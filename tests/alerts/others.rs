//! The other sides of the channels, over real HTTP. Each enforces its own published limits, and answers by what it receives:
//!
//! * Slack: "Rate limits" (one message a second for incoming webhooks), "Block Kit reference" (50 blocks, 3,000 characters in the text of a
//!   section), "Truncating messages", at docs.slack.dev.
//! * PagerDuty: "Send an Alert Event" and "Send a Change Event" of the Events API v2, at developer.pagerduty.com: required fields, lengths,
//!   the four severities, 202, and that a resolve counts for its own routing key only.
//! * GitHub: "REST API endpoints for issues" at docs.github.com: a request needs a user agent, a title has 256 characters, a label 50.
//! * Railway: the schema of its public GraphQL API: `platformStatus` has objects that need a selection of fields.
//! * A receiver in the form of Alertmanager's webhook, signed by Standard Webhooks 1.0.0.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

pub(super) const SLACK_SECRET: &str = "T000SECRETB000";
pub(super) const ROUTING_KEY: &str = "0123456789abcdef0123456789abcdef";
pub(super) const GITHUB_TOKEN: &str = "github_pat_SECRET";
pub(super) const RAILWAY_TOKEN: &str = "railway-SECRET";
pub(super) const SIGNING_KEY: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
pub(super) const HEARTBEAT_SECRET: &str = "heartbeat-SECRET";

/// Everything that came in and was taken.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Each message of Slack as one text.
    pub(super) slack: Vec<String>,
    slack_at: Option<Instant>,
    /// Incidents by key: whether it is open, and how often it was triggered.
    pub(super) incidents: BTreeMap<String, (bool, usize)>,
    /// The summaries of change events.
    pub(super) changes: Vec<String>,
    pub(super) issues: Vec<Issue>,
    /// The bodies of the webhook.
    pub(super) webhooks: Vec<Value>,
    pub(super) heartbeats: usize,
    /// An incident of the platform.
    pub(super) incident: Option<String>,
    pub(super) platform_asked: usize,
    /// Paths that answer with this status instead.
    pub(super) broken: BTreeMap<&'static str, u16>,
    /// Requests that broke a rule of their other side.
    pub(super) refused: Vec<String>,
    /// Everything that came in, as texts.
    pub(super) raw: Vec<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Issue {
    pub(super) title: String,
    pub(super) labels: Vec<String>,
    pub(super) is_open: bool,
    pub(super) comments: usize,
}

/// The server of all other sides. It ends with its test's runtime.
#[derive(Debug, Clone)]
pub(crate) struct Others {
    port: u16,
    state: Arc<Mutex<State>>,
}

struct Request {
    method: String,
    path: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    body: String,
}

type Reply = (u16, Value, Option<&'static str>);

impl Others {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let others = Self { port: listener.local_addr().unwrap().port(), state: Arc::default() };
        let serving = others.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = serving.clone();
                tokio::spawn(async move { serving.serve(stream).await });
            }
        });
        others
    }

    pub(super) fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap())
    }

    /// The settings that lead all channels but mail here.
    pub(crate) fn settings(&self) -> Vec<(&'static str, String)> {
        let base = format!("http://127.0.0.1:{}", self.port);
        vec![
            ("ALERT_SLACK_WEBHOOK_URL", format!("{base}/services/{SLACK_SECRET}")),
            ("ALERT_PAGERDUTY_URL", base.clone()),
            ("ALERT_PAGERDUTY_ROUTING_KEY", ROUTING_KEY.to_owned()),
            ("ALERT_WEBHOOK_URL", format!("{base}/webhook")),
            ("ALERT_WEBHOOK_SECRETS", format!("whsec_{SIGNING_KEY}")),
            ("ALERT_GITHUB_API_URL", base.clone()),
            ("ALERT_GITHUB_REPOSITORY", "example/operations".to_owned()),
            ("ALERT_GITHUB_TOKEN", GITHUB_TOKEN.to_owned()),
            ("ALERT_HEARTBEAT_URL", format!("{base}/ping/{HEARTBEAT_SECRET}")),
        ]
    }

    /// The settings of the platform's API.
    pub(super) fn platform(&self) -> Vec<(&'static str, String)> {
        let base = format!("http://127.0.0.1:{}", self.port);
        vec![("RAILWAY_API_URL", format!("{base}/graphql/v2")), ("RAILWAY_TOKEN", RAILWAY_TOKEN.to_owned())]
    }

    async fn serve(&self, mut stream: TcpStream) {
        let mut buffer = Vec::new();
        while let Some(request) = read(&mut stream, &mut buffer).await {
            let (status, body, retry_after) = self.with(|state| state.answer(&request));
            let body = if body.is_string() { body.as_str().unwrap().to_owned() } else { body.to_string() };
            let retry = retry_after.map(|after| format!("retry-after: {after}\r\n")).unwrap_or_default();
            let answer = format!(
                "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{retry}content-length: {}\r\n\r\n{body}",
                body.len()
            );
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

impl State {
    fn answer(&mut self, request: &Request) -> Reply {
        self.raw.push(request.body.clone());
        let broken = self.broken.iter().find(|(path, _)| request.path.starts_with(**path));
        if let Some((_, status)) = broken {
            return (*status, json!({}), (*status == 429).then_some("1"));
        }
        let body: Value = serde_json::from_str(&request.body).unwrap_or(Value::Null);
        let path: Vec<&str> = request.path.trim_start_matches('/').split('/').collect();
        let reply = match (request.method.as_str(), path.as_slice()) {
            ("POST", ["services", secret]) if *secret == SLACK_SECRET => self.slack(&body),
            ("POST", ["v2", "enqueue"]) => self.event(&request.body, &body),
            ("POST", ["v2", "change", "enqueue"]) => self.change(&body),
            (method, ["repos", "example", "operations", "issues", rest @ ..]) => {
                self.github(method, rest, request, &body)
            }
            ("POST", ["webhook"]) => self.webhook(request, &body),
            ("GET", ["ping", secret]) if *secret == HEARTBEAT_SECRET => {
                self.heartbeats += 1;
                (200, json!("OK"), None)
            }
            ("POST", ["graphql", "v2"]) => self.graphql(request, &body),
            _ => (404, json!({"message": "Not Found"}), None),
        };
        if reply.0 >= 400 && reply.0 != 429 {
            self.refused.push(format!("{} {}: {reply:?}", request.method, request.path));
        }
        reply
    }

    fn slack(&mut self, body: &Value) -> Reply {
        if self.slack_at.is_some_and(|at| at.elapsed() < Duration::from_millis(950)) {
            return (429, json!("rate_limited"), Some("1"));
        }
        let Some(text) = body["text"].as_str() else { return (400, json!("no_text"), None) };
        let blocks = body["blocks"].as_array().cloned().unwrap_or_default();
        let mut all = text.to_owned();
        for block in &blocks {
            let section = block["text"]["text"].as_str().unwrap_or_default();
            let is_section = block["type"] == "section" && block["text"]["type"] == "mrkdwn";
            if !is_section || section.is_empty() || section.chars().count() > 3_000 {
                return (400, json!("invalid_blocks"), None);
            }
            all.push('\n');
            all.push_str(section);
        }
        if blocks.len() > 50 || all.chars().count() > 8_000 {
            return (400, json!("invalid_blocks"), None);
        }
        self.slack_at = Some(Instant::now());
        self.slack.push(all);
        (200, json!("ok"), None)
    }

    fn event(&mut self, raw: &str, body: &Value) -> Reply {
        let invalid = |what: &str| {
            (
                400,
                json!({"status": "invalid event", "message": "Event object is invalid", "errors": [what]}),
                None,
            )
        };
        let length = |value: &Value| value.as_str().map_or(0, |text| text.chars().count());
        if raw.len() > 512 * 1024 {
            return (413, json!({}), None);
        }
        if length(&body["routing_key"]) != 32 {
            return invalid("'routing_key' is missing or of wrong length");
        }
        let key = body["dedup_key"].as_str().unwrap_or_default().to_owned();
        if key.chars().count() > 255 {
            return invalid("'dedup_key' is too long");
        }
        match body["event_action"].as_str() {
            Some("trigger") => {
                let payload = &body["payload"];
                let severity = payload["severity"].as_str().unwrap_or_default();
                if !(1..=1_024).contains(&length(&payload["summary"])) || length(&payload["source"]) == 0 {
                    return invalid("'payload.summary' or 'payload.source' is missing or too long");
                }
                if !["critical", "error", "warning", "info"].contains(&severity) {
                    return invalid("'payload.severity' is unknown");
                }
                let incident = self.incidents.entry(key.clone()).or_default();
                *incident = (true, incident.1 + 1);
            }
            Some("resolve" | "acknowledge") if key.is_empty() => return invalid("'dedup_key' is missing"),
            // Another routing key would resolve nothing, and is told so by nobody.
            Some("resolve") if body["routing_key"] == ROUTING_KEY => {
                if let Some(incident) = self.incidents.get_mut(&key) {
                    incident.0 = false;
                }
            }
            Some("resolve" | "acknowledge") => {}
            _ => return invalid("'event_action' is unknown"),
        }
        (202, json!({"status": "success", "message": "Event processed", "dedup_key": key}), None)
    }

    fn change(&mut self, body: &Value) -> Reply {
        let summary = body["payload"]["summary"].as_str().unwrap_or_default();
        let is_key = body["routing_key"].as_str().is_some_and(|key| key.len() == 32);
        if !is_key || !(1..=1_024).contains(&summary.chars().count()) {
            return (400, json!({"status": "invalid event"}), None);
        }
        self.changes.push(summary.to_owned());
        (202, json!({"status": "success", "message": "Change event processed"}), None)
    }

    fn github(&mut self, method: &str, rest: &[&str], request: &Request, body: &Value) -> Reply {
        let header = |name: &str| request.headers.get(name).map(String::as_str).unwrap_or_default();
        if header("user-agent").is_empty() {
            return (403, json!({"message": "Request forbidden by administrative rules"}), None);
        }
        if header("authorization") != format!("Bearer {GITHUB_TOKEN}") {
            return (401, json!({"message": "Bad credentials"}), None);
        }
        let invalid = (422, json!({"message": "Validation Failed"}), None);
        match (method, rest) {
            ("GET", []) => {
                let wanted = request.query.get("state").map_or("open", String::as_str);
                let labels = request.query.get("labels").cloned().unwrap_or_default();
                let labels: Vec<&str> = labels.split(',').filter(|label| !label.is_empty()).collect();
                let of_state = |issue: &Issue| wanted == "all" || issue.is_open == (wanted == "open");
                let of_labels = |issue: &Issue| {
                    labels.iter().all(|label| issue.labels.iter().any(|known| known == label))
                };
                let found =
                    self.issues.iter().enumerate().filter(|(_, issue)| of_state(issue) && of_labels(issue));
                let page: Vec<Value> = found.map(|(index, _)| json!({"number": index + 1})).collect();
                (200, json!(page), None)
            }
            ("POST", []) => {
                let title = body["title"].as_str().unwrap_or_default().to_owned();
                let labels: Vec<String> = serde_json::from_value(body["labels"].clone()).unwrap_or_default();
                let is_long = labels.iter().any(|label| label.chars().count() > 50);
                if title.is_empty() || title.chars().count() > 256 || is_long {
                    return invalid;
                }
                self.issues.push(Issue { title, labels, is_open: true, comments: 0 });
                (201, json!({"number": self.issues.len()}), None)
            }
            (_, [number, rest @ ..]) => {
                let number: usize = number.parse().unwrap_or_default();
                let Some(issue) = self.issues.get_mut(number.wrapping_sub(1)) else {
                    return (404, json!({"message": "Not Found"}), None);
                };
                match (method, rest) {
                    ("POST", ["comments"]) if body["body"].is_string() => {
                        issue.comments += 1;
                        (201, json!({}), None)
                    }
                    ("PATCH", [])
                        if ["open", "closed"].contains(&body["state"].as_str().unwrap_or_default()) =>
                    {
                        issue.is_open = body["state"] == "open";
                        (200, json!({}), None)
                    }
                    _ => invalid,
                }
            }
            _ => invalid,
        }
    }

    fn webhook(&mut self, request: &Request, body: &Value) -> Reply {
        let header = |name: &str| request.headers.get(name).cloned().unwrap_or_default();
        let signed = format!("{}.{}.{}", header("webhook-id"), header("webhook-timestamp"), request.body);
        let mut mac = Hmac::<Sha256>::new_from_slice(&BASE64_STANDARD.decode(SIGNING_KEY).unwrap()).unwrap();
        mac.update(signed.as_bytes());
        let wanted = format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()));
        if !header("webhook-signature").split(' ').any(|signature| signature == wanted) {
            return (401, json!({"message": "the signature is wrong"}), None);
        }
        let is_alert = |alert: &Value| {
            alert["labels"]["alertname"].is_string()
                && chrono::DateTime::parse_from_rfc3339(alert["startsAt"].as_str().unwrap_or_default())
                    .is_ok()
                && chrono::DateTime::parse_from_rfc3339(alert["endsAt"].as_str().unwrap_or_default()).is_ok()
        };
        let alerts = body["alerts"].as_array().cloned().unwrap_or_default();
        if body["version"] != "4" || alerts.is_empty() || !alerts.iter().all(is_alert) {
            return (400, json!({"message": "the form is wrong"}), None);
        }
        self.webhooks.push(body.clone());
        (200, json!({}), None)
    }

    fn graphql(&mut self, request: &Request, body: &Value) -> Reply {
        if request.headers.get("project-access-token").map(String::as_str) != Some(RAILWAY_TOKEN) {
            return (200, json!({"errors": [{"message": "Not Authorized"}], "data": null}), None);
        }
        self.platform_asked += 1;
        let query = body["query"].as_str().unwrap_or_default();
        if !query.contains("incident {") || !query.contains("isStable") {
            let message = "Field \"incident\" of type \"Incident\" must have a selection of subfields.";
            return (400, json!({"errors": [{"message": message}]}), None);
        }
        let incident = self.incident.as_ref().map(|message| json!({"id": "1", "message": message}));
        let status = json!({"isStable": incident.is_none(), "incident": incident, "maintenance": null});
        (200, json!({"data": {"platformStatus": status}}), None)
    }
}

async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Request> {
    loop {
        let text = String::from_utf8_lossy(buffer).into_owned();
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            let mut lines = head.split("\r\n");
            let mut first = lines.next()?.split(' ');
            let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
            let headers: BTreeMap<String, String> = lines
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
                .collect();
            let length: usize = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
            let start = head.len() + 4;
            if buffer.len() >= start + length {
                let body = String::from_utf8(buffer[start..start + length].to_vec()).unwrap();
                buffer.drain(..start + length);
                let (path, query) = target.split_once('?').unwrap_or((&target, ""));
                let query = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
                return Some(Request { method, path: path.to_owned(), query, headers, body });
            }
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}
