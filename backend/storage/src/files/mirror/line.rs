//! The line of parts that runs wait for.

use pipeline::run::RunId;

use super::batch::Batch;
use crate::{
    error::StorageError,
    gather::{Asked, Gather},
};

/// The parts that wait for a group. Clones share the line.
pub(in crate::files) type Together = Gather<Part, Result<(), StorageError>>;

/// One run's part of a group.
#[derive(Debug)]
pub(in crate::files) struct Part(pub(super) Batch);

impl AsRef<Batch> for Part {
    fn as_ref(&self) -> &Batch {
        &self.0
    }
}

impl Asked for Part {
    /// All their flushes fit into the time of one write, also on a slow disk.
    const TOGETHER_MAX: usize = 16;
    type Key = RunId;

    fn key(&self) -> RunId {
        self.0.fence.run.clone()
    }

    fn bytes(&self) -> usize {
        self.0.size()
    }
}
