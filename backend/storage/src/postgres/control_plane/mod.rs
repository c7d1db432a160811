//! The tables of the PostgreSQL schema `innovation`. Names are written with their schema, because the search path is the
//! frontend's. A change and its audit record are one statement.

mod alerts;
pub(super) mod answer_lines;
mod answer_statements;
mod answers;
pub(super) mod audit;
mod baselines;
mod bulk;
mod bulk_statements;
mod deployments;
mod evidence;
mod flags;
mod inspection;
pub(super) mod json;
mod key_statements;
mod keys;
mod service_levels;
mod usage;
mod user_runs;
mod waivers;

pub(super) use self::flags::CHANNEL as FLAGS_CHANNEL;
