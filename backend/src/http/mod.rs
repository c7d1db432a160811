//! The HTTP API. The table of contents is [`router`]; a resource is a file.
//!
//! # Invariants
//!
//! * Every error is `application/problem+json` ([`error::Problem`]), whoever found it.
//! * A handler never waits without a limit, and never reads a body without one.
//! * Nothing of a path, a query, a host or a stack reaches a client.

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

/// `Cache-Control` of what is another a second later, or is compared with a digest: nobody keeps it, and no proxy in between
/// compresses it. A proxy that does holds events back until it has enough of them.
const UNALTERED: HeaderValue = HeaderValue::from_static("no-store, no-transform");

/// What handlers work with. Cheap to clone.
#[derive(Debug, Clone)]
pub struct HttpState {
    pub runs: Arc<Runs>,
    pub watchers: Arc<RunWatchers>,
    pub streams: Arc<Streams>,
    pub health: Arc<Health>,
    pub brands: BrandFolder,
    pub access: Arc<AccessConfig>,
    /// Whether runs are accepted and shown here; a process that only works on them serves health and metrics.
    pub serves_runs: bool,
    pub limits: Limits,
}

/// What a request may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// From a request's headers to its answer's: as long as the frontend waits.
    pub request_timeout: Duration,
    /// From a request's headers to the end of its body.
    pub body_timeout: Duration,
    /// A request to run is an address and three names.
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
