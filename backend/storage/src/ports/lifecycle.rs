//! The types for accepting, claiming, leasing and ending a run.

use std::{collections::HashSet, time::Duration};

use pipeline::run::{RunId, RunStatus};

use crate::term::Term;

/// The owner of a lease, and how long it lasts without a renewal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The replica's id.
    pub owner: String,
    pub duration: Duration,
}

/// The right to write to a run, until another worker claims it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    pub run: RunId,
    pub owner: String,
    /// The fencing token. Every claim and every cancellation raises it.
    pub epoch: i32,
    /// Each retry raises it. A higher generation wins.
    pub generation: i32,
    /// The number of this attempt at the next stage: earlier claims that stored no stage, and this one.
    pub attempt: i32,
    /// Whether the worker owns the run's row under this fence. A claim from files must still take the row, if
    /// there is one.
    pub owns_row: bool,
}

impl Fence {
    /// How far the run has come under this fence.
    #[must_use]
    pub fn term(&self) -> Term {
        Term { generation: self.generation, epoch: self.epoch }
    }
}

/// A worker's claim for free slots.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    pub lease: &'a Lease,
    /// The most runs to claim.
    pub limit: usize,
    /// Runs that this process works on already.
    pub held: &'a HashSet<RunId>,
    /// Whether to claim runs with an expired lease. After an outage, an expired lease says nothing about its
    /// worker.
    pub expired: bool,
}

/// The result of an acceptance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acceptance {
    /// The run is new, or its row waited for acceptance. With a fence if the caller requested a lease.
    New(Option<Fence>),
    /// The run was accepted before, with the same request.
    Existing(RunStatus),
    /// Another request has this id.
    RequestMismatch,
    /// The run with this id was deleted, and its tombstone exists.
    Deleted,
}
