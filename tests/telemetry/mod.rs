//! The telemetry, as operators see it: traces in a collector, metrics and their rules, and the log's figures.

mod figures;
mod outages;
mod rules;
mod traces;
