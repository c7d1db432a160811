//! `/api/admin/deployments`: the dashboard, one deployment, old and new side by side, and the rollback.

use std::time::Duration;

use axum::{
    Extension, Json,
    extract::{Path, Request, State, rejection::PathRejection},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::{
    audit::Actor,
    deployments::{
        Dashboard, DeploymentRollbackPlan, DeploymentView, MigrationHealth, RailwayError, RollbackError,
    },
    health::HealthStatus,
    http::{
        body,
        cache_control::NO_STORE,
        codes,
        error::{FieldProblem, Problem},
        operation::Operation,
        state::HttpState,
    },
};

/// `Retry-After` while the platform does not answer.
const RETRY: Duration = Duration::from_secs(30);

/// The current deployment, the last ones, and their figures.
#[derive(Debug, Serialize, JsonSchema)]
struct DeploymentsAnswer {
    #[serde(flatten)]
    dashboard: Dashboard,
    /// The health of this replica now.
    health: HealthStatus,
}

/// A rollback of a deployment.
#[derive(Debug, JsonSchema)]
#[allow(dead_code, reason = "read by hand, so that every problem is named at once")]
struct DeploymentRollbackRequest {
    /// The deployment to go back to; by default the last healthy one.
    to: Option<String>,
    #[schemars(length(min = 1, max = 500), regex(pattern = r"\S"))]
    reason: String,
    /// Only say what would be done, and what speaks against it.
    dry_run: Option<bool>,
}

/// A rollback that was planned, or started.
#[derive(Debug, Serialize, JsonSchema)]
struct DeploymentRollbackAnswer {
    plan: DeploymentRollbackPlan,
    /// Whether the platform has begun. `GET /api/admin/deployments` shows the deployment that comes.
    is_started: bool,
}

pub(in crate::http) fn describe_dashboard() -> Operation {
    Operation::new(
        "Operations",
        "listDeployments",
        "The current deployment, the last ten, and figures over all",
    )
    .text("While the database is away, the answer holds what the files know, and says so.")
    .json::<DeploymentsAnswer>(StatusCode::OK, "the deployments")
}

pub(in crate::http) fn describe_one() -> Operation {
    Operation::new("Operations", "getDeployment", "One deployment with its verdict")
        .json::<DeploymentView>(StatusCode::OK, "the deployment")
        .problems(&[codes::DEPLOYMENT_NOT_FOUND])
}

pub(in crate::http) fn describe_migration() -> Operation {
    Operation::new("Operations", "getMigrationHealth", "The runs of the last day, old and new side by side")
        .text("By storage mode, and by the two sides of each flag that is on for a share of the runs.")
        .json::<MigrationHealth>(StatusCode::OK, "the comparison")
}

pub(in crate::http) fn describe_rollback() -> Operation {
    Operation::new("Operations", "rollbackDeployment", "Goes back to an earlier deployment by the platform's API")
        .text("Its image and its variables come back. The platform may stop this replica before the deployment is back.")
        .body::<DeploymentRollbackRequest>()
        .json::<DeploymentRollbackAnswer>(StatusCode::OK, "the plan, and whether it was started")
        .problems(body::PROBLEMS)
        .problems(&[
            codes::DEPLOYMENT_NOT_FOUND,
            codes::DEPLOYMENT_ROLLBACK_REFUSED,
            codes::PLATFORM_UNAVAILABLE,
            codes::STORAGE_UNAVAILABLE,
        ])
}

/// `GET /api/admin/deployments`
pub(in crate::http) async fn dashboard(State(state): State<HttpState>) -> Response {
    let (dashboard, health) = tokio::join!(state.deployments.dashboard(), state.health.basic());
    (NO_STORE, Json(DeploymentsAnswer { dashboard, health: health.status })).into_response()
}

/// `GET /api/admin/deployments/{id}`
pub(in crate::http) async fn one(
    State(state): State<HttpState>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let Path(id) = id.map_err(|_| not_found())?;
    let found = state.deployments.find(&id).await.ok_or_else(not_found)?;
    Ok((NO_STORE, Json(found)).into_response())
}

/// `GET /api/admin/migration-health`
pub(in crate::http) async fn migration(State(state): State<HttpState>) -> Response {
    (NO_STORE, Json(state.deployments.migration_health().await)).into_response()
}

/// `POST /api/admin/deployments/rollback`
pub(in crate::http) async fn rollback(
    State(state): State<HttpState>,
    Extension(by): Extension<Actor>,
    request: Request,
) -> Result<Response, Problem> {
    let body = body::json(request, &state.limits).await?;
    let order = Order::of(&body)?;
    let rollback = &state.deployments.rollback;
    let plan = rollback.plan(None, order.to.as_deref()).await?;
    if order.dry_run {
        return Ok((NO_STORE, Json(DeploymentRollbackAnswer { plan, is_started: false })).into_response());
    }
    // The wait for the platform outlasts a request: it goes on alone.
    let shown = plan.clone();
    rollback.start(plan, &order.reason, &by).await?;
    Ok((NO_STORE, Json(DeploymentRollbackAnswer { plan: shown, is_started: true })).into_response())
}

struct Order {
    to: Option<String>,
    reason: String,
    dry_run: bool,
}

impl Order {
    fn of(body: &Value) -> Result<Self, Problem> {
        let mut problems = Vec::new();
        let mut problem = |field: &'static str, detail: &str| {
            problems.push(FieldProblem { field, detail: detail.to_owned() });
        };
        if !body.is_object() {
            problem("body", "must be a JSON object");
        }
        let reason = body.get("reason").and_then(Value::as_str).unwrap_or_default().trim().to_owned();
        if !(1..=500).contains(&reason.chars().count()) {
            problem("reason", "is required, with 500 characters at most: it stands in the audit");
        }
        let to = match body.get("to") {
            None | Some(Value::Null) => None,
            Some(Value::String(id)) if !id.is_empty() => Some(id.clone()),
            Some(_) => {
                problem("to", "must be the id of a deployment");
                None
            }
        };
        let dry_run = match body.get("dry_run") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(dry_run)) => *dry_run,
            Some(_) => {
                problem("dry_run", "must be true or false");
                false
            }
        };
        if problems.is_empty() { Ok(Self { to, reason, dry_run }) } else { Err(Problem::fields(problems)) }
    }
}

fn not_found() -> Problem {
    Problem::new(
        codes::DEPLOYMENT_NOT_FOUND,
        "there is no deployment with this id; GET /api/admin/deployments lists the last ones",
    )
}

impl From<RollbackError> for Problem {
    fn from(error: RollbackError) -> Self {
        match &error {
            RollbackError::Unknown(_) => not_found(),
            RollbackError::NoReason => {
                Self::fields(vec![FieldProblem { field: "reason", detail: error.to_string() }])
            }
            RollbackError::Railway(RailwayError::RateLimited(wait)) => {
                Self::unavailable(codes::PLATFORM_UNAVAILABLE, error.to_string(), *wait)
            }
            RollbackError::Railway(RailwayError::Refused(_)) => {
                Self::new(codes::DEPLOYMENT_ROLLBACK_REFUSED, error.to_string())
            }
            RollbackError::Railway(_) => {
                Self::unavailable(codes::PLATFORM_UNAVAILABLE, error.to_string(), RETRY)
            }
            RollbackError::Storage(cause) => {
                tracing::warn!(event = "rollback_not_recorded", error = %cause, "the rollback could not be recorded");
                Self::storage_unavailable("the rollback could not be recorded")
            }
            RollbackError::NoCurrent | RollbackError::NoTarget | RollbackError::Refused(_) => {
                Self::new(codes::DEPLOYMENT_ROLLBACK_REFUSED, error.to_string())
            }
        }
    }
}
