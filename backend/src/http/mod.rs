//! The HTTP API. [`mod@router`] lists all routes; each resource has a file.
//!
//! # Invariants
//!
//! * Every error is `application/problem+json` ([`error::Problem`]), whichever layer finds it.
//! * A handler never waits without a limit, and never reads a body without one.
//! * No path, query, host or stack of this machine reaches a client.

mod access_log;
mod admin;
pub mod auth;
mod body;
pub mod brands;
mod cache_control;
mod client_ip;
pub mod codes;
mod connection;
mod connections;
mod cors;
mod docs;
pub mod error;
mod event_stream;
pub mod fair_share;
mod golden_path;
mod guards;
pub mod health;
mod held_body;
mod key_header;
pub mod metrics;
mod ofrep;
pub mod openapi;
mod operation;
mod origin;
pub mod reason;
pub mod request_id;
pub mod request_runtime;
pub mod router;
mod routes;
pub mod runs;
pub mod serve;
mod serve_limits;
mod state;
pub mod streams;
mod write_timeout;

pub use self::{
    fair_share::FairShare,
    router::{public_paths, router},
    serve::serve,
    serve_limits::ServeLimits,
    state::{HttpState, Limits},
    streams::Streams,
};
