//! All routes in one place, each with its description.

use std::sync::LazyLock;

use axum::{
    Json, Router,
    http::Method,
    middleware::{from_fn, from_fn_with_state},
    response::Response,
};
use serde_json::Value;
use storage::control_plane::Permission;
use tower::Layer as _;
use tower_http::{compression::CompressionLayer, normalize_path::NormalizePathLayer};

use super::{
    access_log,
    admin::{alerts, audit, deployments, flags, keys, operations},
    auth, brands, cors, docs,
    error::{self, Problem},
    guards, health, metrics, ofrep, openapi, origin,
    routes::{Routes, Served},
    runs::{self, describe},
    state::HttpState,
};

/// The API's description. It depends on the code alone.
pub static DOCUMENT: LazyLock<Value> = LazyLock::new(|| openapi::document(&served()));

/// The content of `/docs`.
static PAGE: LazyLock<String> = LazyLock::new(|| docs::body(&DOCUMENT));

fn submissions() -> Routes {
    Routes::requiring(Permission::Submit).post("/run", runs::submit, describe::submit())
}

/// A client reads the runs of its principal; the other roles read all.
fn reads() -> Routes {
    Routes::requiring(Permission::ReadRuns)
        .get("/status/{run_id}", runs::status, describe::status("getStatus"))
        .get("/api/pipeline", runs::list, describe::list())
        .get("/api/pipeline/batches/{batch_id}", runs::batches::show, runs::batches::describe_view())
        .get(
            "/api/pipeline/batches/{batch_id}/report",
            runs::batches::compare,
            runs::batches::describe_report(),
        )
        .get("/api/pipeline/{run_id}", runs::detail, describe::detail())
        .get("/api/pipeline/{run_id}/status", runs::status, describe::status("getRunStatus"))
        .get("/api/pipeline/{run_id}/report", runs::report, describe::report())
        .get("/api/pipeline/{run_id}/document", runs::document, describe::document())
        .get("/api/pipeline/{run_id}/pages/{page}", runs::page, describe::page())
        .get("/api/pipeline/{run_id}/evidence/{label}", runs::evidence, describe::evidence())
        .get("/api/pipeline/{run_id}/events", runs::follow, describe::events())
}

/// A client acts on the runs of its principal; operators act on all.
fn actions() -> Routes {
    Routes::requiring(Permission::ControlRuns)
        .delete("/api/pipeline/{run_id}", runs::delete, describe::delete())
        .post("/api/pipeline/{run_id}/retry", runs::retry, describe::retry())
        .post("/api/pipeline/{run_id}/cancel", runs::cancel, describe::cancel())
}

/// Only admins make and end keys.
fn key_routes() -> Routes {
    Routes::requiring(Permission::Administer)
        .get("/api/admin/keys", keys::list, keys::describe_list())
        .post("/api/admin/keys", keys::create, keys::describe_create())
        .delete("/api/admin/keys/{key_id}", keys::revoke, keys::describe_revoke())
        .post("/api/admin/keys/{key_id}/rotate", keys::rotate, keys::describe_rotate())
}

/// Flags by the OpenFeature Remote Evaluation Protocol.
fn evaluations() -> Routes {
    Routes::requiring(Permission::ReadRuns)
        .post("/ofrep/v1/evaluate/flags", ofrep::all, ofrep::describe_all())
        .post("/ofrep/v1/evaluate/flags/{key}", ofrep::one, ofrep::describe_one())
        .get(ofrep::events::PATH, ofrep::events::follow, ofrep::events::describe())
}

/// The reads of operators.
fn operation_reads() -> Routes {
    Routes::requiring(Permission::ReadOperations)
        .get("/api/admin/alerts", alerts::list, alerts::describe_list())
        .get("/api/admin/audit", audit::list, audit::describe())
        .get("/api/admin/deployments", deployments::dashboard, deployments::describe_dashboard())
        .get("/api/admin/deployments/{deployment_id}", deployments::one, deployments::describe_one())
        .get("/api/admin/migration-health", deployments::migration, deployments::describe_migration())
        .get("/api/admin/flags", flags::list, flags::describe_list())
        .get("/api/admin/flags/{key}", flags::one, flags::describe_one())
        .get("/api/admin/flags/{key}/history", flags::history, flags::describe_history())
        .get("/api/admin/operations", operations::list, operations::describe_list())
        .get("/api/admin/operations/{operation_id}", operations::one, operations::describe_one())
}

fn operation_changes() -> Routes {
    Routes::requiring(Permission::Operate)
        .put("/api/admin/flags/{key}", flags::set, flags::describe_set())
        .post("/api/admin/deployments/rollback", deployments::rollback, deployments::describe_rollback())
        .post("/api/admin/alerts/silences", alerts::silence, alerts::describe_silence())
        .delete("/api/admin/alerts/silences/{silence_id}", alerts::unsilence, alerts::describe_unsilence())
        .post("/api/admin/alerts/test", alerts::test, alerts::describe_test())
        .post("/api/admin/emergency-rollback", flags::rollback, flags::describe_rollback())
        .post("/api/admin/operations/preview", operations::preview, operations::describe_preview())
        .post("/api/admin/operations", operations::start, operations::describe_start())
        .post(
            "/api/admin/operations/{operation_id}/cancel",
            operations::cancel,
            operations::describe_cancel(),
        )
}

fn public() -> Routes {
    Routes::public()
        .get("/brands", brands::list, brands::describe_list())
        .get("/brands/{brand_id}", brands::one, brands::describe_one())
        .get("/health", health::basic, health::describe_basic("getHealth"))
        .get("/api/health", health::basic, health::describe_basic("getApiHealth"))
        .get("/health/live", health::live, health::describe_live())
        .get("/health/ready", health::ready, health::describe_ready())
        .get("/health/deep", health::deep, health::describe_deep())
        .get("/health/metrics", metrics::json, metrics::describe_json())
        // It has its own key, if one is set.
        .get("/metrics", metrics::prometheus, metrics::describe())
        .get("/openapi.json", openapi_json, openapi::describe_json())
        .get("/docs", docs_page, docs::describe())
}

/// `GET /openapi.json`
async fn openapi_json() -> Json<&'static Value> {
    Json(&*DOCUMENT)
}

/// `GET /docs`
async fn docs_page() -> Result<Response, Problem> {
    docs::page(&PAGE)
}

/// The routes that require a key.
fn guarded() -> [Routes; 7] {
    [submissions(), reads(), actions(), evaluations(), operation_reads(), operation_changes(), key_routes()]
}

/// All operations, for the documentation.
pub(super) fn served() -> Vec<Served> {
    guarded().into_iter().chain([public()]).flat_map(|routes| routes.served).collect()
}

/// Every method that some route has. A route of GET answers HEAD, too.
fn methods() -> Vec<Method> {
    let mut named: Vec<String> = served().iter().map(|served| served.method.to_uppercase()).collect();
    named.push(Method::HEAD.to_string());
    named.sort_unstable();
    named.dedup();
    named.iter().filter_map(|name| name.parse().ok()).collect()
}

/// The addresses that everybody may ask.
#[must_use]
pub fn public_paths() -> Vec<&'static str> {
    public().served.iter().map(|served| served.path).collect()
}

/// The whole API, and the pages for people. The pages guard themselves; limits, access log and headers are the same.
pub fn router(state: HttpState, pages: Router<HttpState>) -> Router {
    let mut router = public().router.merge(pages);
    for routes in guarded().into_iter().filter(|_| state.serves_runs) {
        let Some(permission) = routes.permission else { continue };
        let guard = from_fn_with_state(auth::Guard::new(&state, permission), auth::require_permission);
        router = router.merge(routes.router.route_layer(guard));
    }
    let mut router = router
        .fallback(error::no_route)
        .method_not_allowed_fallback(error::no_method)
        // The last layer is the outermost.
        .layer(from_fn_with_state(state.clone(), origin::refuse_foreign))
        .layer(from_fn_with_state(state.clone(), guards::time_limit))
        .layer(from_fn(guards::catch_panic))
        .layer(from_fn_with_state(state.clone(), guards::limit_share));
    if let Some(cors) = cors::layer(&state.access.allowed_origins, methods()) {
        router = router.layer(cors);
    }
    let router = router
        .layer(from_fn_with_state(state.clone(), access_log::name_and_log))
        .layer(CompressionLayer::new())
        .layer(from_fn(guards::security_headers))
        .with_state(state);
    // Serves `/run/` as `/run`, as the earlier service did. A layer inside the router would come too late.
    Router::new().fallback_service(NormalizePathLayer::trim_trailing_slash().layer(router))
}
