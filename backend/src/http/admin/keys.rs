//! `/api/admin/keys`: make, list, rotate and revoke keys.

use std::time::Duration;

use axum::{
    Extension, Json,
    extract::{Path, Request, State, rejection::PathRejection},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use pipeline::clock::Timestamp;
use schemars::JsonSchema;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use storage::control_plane::{Permission, Principal, Quotas, Role};

use crate::{
    access::{Caller, KeyAdmin, KeyAdminError, KeyOrder, KeyView, Made, RotationOrder},
    audit::Actor,
    http::{
        body,
        cache_control::NO_STORE,
        codes,
        error::{FieldProblem, Problem},
        operation::Operation,
        reason::{Deleting, REASON_MAX, ReasonQuery, checked},
        state::HttpState,
    },
};

/// A new key.
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::http) struct CreateKey {
    /// For people: logs and the audit show it.
    #[schemars(regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"))]
    name: String,
    #[schemars(with = "RoleName")]
    role: Role,
    /// The owner of the runs that the key submits. By default, the name in lower case.
    #[schemars(with = "Option<String>", regex(pattern = r"^[a-z0-9._-]{1,64}$"))]
    principal: Option<Principal>,
    /// Narrows the key to some permissions of its role.
    #[serde(default)]
    #[schemars(with = "Vec<ScopeName>")]
    scopes: Vec<Permission>,
    #[schemars(range(min = 1, max = 2_147_483_647))]
    runs_per_minute: Option<u32>,
    #[schemars(range(min = 1, max = 2_147_483_647))]
    runs_under_way: Option<u32>,
    #[schemars(range(min = 0.01, max = 1_000_000.0))]
    usd_per_day: Option<f64>,
    /// A time in the future. By default, the key does not expire.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    expires_at: Option<Timestamp>,
    /// Why. It stands in the audit record. Blank counts as absent.
    #[schemars(length(max = REASON_MAX))]
    reason: Option<String>,
}

/// The role of a key.
#[derive(JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(dead_code, reason = "the schema of a role")]
enum RoleName {
    Client,
    Viewer,
    Operator,
    Admin,
}

/// A permission.
#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(dead_code, reason = "the schema of a scope")]
enum ScopeName {
    Submit,
    ReadRuns,
    ControlRuns,
    ReadOperations,
    Operate,
    Administer,
}

/// How a key is replaced.
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::http) struct RotateKey {
    /// How many seconds the old key stays valid. 0 revokes it at once.
    #[serde(default)]
    #[schemars(range(min = 0, max = 2_592_000))]
    grace_seconds: u64,
    /// A time in the future. By default, the new key lasts as long as the old one was made for.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    expires_at: Option<Timestamp>,
    /// Why. It stands in the audit record. Blank counts as absent.
    #[schemars(length(max = REASON_MAX))]
    reason: Option<String>,
}

/// A key that was made, with the key itself, which is shown once.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct NewKey {
    /// Send it as `Authorization: Bearer KEY`. The service keeps only its digest.
    key: String,
    #[serde(flatten)]
    described: KeyView,
}

/// All keys.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct KeyList {
    /// The newest first, ended ones included. Keys of the environment are not among them.
    keys: Vec<KeyView>,
}

fn on_keys(id: &'static str, summary: &'static str) -> Operation {
    Operation::new("Keys", id, summary).problems(&[codes::STORAGE_UNAVAILABLE])
}

pub(in crate::http) fn describe_list() -> Operation {
    on_keys("listKeys", "All keys of the database").json::<KeyList>(StatusCode::OK, "the keys")
}

pub(in crate::http) fn describe_create() -> Operation {
    on_keys("createKey", "Make a key")
        .text("The answer holds the key itself, which is shown once. It opens this replica at once and the others within 2.5 s.")
        .body::<CreateKey>()
        .json::<NewKey>(StatusCode::CREATED, "the key")
        .problems(body::PROBLEMS)
        .problems(&[codes::TOO_MANY_KEYS])
}

pub(in crate::http) fn describe_revoke() -> Operation {
    on_keys("revokeKey", "Revoke a key")
        .text("Every replica refuses the key within 2.5 s. Repetitions get the same answer.")
        .query::<ReasonQuery>()
        .empty(StatusCode::NO_CONTENT, "the key is revoked")
        .problems(&[codes::INVALID_FIELDS, codes::KEY_NOT_FOUND, codes::KEY_IN_USE, codes::LAST_ADMIN_KEY])
}

pub(in crate::http) fn describe_rotate() -> Operation {
    on_keys("rotateKey", "Replace a key")
        .text("The new key has the name, role, principal, scopes and quotas of the old one.")
        .body::<RotateKey>()
        .json::<NewKey>(StatusCode::CREATED, "the new key")
        .problems(body::PROBLEMS)
        .problems(&[codes::KEY_NOT_FOUND, codes::KEY_ENDED, codes::KEY_IN_USE, codes::LAST_ADMIN_KEY])
        .problems(&[codes::TOO_MANY_KEYS])
}

/// All keys.
pub(in crate::http) async fn list(State(state): State<HttpState>) -> Result<Response, Problem> {
    let keys = admin(&state)?.list().await?.into_iter().map(KeyView::from).collect();
    Ok((NO_STORE, Json(KeyList { keys })).into_response())
}

/// Makes a key: 201.
pub(in crate::http) async fn create(
    State(state): State<HttpState>,
    Extension(mut actor): Extension<Actor>,
    request: Request,
) -> Result<Response, Problem> {
    let CreateKey {
        name,
        role,
        principal,
        scopes,
        runs_per_minute,
        runs_under_way,
        usd_per_day,
        expires_at,
        reason,
    } = parse(request, &state).await?;
    actor.reason = reason.map_or(Ok(None), |text| checked(&text))?;
    let quotas = Quotas { runs_per_minute, runs_under_way, usd_per_day };
    let order = KeyOrder { name, role, principal, scopes, quotas, expires_at };
    let audit = |id: &str| state.audit.describe(&actor, "key.create", id);
    Ok(shown(admin(&state)?.create(order, audit).await?))
}

/// Revokes a key: 204, also for a revoked one.
pub(in crate::http) async fn revoke(
    State(state): State<HttpState>,
    Extension(caller): Extension<Caller>,
    Deleting(actor): Deleting,
    key_id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let key_id = known_form(key_id)?;
    let audit = state.audit.describe(&actor, "key.revoke", &key_id);
    match admin(&state)?.revoke(&key_id, caller.key_id.as_deref(), &audit).await {
        Ok(()) | Err(KeyAdminError::Ended(_)) => Ok((StatusCode::NO_CONTENT, NO_STORE).into_response()),
        Err(error) => Err(error.into()),
    }
}

/// Replaces a key: 201.
pub(in crate::http) async fn rotate(
    State(state): State<HttpState>,
    Extension(caller): Extension<Caller>,
    Extension(mut actor): Extension<Actor>,
    key_id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let key_id = known_form(key_id)?;
    let RotateKey { grace_seconds, expires_at, reason } = parse(request, &state).await?;
    actor.reason = reason.map_or(Ok(None), |text| checked(&text))?;
    let order = RotationOrder { grace: Duration::from_secs(grace_seconds), expires_at };
    let audit = state.audit.describe(&actor, "key.rotate", &key_id);
    let made = admin(&state)?.rotate(&key_id, caller.key_id.as_deref(), order, &audit).await?;
    Ok(shown(made))
}

fn admin(state: &HttpState) -> Result<&KeyAdmin, Problem> {
    state.key_admin.as_deref().ok_or_else(|| {
        let detail = "keys are kept in the database, and DATABASE_URL is not set; only keys of the environment are accepted";
        Problem::storage_unavailable(detail)
    })
}

/// No key has an id of another form.
fn known_form(key_id: Result<Path<String>, PathRejection>) -> Result<String, Problem> {
    let is_id = |id: &str| uuid::Uuid::try_parse(id).is_ok();
    let key_id = key_id.ok().map(|Path(id)| id).filter(|id| is_id(id));
    key_id.ok_or_else(|| {
        Problem::new(codes::KEY_NOT_FOUND, "there is no key with this id; GET /api/admin/keys lists all")
    })
}

fn shown(Made { key, text }: Made) -> Response {
    let body = NewKey { key: text.expose_secret().to_owned(), described: key.into() };
    (StatusCode::CREATED, NO_STORE, Json(body)).into_response()
}

async fn parse<T: DeserializeOwned>(request: Request, state: &HttpState) -> Result<T, Problem> {
    let body = body::json(request, &state.limits).await?;
    serde_json::from_value(body)
        .map_err(|error| Problem::fields(vec![FieldProblem { field: "body", detail: error.to_string() }]))
}

impl From<KeyAdminError> for Problem {
    fn from(error: KeyAdminError) -> Self {
        let code = match &error {
            KeyAdminError::Invalid(field, what) => {
                return Self::fields(vec![FieldProblem { field, detail: what.clone() }]);
            }
            KeyAdminError::Unknown(_) => codes::KEY_NOT_FOUND,
            KeyAdminError::Ended(_) => codes::KEY_ENDED,
            KeyAdminError::Own(_) => codes::KEY_IN_USE,
            KeyAdminError::LastAdmin(_) => codes::LAST_ADMIN_KEY,
            KeyAdminError::TooMany => codes::TOO_MANY_KEYS,
            KeyAdminError::NoRandomness => return Self::internal(),
            KeyAdminError::Storage(cause) => {
                tracing::warn!(event = "keys_not_changed", error = %cause, "keys could not be read or changed");
                let detail =
                    "keys cannot be read or changed now; the database does not answer, so try again later";
                return Self::storage_unavailable(detail);
            }
        };
        Self::new(code, error.to_string())
    }
}
