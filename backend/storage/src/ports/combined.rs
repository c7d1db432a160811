//! Writes that may share a statement with the writes of other runs.

use std::{pin::Pin, time::Duration};

use pipeline::run::RunId;

use crate::error::StorageError;

/// Says whose writes may share statements. It is asked before each write, so that operators can change it at any time.
pub trait BatchingRule: std::fmt::Debug + Send + Sync {
    /// Whether this run's writes may share a statement with those of other runs.
    fn shares(&self, run: &RunId) -> bool;
}

/// Ends when the caller no longer wants to wait for its turn. It does not interrupt a statement that is under way.
pub type Leave<'a> = Pin<&'a mut (dyn Future<Output = ()> + Send + 'a)>;

/// The result of a write that was offered together with those of other runs.
#[derive(Debug)]
pub enum Combined {
    /// It is stored.
    Stored,
    /// It was the only one of its statement, which failed.
    Failed(StorageError),
    /// The store says nothing about it, and the caller sends it alone: its statement failed or came to no answer, or did not
    /// take its row, which somebody else has locked, changed or deleted.
    Alone(Alone),
    /// The caller left before its turn.
    Left,
}

/// How a write is to be sent alone.
#[derive(Debug, Default)]
pub struct Alone {
    /// The rest of the write's time limit. None: all of it.
    pub within: Option<Duration>,
    /// Whether the shared statement may have stored it.
    pub may_be_stored: bool,
    /// The outage that ended the shared statement. One of its writes reports it.
    pub outage: Option<StorageError>,
}
