//! Whole-system tests, in one binary: one link instead of one a file.

// All of this binary is tests, but clippy's exceptions for tests reach only functions marked as such, not the
// helpers and doubles that they share.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

mod addresses;
mod alerts;
mod answer_cache;
mod api;
mod architecture;
mod batches;
mod bucket;
mod bulk;
mod checks;
mod console;
mod control_plane;
mod corpus;
mod crash_cli;
mod deployment;
mod deployments;
mod documents;
mod eval;
mod events;
mod fetch;
mod flags;
mod frontend;
mod golden;
mod http;
mod logging;
mod migrations;
mod mirror;
mod ocr;
mod openapi;
mod openrouter;
mod ownership;
mod pictures;
mod queue;
mod readers;
mod reconcile;
mod replicas;
mod report_page;
mod repository;
mod restore;
mod rollback;
mod run;
mod runbook;
mod soak;
mod storage;
mod support;
mod telemetry;
mod webhooks;
