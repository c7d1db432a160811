//! Asks the platform whether it has an outage itself (Railway's `platformStatus`), every few minutes.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use pipeline::{clock::Clock, visible_text::visible};
use reqwest::Client;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::{
    http::{self, SendError},
    report::Seen,
};
use crate::config::alert_channels::PlatformConfig;

/// The fields of the answer are objects or texts in different releases of the API, so only their presence is asked for.
const QUERY: &str =
    "query { platformStatus { isStable incident { id message status } maintenance { id message } } }";

/// The same, where incidents have no fields.
const PLAIN_QUERY: &str = "query { platformStatus { isStable incident maintenance } }";

/// How much of an incident's text an alert shows.
const SHOWN_CHARS_MAX: usize = 200;

/// An older answer says nothing about now: three questions have failed.
const ANSWERS_KEPT: u32 = 3;

/// The platform's word about itself.
#[derive(Debug)]
pub struct PlatformWatch {
    config: PlatformConfig,
    client: Client,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The last answer, and when it came by the monotonic clock.
    answer: Option<(Duration, Answer)>,
    /// Whether the plain query is the one that the API takes.
    is_plain: bool,
    /// No question before this time.
    not_before: Duration,
}

#[derive(Debug, Clone)]
struct Answer {
    is_outage: bool,
    detail: String,
}

impl PlatformWatch {
    #[must_use]
    pub fn new(config: PlatformConfig, client: Client, clock: Arc<dyn Clock>) -> Self {
        Self { config, client, clock, state: Mutex::default() }
    }

    /// How long to wait between two questions.
    #[must_use]
    pub fn every(&self) -> Duration {
        self.config.every
    }

    pub(super) fn seen(&self) -> Seen {
        let state = self.state.lock();
        let kept = self.config.every * ANSWERS_KEPT;
        let fresh = state.answer.as_ref().filter(|(at, _)| self.clock.monotonic() < *at + kept);
        match fresh {
            Some((_, answer)) => {
                Seen::figure(if answer.is_outage { 1.0 } else { 0.0 }, answer.detail.clone())
            }
            None => Seen::Unknown,
        }
    }

    /// Asks once. False if the API has asked for a pause.
    ///
    /// # Errors
    ///
    /// Why there is no answer, without the token.
    pub async fn ask(&self) -> Result<bool, String> {
        let (is_plain, not_before) = {
            let state = self.state.lock();
            (state.is_plain, state.not_before)
        };
        if self.clock.monotonic() < not_before {
            return Ok(false);
        }
        let asked = match self.query(is_plain).await {
            // The API knows no such fields: the other form is asked for from now on.
            Err(Refused::Query) => {
                self.state.lock().is_plain = !is_plain;
                self.query(!is_plain).await
            }
            asked => asked,
        };
        match asked {
            Ok(answer) => {
                self.state.lock().answer = Some((self.clock.monotonic(), answer));
                Ok(true)
            }
            Err(Refused::Query) => Err("the platform's API does not know platformStatus".to_owned()),
            Err(Refused::Send(error)) => {
                let wait = error.retry_after.unwrap_or_default();
                self.state.lock().not_before = self.clock.monotonic() + wait;
                Err(error.reason)
            }
        }
    }

    async fn query(&self, is_plain: bool) -> Result<Answer, Refused> {
        let query = if is_plain { PLAIN_QUERY } else { QUERY };
        let (name, value) = self.config.token.header();
        let request = self.client.post(&self.config.url).header("content-type", "application/json");
        let request = request.header(name, value.expose_secret());
        let asked = http::ask(request.body(json!({ "query": query }).to_string())).await;
        let (_, body) = match asked {
            // GraphQL servers refuse an unknown field with 400.
            Err(error) if error.reason.starts_with("HTTP 400") => return Err(Refused::Query),
            asked => asked.map_err(Refused::Send)?,
        };
        let answer = http::json(&body).map_err(Refused::Send)?;
        let status = answer.pointer("/data/platformStatus");
        match status.filter(|status| status.is_object()) {
            Some(status) => Ok(read(status)),
            None if answer.get("errors").is_some() => Err(Refused::Query),
            None => Err(Refused::Send(SendError::new("the answer has no platformStatus"))),
        }
    }
}

enum Refused {
    /// The API does not take the query.
    Query,
    Send(SendError),
}

/// An incident, or a platform that is not stable, is an outage. Maintenance alone is none.
fn read(status: &Value) -> Answer {
    let is_stable = status.get("isStable").and_then(Value::as_bool);
    let incident = status.get("incident").filter(|incident| !incident.is_null());
    let is_outage = is_stable == Some(false) || incident.is_some() && is_stable.is_none();
    let text = incident.map(|incident| match incident.get("message").and_then(Value::as_str) {
        Some(message) => message.to_owned(),
        None => incident.as_str().map_or_else(|| incident.to_string(), str::to_owned),
    });
    let text = text.unwrap_or_else(|| "without a text".to_owned());
    let text: String = visible(&text).chars().take(SHOWN_CHARS_MAX).collect();
    Answer { is_outage, detail: if is_outage { format!("incident: {text}") } else { "stable".to_owned() } }
}
