//! The HTTP API. [`router`] lists all routes; each resource has a file.
//!
//! # Invariants
//!
//! * Every error is `application/problem+json` ([`error::Problem`]), whichever layer finds it.
//! * A handler never waits without a limit, and never reads a body without one.
//! * No path, query, host or stack of this machine reaches a client.

pub mod auth;
mod body;
pub mod brands;
mod client_ip;
pub mod codes;
mod cors;
mod docs;
pub mod error;
mod guards;
pub mod health;
pub mod metrics;
pub mod openapi;
mod operation;
pub mod request_id;
pub mod request_runtime;
pub mod router;
mod routes;
pub mod runs;
pub mod serve;
pub mod streams;
mod write_timeout;

use std::{sync::Arc, time::Duration};

use axum::http::HeaderValue;

pub use self::{
    auth::Keys,
    router::router,
    serve::{ServeLimits, serve},
    streams::Streams,
};
use crate::{
    brands::BrandFolder,
    config::AccessConfig,
    health::Health,
    runs::{RunWatchers, Runs},
};

/// `Cache-Control` for answers that change within a second or that clients compare with a digest. No cache
/// may store them, and no proxy may compress them. A compressing proxy would hold events back until it has
/// enough of them.
const UNALTERED: HeaderValue = HeaderValue::from_static("no-store, no-transform");

/// The dependencies of the handlers. Cheap to clone.
#[derive(Debug, Clone)]
pub struct HttpState {
    pub runs: Arc<Runs>,
    pub watchers: Arc<RunWatchers>,
    pub streams: Arc<Streams>,
    pub health: Arc<Health>,
    pub brands: BrandFolder,
    pub access: Arc<AccessConfig>,
    /// Whether this process accepts and shows runs. A process that only executes them serves health and
    /// metrics.
    pub serves_runs: bool,
    pub limits: Limits,
}

/// The limits of a request.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// From a request's headers to its answer's: the time for which the frontend waits.
    pub request_timeout: Duration,
    /// From a request's headers to the end of its body.
    pub body_timeout: Duration,
    /// The largest body. A submission is an address and three names.
    pub body_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(10),
            body_bytes_max: 64 * 1024,
        }
    }
}
