//! The console at `/console`: pages for the people who operate the service.
//!
//! * Pages are made by templates (`backend/templates/console/`) and work without script. htmx refreshes the live parts.
//! * `gate` knows who asks: a session, or a key in a header. `page` has what every page shows. `parts` has the small pieces:
//!   badges, times, figures. `form` reads what people send.
//! * Handlers speak to the same use cases as the API. They return a [`Problem`](crate::http::error::Problem), which the gate
//!   shows as a page.
//! * Every page holds while the database is away: it shows what memory and files have, under a banner.

mod alerts;
mod assets;
mod audit;
mod conflicts;
mod cookie;
mod deployments;
mod flags;
mod form;
mod gate;
mod keys;
mod login;
mod message;
mod operations;
mod overview;
mod own_form;
mod page;
mod parts;
mod reconciliation;
mod rollback;
mod runs;
mod spark;
mod webhooks;

use axum::{
    Router,
    middleware::from_fn_with_state,
    routing::{get, post},
};
use storage::control_plane::Permission;

use self::gate::Gate;
use crate::http::{HttpState, runs as api};

/// The pages, each behind the permission that it takes.
pub fn pages(state: &HttpState) -> Router<HttpState> {
    if !state.serves_runs {
        return Router::new();
    }
    let guarded = [
        (Permission::ReadOperations, reads()),
        (Permission::ControlRuns, run_changes()),
        (Permission::Operate, operation_changes()),
        (Permission::Administer, key_changes()),
    ];
    let mut all = open();
    let gate = |permission| from_fn_with_state(Gate::new(state, permission), gate::enter);
    for (permission, routes) in guarded {
        all = all.merge(routes.route_layer(gate(permission)));
    }
    // Clients may read runs and are not let in here; a key may be narrowed to operations alone. So runs take both.
    let runs =
        run_reads().route_layer(gate(Permission::ReadRuns)).route_layer(gate(Permission::ReadOperations));
    all.merge(runs)
}

/// The addresses that everybody may ask: what a person needs before there is a session.
pub const PUBLIC_PATHS: [&str; 3] = ["/console/login", "/console/logout", "/console/assets/{name}"];

/// See [`PUBLIC_PATHS`].
fn open() -> Router<HttpState> {
    Router::new()
        .route("/console/login", get(login::show).post(login::enter))
        .route("/console/logout", post(login::leave))
        .route("/console/assets/{name}", get(assets::asset))
}

/// Viewers, operators and admins look.
fn reads() -> Router<HttpState> {
    Router::new()
        .route("/console", get(overview::show))
        .route("/console/live", get(overview::live))
        .route("/console/operations", get(operations::show))
        .route("/console/operations/{operation_id}", get(operations::one))
        .route("/console/operations/{operation_id}/live", get(operations::live))
        .route("/console/flags", get(flags::show))
        .route("/console/flags/replicas", get(flags::replicas_part))
        .route("/console/flags/{key}", get(flags::one))
        .route("/console/rollback", get(rollback::show))
        .route("/console/alerts", get(alerts::show))
        .route("/console/alerts/live", get(alerts::live))
        .route("/console/deployments", get(deployments::show))
        .route("/console/deployments/rollback", get(deployments::rollback_plan))
        .route("/console/deployments/{deployment_id}", get(deployments::one))
        .route("/console/reconciliation", get(reconciliation::show))
        .route("/console/reconciliation/live", get(reconciliation::live))
        .route("/console/conflicts", get(conflicts::show))
        .route("/console/webhooks", get(webhooks::show))
        .route("/console/keys", get(keys::show))
        .route("/console/audit", get(audit::show))
        .route("/console/audit/export", get(audit::export))
}

/// Viewers, operators and admins read runs, their documents and reports.
fn run_reads() -> Router<HttpState> {
    Router::new()
        .route("/console/runs", get(runs::list::show))
        .route("/console/runs/{run_id}", get(runs::one::show))
        .route("/console/runs/{run_id}/live", get(runs::one::live))
        .route("/console/runs/{run_id}/events", get(api::follow))
        .route("/console/runs/{run_id}/report", get(api::report))
        .route("/console/runs/{run_id}/document", get(api::document))
        .route("/console/runs/{run_id}/pages/{page}", get(api::page))
        .route("/console/runs/{run_id}/evidence/{label}", get(api::evidence))
        .route("/console/conflicts/{run_id}", get(conflicts::one))
}

/// Operators and admins act on runs.
fn run_changes() -> Router<HttpState> {
    Router::new()
        .route("/console/runs/{run_id}/retry", post(runs::actions::retry))
        .route("/console/runs/{run_id}/cancel", post(runs::actions::cancel))
        .route("/console/runs/{run_id}/delete", post(runs::actions::delete))
}

/// Operators and admins change what the service does.
fn operation_changes() -> Router<HttpState> {
    Router::new()
        .route("/console/operations", post(operations::start))
        .route("/console/operations/preview", get(operations::preview))
        .route("/console/operations/{operation_id}/cancel", post(operations::cancel))
        .route("/console/flags/revert", post(flags::revert))
        .route("/console/flags/{key}", post(flags::set))
        .route("/console/rollback", post(rollback::roll_back))
        .route("/console/reconciliation", post(reconciliation::run))
        .route("/console/conflicts/{run_id}", post(conflicts::resolve))
        .route("/console/alerts/silences", post(alerts::silence))
        .route("/console/alerts/silences/{silence_id}/end", post(alerts::unsilence))
        .route("/console/alerts/test", post(alerts::test))
        .route("/console/deployments/rollback", post(deployments::roll_back))
        .route("/console/webhooks/send", post(webhooks::send))
        .route("/console/webhooks/replay", post(webhooks::replay))
}

/// Only admins make and end keys.
fn key_changes() -> Router<HttpState> {
    Router::new()
        .route("/console/keys", post(keys::create))
        .route("/console/keys/{key_id}/rotate", post(keys::rotate))
        .route("/console/keys/{key_id}/revoke", post(keys::revoke))
}
