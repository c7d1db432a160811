//! How a run is accepted, claimed, leased and ended.

use std::{collections::HashSet, time::Duration};

use pipeline::run::{RunId, RunStatus};

/// In whose name, and for how long, a run is worked on without a sign of life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The replica's id.
    pub owner: String,
    pub duration: Duration,
}

/// The right to write to a run, until somebody else claims it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    pub run: RunId,
    pub owner: String,
    /// The fencing token: raised by every claim and by a cancellation.
    pub epoch: i32,
    /// Raised by a retry; a higher generation wins.
    pub generation: i32,
    /// Which attempt at the next stage this is: claims that ended without storing one, this one included.
    pub attempt: i32,
    /// Whether the run's row is held under it too. One that came from the files has yet to take its row, if there is
    /// one.
    pub owns_row: bool,
}

/// What a worker asks for when it has room.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    pub lease: &'a Lease,
    /// Runs at most.
    pub limit: usize,
    /// What this process works on already.
    pub held: &'a HashSet<RunId>,
    /// Whether runs may be taken away whose lease has ended. After an outage that says nothing of their workers.
    pub expired: bool,
}

/// What became of a run that asked to be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acceptance {
    /// It is new, or a row that waited for it; with a fence where a lease was asked for.
    New(Option<Fence>),
    /// It has been accepted before, with the same request.
    Existing(RunStatus),
    /// The id is taken by another request.
    RequestMismatch,
    /// The run of this id has been deleted, and its tombstone lives.
    Deleted,
}
