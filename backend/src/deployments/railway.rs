//! Railway's API, as far as a rollback needs it.

use std::{path::Path, time::Duration};

use foundation::tls;
use pipeline::clock::Timestamp;
use reqwest::{
    Client, StatusCode,
    header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
    redirect::Policy,
};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::{config::RailwayConfig, json_body};

/// The limit of one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// An answer of ours has some kilobytes.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// The longest sentence of Railway that is shown.
const MESSAGE_CHARS_MAX: usize = 300;

/// The wait that a limit without a time means.
const RATE_LIMIT_WAIT: Duration = Duration::from_secs(60);

const DEPLOYMENT: &str =
    "query deployment($id: String!) { deployment(id: $id) { id status canRollback createdAt } }";

const NEWEST: &str = "query deployments($input: DeploymentListInput!, $first: Int) { \
     deployments(input: $input, first: $first) { edges { node { id status canRollback createdAt } } } }";

/// It returns a Boolean, so it has no selection.
const ROLLBACK: &str = "mutation deploymentRollback($id: String!) { deploymentRollback(id: $id) }";

const PLATFORM: &str = "query platformStatus { platformStatus { isStable } }";

/// Why Railway was not obeyed or not reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RailwayError {
    #[error("no token for Railway's API: set RAILWAY_TOKEN to a project token, or RAILWAY_API_TOKEN")]
    NoToken,
    #[error("the client of Railway's API cannot be made: {0}")]
    Client(String),
    #[error("Railway's API was not reached: {0}")]
    Unreachable(String),
    #[error("Railway limits the requests of this token; try again in {} s", .0.as_secs())]
    RateLimited(Duration),
    #[error("Railway does not accept the token (status {0}): check RAILWAY_TOKEN and RAILWAY_API_TOKEN")]
    Unauthorized(u16),
    #[error("Railway refused: {0}")]
    Refused(String),
}

impl RailwayError {
    /// Whether the same request may succeed later.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::RateLimited(_))
    }
}

/// A deployment, as Railway knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlatformDeployment {
    pub id: String,
    /// `BUILDING`, `DEPLOYING`, `SUCCESS`, `FAILED`, `CRASHED`, `REMOVED` …
    pub status: String,
    pub can_rollback: bool,
    pub created_at: Option<Timestamp>,
}

/// A client of Railway's API.
#[derive(Debug, Clone)]
pub struct RailwayClient {
    client: Client,
    url: String,
    /// Names of the service, for lists.
    input: Value,
}

impl RailwayClient {
    /// # Errors
    ///
    /// [`RailwayError::NoToken`] and [`RailwayError::Client`].
    pub fn new(config: &RailwayConfig, extra_ca_file: Option<&Path>) -> Result<Self, RailwayError> {
        let (name, value) = config.token.as_ref().ok_or(RailwayError::NoToken)?.header();
        let unusable = || RailwayError::Client("the token must be printable ASCII without spaces".to_owned());
        let mut value = HeaderValue::from_str(value.expose_secret()).map_err(|_| unusable())?;
        value.set_sensitive(true);
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unusable())?;
        let builder = tls::client_builder(extra_ca_file).map_err(RailwayError::Client)?;
        let client = builder
            .redirect(Policy::none())
            .timeout(REQUEST_TIMEOUT)
            .default_headers(HeaderMap::from_iter([(name, value)]))
            .build()
            .map_err(|_| RailwayError::Client("no client".to_owned()))?;
        let names = [
            ("projectId", &config.project_id),
            ("environmentId", &config.environment_id),
            ("serviceId", &config.service_id),
        ];
        let input = names.into_iter().filter_map(|(name, id)| Some((name.to_owned(), json!(id.as_ref()?))));
        Ok(Self { client, url: config.api_url.clone(), input: Value::Object(input.collect()) })
    }

    /// One deployment. None if Railway does not know it.
    ///
    /// # Errors
    ///
    /// [`RailwayError`] says why there is no answer.
    pub async fn deployment(&self, id: &str) -> Result<Option<PlatformDeployment>, RailwayError> {
        match self.ask(DEPLOYMENT, json!({ "id": id })).await {
            Ok(data) => Ok(data.get("deployment").and_then(deployment_of)),
            Err(RailwayError::Refused(message)) if message.to_ascii_lowercase().contains("not found") => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The newest deployment of this service. None if the service's ids are not known here.
    ///
    /// # Errors
    ///
    /// [`RailwayError`] says why there is no answer.
    pub async fn newest(&self) -> Result<Option<PlatformDeployment>, RailwayError> {
        if self.input.get("serviceId").is_none() {
            return Ok(None);
        }
        let data = self.ask(NEWEST, json!({ "input": self.input, "first": 1 })).await?;
        Ok(data.pointer("/deployments/edges/0/node").and_then(deployment_of))
    }

    /// Goes back to a deployment, with its image and its variables.
    ///
    /// # Errors
    ///
    /// [`RailwayError`] says why nothing was started. `Unreachable` may have started it.
    pub async fn roll_back(&self, id: &str) -> Result<(), RailwayError> {
        let data = self.ask(ROLLBACK, json!({ "id": id })).await?;
        match data.get("deploymentRollback") {
            Some(Value::Bool(true)) => Ok(()),
            other => Err(RailwayError::Refused(format!(
                "deploymentRollback answered {}",
                other.unwrap_or(&Value::Null)
            ))),
        }
    }

    /// Whether Railway itself has no incident.
    ///
    /// # Errors
    ///
    /// [`RailwayError`] says why there is no answer.
    pub async fn is_stable(&self) -> Result<bool, RailwayError> {
        let data = self.ask(PLATFORM, json!({})).await?;
        Ok(data.pointer("/platformStatus/isStable").and_then(Value::as_bool).unwrap_or(true))
    }

    async fn ask(&self, query: &str, variables: Value) -> Result<Value, RailwayError> {
        let body = json!({ "query": query, "variables": variables });
        let request = self.client.post(&self.url).header("content-type", "application/json");
        let response = request.body(body.to_string()).send().await.map_err(|error| unreachable(&error))?;
        let status = response.status();
        let wait = retry_after(response.headers());
        match status {
            StatusCode::TOO_MANY_REQUESTS => {
                return Err(RailwayError::RateLimited(wait.unwrap_or(RATE_LIMIT_WAIT)));
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Err(RailwayError::Unauthorized(status.as_u16()));
            }
            _ => {}
        }
        let answer = json_body::read(response, BODY_BYTES_MAX).await.map_err(|error| unreachable(&error))?;
        // GraphQL reports most errors with status 200.
        if let Some(message) = answer.pointer("/errors/0/message").and_then(Value::as_str) {
            let message: String = message.chars().take(MESSAGE_CHARS_MAX).collect();
            return Err(match message.as_str() {
                "Not Authorized" => RailwayError::Unauthorized(status.as_u16()),
                _ => RailwayError::Refused(message),
            });
        }
        match answer {
            Value::Object(mut answer) if status.is_success() => {
                Ok(answer.remove("data").unwrap_or(Value::Null))
            }
            _ => Err(RailwayError::Unreachable(format!("it answered {}", status.as_u16()))),
        }
    }
}

fn deployment_of(node: &Value) -> Option<PlatformDeployment> {
    let text = |name: &str| node.get(name).and_then(Value::as_str);
    Some(PlatformDeployment {
        id: text("id")?.to_owned(),
        status: text("status")?.to_owned(),
        can_rollback: node.get("canRollback").and_then(Value::as_bool).unwrap_or(false),
        created_at: text("createdAt").and_then(|at| at.parse().ok()),
    })
}

fn unreachable(error: &reqwest::Error) -> RailwayError {
    RailwayError::Unreachable(match () {
        () if error.is_connect() => "no connection".to_owned(),
        () if error.is_timeout() => format!("no answer within {} s", REQUEST_TIMEOUT.as_secs()),
        () => "the connection broke".to_owned(),
    })
}

/// The wait that the headers name, in seconds.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
