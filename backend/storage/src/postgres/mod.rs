//! Keeps runs in the database that the frontend shares. One row of `PipelineRun` holds a run's request,
//! lease, checkpoints and result.
//!
//! # Invariants
//!
//! * Every write of a worker is one statement that names its fence: owner, epoch, generation, and the status
//!   `PROCESSING`. If no row changes, another worker owns the run.
//! * Every call has a time limit from end to end, including the wait for a connection.
//! * Times are passed to SQL as milliseconds since 1970, JSON as text.

mod acks;
mod changes;
mod combiner;
mod comparison;
mod control_plane;
mod leases;
mod missing_row;
mod outbox;
mod owed_events;
mod pool;
mod ports;
mod queue_stats;
mod replicas;
mod runs;
mod shared;
mod shared_writes;
mod stages;
mod store;
mod sync;
mod sync_target;
mod values;

pub use self::{
    changes::listener::Listener,
    pool::{address, config, session::shares_server_processes},
    store::{Connections, PostgresStore},
};
