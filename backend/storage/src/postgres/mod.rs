//! Runs in the database that the frontend shares: the request, the lease, the checkpoints and the result are one row
//! of `PipelineRun`.
//!
//! # Invariants
//!
//! * Every write of a worker is one statement that names its fence: owner, epoch, generation, and a status that is
//!   still `PROCESSING`. No row changed means that somebody else has the run.
//! * Every call is bounded in time from end to end, the wait for a connection included.
//! * Times cross the border to SQL as milliseconds since 1970, JSON as text.

mod changes;
mod leases;
mod missing_row;
mod outbox;
mod pool;
mod ports;
mod replicas;
mod runs;
mod stages;
mod store;
mod sync;
mod sync_target;
mod values;

pub use self::{
    changes::listener::Listener,
    pool::{address, config},
    store::{Connections, PostgresStore},
};
