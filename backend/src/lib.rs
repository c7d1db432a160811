//! All code with side effects: configuration, files, network, child processes, terminal.
//!
//! The binary `innovation` is [`cli::main`]. This library exists so that benches and fuzz targets can use the
//! same code. Only [`app`] names concrete adapters.

#![warn(clippy::missing_errors_doc)]

pub mod access;
pub mod alerts;
pub mod answer_cache;
pub mod app;
pub mod audit;
pub mod background;
pub mod bounded_analyst;
pub mod brands;
pub mod checks;
pub mod cli;
pub mod config;
pub mod console;
pub mod deployments;
pub mod documents;
pub mod flags;
pub mod forget;
pub mod health;
mod html_text;
pub mod http;
pub mod json_body;
pub mod lifecycle;
pub mod llm;
pub mod migrate;
pub mod objectives;
pub mod reconciliation;
pub mod rehearsal;
pub mod replicas;
pub mod retention;
pub mod runs;
pub mod smoke;
pub mod status;
pub mod telemetry;
pub mod watchdog;
pub mod webhooks;
pub mod worker;
