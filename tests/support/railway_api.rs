//! Railway's API for one service, with the quirks that matter to a rollback. Sources: Railway's documentation (API, rollbacks, rate
//! limits, deployment statuses) and its public schema: `deploymentRollback(id: String!): Boolean!`, `Deployment.canRollback: Boolean!`.
//!
//! * A project token counts in `Project-Access-Token` only, any other in `Authorization: Bearer`. A wrong one is an error with status
//!   200.
//! * A scalar refuses a selection, an object demands one, and an unknown field is refused.
//! * Requests are limited by the hour: 429 with `Retry-After` and the `X-RateLimit-` headers.
//! * A rollback restores image and variables of a deployment in a new deployment, whose status moves on with time. The one before is
//!   then removed. It works while the image is kept.

// Each binary uses its own part of it.
#![allow(dead_code)]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::post,
};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use serde_json::{Value, json};

/// The fields of `Deployment` in the schema, as far as anybody here may ask.
const DEPLOYMENT_FIELDS: [&str; 9] = [
    "id",
    "status",
    "canRollback",
    "canRedeploy",
    "createdAt",
    "updatedAt",
    "environmentId",
    "serviceId",
    "meta",
];

/// The statuses of a deployment that comes up, one a look.
const COMING_UP: [&str; 4] = ["INITIALIZING", "DEPLOYING", "DEPLOYING", "SUCCESS"];

/// A deployment on the platform.
#[derive(Debug, Clone)]
struct Deployed {
    id: String,
    status: &'static str,
    is_image_kept: bool,
    variables: BTreeMap<String, String>,
    /// How many looks have seen it come up.
    looks: Option<usize>,
}

#[derive(Debug)]
struct Platform {
    token: (&'static str, String),
    requests_left: usize,
    /// The newest last.
    deployments: Vec<Deployed>,
    /// The variables that the service runs with.
    variables: BTreeMap<String, String>,
    rollbacks: Vec<String>,
    is_stable: bool,
}

/// The platform. Ends with its test's runtime.
#[derive(Debug, Clone)]
pub(crate) struct RailwayApi {
    url: String,
    platform: Arc<Mutex<Platform>>,
}

impl RailwayApi {
    /// Takes a project token.
    pub(crate) async fn start(token: &str) -> Self {
        let platform = Platform {
            token: ("project-access-token", token.to_owned()),
            requests_left: 1_000,
            deployments: Vec::new(),
            variables: BTreeMap::new(),
            rollbacks: Vec::new(),
            is_stable: true,
        };
        let platform = Arc::new(Mutex::new(platform));
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/graphql/v2", listener.local_addr().unwrap());
        let routes = Router::new().route("/graphql/v2", post(answer)).with_state(platform.clone());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let service = TowerToHyperService::new(routes.clone());
                let http = hyper::server::conn::http1::Builder::new();
                tokio::spawn(http.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { url, platform }
    }

    /// The settings of a service on it.
    pub(crate) fn settings(&self) -> Vec<(String, String)> {
        let of = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let token = self.platform.lock().unwrap().token.1.clone();
        vec![
            of("RAILWAY_API_URL", &self.url),
            of("RAILWAY_TOKEN", &token),
            of("RAILWAY_PLAN", "pro"),
            of("RAILWAY_PROJECT_ID", "project-1"),
            of("RAILWAY_ENVIRONMENT_ID", "environment-1"),
            of("RAILWAY_SERVICE_ID", "service-1"),
        ]
    }

    /// The platform switches to a new deployment with these variables.
    pub(crate) fn deploy(&self, id: &str, variables: &[(&str, &str)]) {
        let mut platform = self.platform.lock().unwrap();
        platform.retire();
        let variables: BTreeMap<_, _> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        platform.variables.clone_from(&variables);
        platform.deployments.push(Deployed {
            id: id.to_owned(),
            status: "SUCCESS",
            is_image_kept: true,
            variables,
            looks: None,
        });
    }

    /// The retention of a deployment is over.
    pub(crate) fn expire(&self, id: &str) {
        let mut platform = self.platform.lock().unwrap();
        let found = platform.deployments.iter_mut().find(|deployed| deployed.id == id);
        found.unwrap().is_image_kept = false;
    }

    /// From now on so many requests are answered.
    pub(crate) fn limit(&self, requests: usize) {
        self.platform.lock().unwrap().requests_left = requests;
    }

    /// The deployments that somebody went back to.
    pub(crate) fn rollbacks(&self) -> Vec<String> {
        self.platform.lock().unwrap().rollbacks.clone()
    }

    /// The variables that the service runs with.
    pub(crate) fn variables(&self) -> BTreeMap<String, String> {
        self.platform.lock().unwrap().variables.clone()
    }
}

impl Platform {
    fn retire(&mut self) {
        for deployed in self.deployments.iter_mut().filter(|deployed| deployed.status == "SUCCESS") {
            deployed.status = "REMOVED";
        }
    }

    /// One look at the newest deployment moves it on.
    fn tick(&mut self) {
        let Some(newest) = self.deployments.last_mut() else { return };
        let Some(looks) = newest.looks.as_mut() else { return };
        *looks += 1;
        let status = COMING_UP[(*looks).min(COMING_UP.len() - 1)];
        if status == "SUCCESS" && newest.status != "SUCCESS" {
            let variables = newest.variables.clone();
            for deployed in self.deployments.iter_mut().filter(|deployed| deployed.status == "SUCCESS") {
                deployed.status = "REMOVED";
            }
            self.variables = variables;
        }
        self.deployments.last_mut().unwrap().status = status;
    }

    fn execute(&mut self, query: &str, variables: &Value) -> Result<Value, String> {
        if let Some(selection) = field(query, "deploymentRollback") {
            if selection.is_some() {
                let what = "Field \"deploymentRollback\" must not have a selection since type \"Boolean!\" has no subfields.";
                return Err(what.to_owned());
            }
            return self.roll_back(&variables["id"]).map(|()| json!({ "deploymentRollback": true }));
        }
        if let Some(selection) = field(query, "platformStatus") {
            let selection =
                selection.ok_or("Field \"platformStatus\" must have a selection of subfields.")?;
            check(&selection, &["isStable", "incident", "maintenance"], "PlatformStatus")?;
            return Ok(json!({ "platformStatus": { "isStable": self.is_stable } }));
        }
        if let Some(selection) = field(query, "deployments") {
            check(&selection.ok_or("no selection")?, &["edges", "pageInfo"], "QueryDeploymentsConnection")?;
            let wanted = field(query, "node").flatten().ok_or("no node")?;
            check(&wanted, &DEPLOYMENT_FIELDS, "Deployment")?;
            if variables["input"]["serviceId"] != "service-1" {
                return Err("Service not found".to_owned());
            }
            self.tick();
            let first = usize::try_from(variables["first"].as_u64().unwrap_or(10)).unwrap();
            let newest = self.deployments.iter().rev().take(first);
            let edges: Vec<Value> =
                newest.map(|deployed| json!({ "node": shown(deployed, &wanted) })).collect();
            return Ok(json!({ "deployments": { "edges": edges } }));
        }
        let wanted = field(query, "deployment").ok_or("Cannot query that field on type \"Query\".")?;
        let wanted = wanted
            .ok_or("Field \"deployment\" of type \"Deployment!\" must have a selection of subfields.")?;
        check(&wanted, &DEPLOYMENT_FIELDS, "Deployment")?;
        let found =
            self.deployments.iter().find(|deployed| Some(deployed.id.as_str()) == variables["id"].as_str());
        let found = found.ok_or("Deployment not found")?;
        Ok(json!({ "deployment": shown(found, &wanted) }))
    }

    fn roll_back(&mut self, id: &Value) -> Result<(), String> {
        let target = self.deployments.iter().find(|deployed| Some(deployed.id.as_str()) == id.as_str());
        let target = target.ok_or("Deployment not found")?.clone();
        if !target.is_image_kept || target.status != "REMOVED" {
            return Err("This deployment cannot be rolled back to".to_owned());
        }
        self.rollbacks.push(target.id.clone());
        let id = format!("{}-again", target.id);
        self.deployments.push(Deployed { id, status: COMING_UP[0], looks: Some(0), ..target });
        Ok(())
    }
}

fn shown(deployed: &Deployed, wanted: &[String]) -> Value {
    let can_rollback = deployed.is_image_kept && deployed.status == "REMOVED";
    let all = json!({
        "id": deployed.id,
        "status": deployed.status,
        "canRollback": can_rollback,
        "createdAt": "2026-12-02T10:00:00.000Z",
    });
    let fields = wanted.iter().map(|name| (name.clone(), all.get(name).cloned().unwrap_or(Value::Null)));
    Value::Object(fields.collect())
}

fn check(selection: &[String], known: &[&str], of: &str) -> Result<(), String> {
    match selection.iter().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(format!("Cannot query field \"{name}\" on type \"{of}\".")),
        None => Ok(()),
    }
}

/// Whether a query has a field. Then the names of its selection, if it has one.
fn field(query: &str, name: &str) -> Option<Option<Vec<String>>> {
    // The operation's own name stands before the first brace.
    let body = query.split_once('{')?.1;
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let at = body.match_indices(name).map(|(at, _)| at).find(|at| {
        let (before, after) = (body[..*at].chars().next_back(), body[at + name.len()..].chars().next());
        !before.is_some_and(is_name) && !after.is_some_and(is_name)
    })?;
    let mut rest = body[at + name.len()..].trim_start();
    if rest.starts_with('(') {
        rest = rest.split_once(')')?.1.trim_start();
    }
    let Some(inside) = rest.strip_prefix('{') else { return Some(None) };
    let (mut names, mut depth, mut word) = (Vec::new(), 0, String::new());
    for c in inside.chars() {
        if is_name(c) {
            word.push(c);
            continue;
        }
        if depth == 0 && !word.is_empty() {
            names.push(word.clone());
        }
        word.clear();
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            _ => {}
        }
    }
    Some(Some(names))
}

async fn answer(
    State(platform): State<Arc<Mutex<Platform>>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let mut platform = platform.lock().unwrap();
    let refused = |message: &str| json!({ "errors": [{ "message": message }], "data": null });
    if platform.requests_left == 0 {
        let limits = [
            ("retry-after", "1"),
            ("x-ratelimit-limit", "100"),
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1"),
        ];
        // The hour is over when somebody has waited.
        platform.requests_left = 1_000;
        return (StatusCode::TOO_MANY_REQUESTS, limits, Json(refused("Too many requests"))).into_response();
    }
    platform.requests_left -= 1;
    let (header, token) = &platform.token;
    if headers.get(*header).and_then(|value| value.to_str().ok()) != Some(token.as_str()) {
        return Json(refused("Not Authorized")).into_response();
    }
    let query = body["query"].as_str().unwrap_or_default().to_owned();
    match platform.execute(&query, &body["variables"]) {
        Ok(data) => Json(json!({ "data": data })).into_response(),
        // Validation fails with 400, a resolver with 200.
        Err(message) if message.starts_with("Field") || message.starts_with("Cannot query") => {
            (StatusCode::BAD_REQUEST, Json(refused(&message))).into_response()
        }
        Err(message) => Json(refused(&message)).into_response(),
    }
}
