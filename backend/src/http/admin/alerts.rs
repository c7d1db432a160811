//! `/api/admin/alerts`: what fires, silences, and a message to try a channel.

use std::time::Duration;

use axum::{
    Extension, Json,
    extract::{Path, Request, State, rejection::PathRejection},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    alerts::{
        admin::AlertError,
        board::SharedBy,
        rules::RULES,
        view::{AlertListing, SilenceView},
    },
    audit::Actor,
    http::{
        body,
        cache_control::NO_STORE,
        codes,
        error::{FieldProblem, Problem},
        operation::Operation,
        reason::{Deleting, ReasonQuery},
        state::HttpState,
    },
};

/// `Retry-After` after a channel has not taken a message.
const RETRY: Duration = Duration::from_secs(60);

/// A silence.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SilenceRequest {
    /// The rule's id.
    #[schemars(extend("enum" = rule_ids()))]
    rule: String,
    /// How long no channel is told: 30 days at most.
    #[schemars(range(min = 1, max = 2_592_000))]
    for_seconds: u64,
    /// Why. It stands in the audit.
    #[schemars(length(min = 1, max = 500), regex(pattern = r"\S"))]
    reason: String,
}

fn rule_ids() -> Vec<&'static str> {
    RULES.iter().map(|rule| rule.id).collect()
}

/// A message to try a channel.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TestRequest {
    /// `slack`, `pagerduty`, `email`, `webhook` or `github`.
    #[schemars(extend("enum" = ["slack", "pagerduty", "email", "webhook", "github"]))]
    channel: String,
}

/// A silence that was stored.
#[derive(Debug, Serialize, JsonSchema)]
struct SilenceAnswer {
    silence: SilenceView,
    /// `files` while the database is away: then only replicas of the same disk or bucket know it until it is back.
    stored_in: SharedBy,
}

/// A message that was taken.
#[derive(Debug, Serialize, JsonSchema)]
struct TestAnswer {
    channel: &'static str,
    is_sent: bool,
}

pub(in crate::http) fn describe_list() -> Operation {
    Operation::new("Operations", "listAlerts", "All alerts, rules, silences and channels")
        .text("Answered from memory, also while the database is away.")
        .json::<AlertListing>(StatusCode::OK, "the alerts as this replica knows them")
}

pub(in crate::http) fn describe_silence() -> Operation {
    Operation::new("Operations", "silenceAlert", "Keeps a rule from telling channels for a time")
        .text("The rule is still looked at, and the alert is still shown.")
        .body::<SilenceRequest>()
        .json::<SilenceAnswer>(StatusCode::CREATED, "the silence")
        .problems(body::PROBLEMS)
        .problems(&[codes::TOO_MANY_SILENCES, codes::STORAGE_UNAVAILABLE])
}

pub(in crate::http) fn describe_unsilence() -> Operation {
    Operation::new("Operations", "endSilence", "Ends a silence now")
        .query::<ReasonQuery>()
        .empty(StatusCode::NO_CONTENT, "the silence has ended")
        .problems(&[codes::INVALID_FIELDS, codes::SILENCE_NOT_FOUND, codes::STORAGE_UNAVAILABLE])
}

pub(in crate::http) fn describe_test() -> Operation {
    Operation::new("Operations", "testAlertChannel", "Sends a message to try a channel")
        .body::<TestRequest>()
        .json::<TestAnswer>(StatusCode::OK, "the channel has taken the message")
        .problems(body::PROBLEMS)
        .problems(&[codes::CHANNEL_NOT_CONFIGURED, codes::CHANNEL_FAILED])
}

/// `GET /api/admin/alerts`
pub(in crate::http) async fn list(State(state): State<HttpState>) -> Response {
    (NO_STORE, Json(state.alerts.list())).into_response()
}

/// `POST /api/admin/alerts/silences`
pub(in crate::http) async fn silence(
    State(state): State<HttpState>,
    Extension(by): Extension<Actor>,
    request: Request,
) -> Result<Response, Problem> {
    let SilenceRequest { rule, for_seconds, reason } = parse(request, &state).await?;
    let silenced = state.alerts.silence(&rule, Duration::from_secs(for_seconds), &reason, &by).await?;
    let body = SilenceAnswer { silence: SilenceView::of(&silenced.silence), stored_in: silenced.stored_in };
    Ok((StatusCode::CREATED, NO_STORE, Json(body)).into_response())
}

/// `DELETE /api/admin/alerts/silences/{silence_id}`
pub(in crate::http) async fn unsilence(
    State(state): State<HttpState>,
    Deleting(by): Deleting,
    silence_id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    // No silence has an id of another form.
    let id = silence_id.ok().map(|Path(id)| id).filter(|id| uuid::Uuid::try_parse(id).is_ok());
    state.alerts.end_silence(&id.ok_or(AlertError::UnknownSilence)?, &by).await?;
    Ok((StatusCode::NO_CONTENT, NO_STORE).into_response())
}

/// `POST /api/admin/alerts/test`
pub(in crate::http) async fn test(
    State(state): State<HttpState>,
    Extension(by): Extension<Actor>,
    request: Request,
) -> Result<Response, Problem> {
    let TestRequest { channel } = parse(request, &state).await?;
    let channel = state.alerts.test(&channel, &by).await?;
    Ok((NO_STORE, Json(TestAnswer { channel, is_sent: true })).into_response())
}

async fn parse<T: DeserializeOwned>(request: Request, state: &HttpState) -> Result<T, Problem> {
    let body = body::json(request, &state.limits).await?;
    serde_json::from_value(body)
        .map_err(|error| Problem::fields(vec![FieldProblem { field: "body", detail: error.to_string() }]))
}

impl From<AlertError> for Problem {
    fn from(error: AlertError) -> Self {
        let field = |field| Self::fields(vec![FieldProblem { field, detail: error.to_string() }]);
        match &error {
            AlertError::UnknownRule(_) => field("rule"),
            AlertError::NoReason => field("reason"),
            AlertError::WrongSpan => field("for_seconds"),
            AlertError::UnknownChannel(_) => field("channel"),
            AlertError::TooMany => Self::new(codes::TOO_MANY_SILENCES, error.to_string()),
            AlertError::UnknownSilence => Self::new(codes::SILENCE_NOT_FOUND, error.to_string()),
            AlertError::NotConfigured { .. } => Self::new(codes::CHANNEL_NOT_CONFIGURED, error.to_string()),
            AlertError::NotSent { .. } => Self::unavailable(codes::CHANNEL_FAILED, error.to_string(), RETRY),
            AlertError::Unavailable(cause) => {
                tracing::warn!(event = "alert_silence_not_stored", error = %cause, "a silence could not be stored");
                Self::storage_unavailable(
                    "neither the database nor the files can take the silence now; try again",
                )
            }
        }
    }
}
