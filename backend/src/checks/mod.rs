//! The checks of an operator: one abstraction for `doctor`, `gate`, `preflight` and `audit security`.
//!
//! * `check`: a question with a stable id, and its answer: verdict, evidence, next command.
//! * `run`: asks all questions at once, each within its time limit.
//! * `report`: the answers with the waivers, and what follows of them.
//! * `waive` and `confirm`: what a person accepts, and what was proved. `variables`: the list of all variables.
//! * `deps`: what the checks look at. One file for each subject has the checks themselves; `sets` says which command asks what.
//!
//! # Invariants
//!
//! * A check that panics or takes longer than [`run::LIMIT`] could not check. It delays no other check.
//! * No evidence holds a secret: neither keys, nor addresses with their passwords.
//! * A check changes nothing but its own probe, which it removes.

mod brands;
pub mod check;
mod configuration;
pub mod confirm;
mod database;
pub mod deps;
mod documents;
mod evidence;
mod files;
mod model;
mod release;
mod replicas;
pub mod report;
pub mod run;
mod runs;
mod schema;
mod security;
pub mod sets;
pub mod variables;
pub mod waive;
mod webhooks;

pub use self::configuration::of_problems;
