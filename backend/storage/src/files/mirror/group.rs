//! The file store's calls for the mirror: what fills it, what writes it, and what waits for it.

use std::{sync::Arc, time::Duration};

use pipeline::run::RunId;

use super::{
    batch::{Batch, MirrorPart},
    queue::{Mirror, Pushed, Taken},
};
use crate::{
    error::{StorageError, StorageErrorKind},
    files::{limits::ATTEMPT_TIMEOUT, run_files::RunFiles, store::FileStore},
    ports::lifecycle::Fence,
};

/// How many runs one group holds on a disk, and how many groups are written at once. The flushes of a group follow each
/// other, those of several groups overlap.
const ON_DISK: (usize, usize) = (8, 4);

/// As [`ON_DISK`], in a bucket: a group of one run sends its files at once.
const IN_A_BUCKET: (usize, usize) = (1, 32);

/// The time limit of a group: no run waits for all of it, and a slow disk flushes its dozens of files one after
/// the other. It is longer than that of a write, so the breaker takes no slow group for a silent disk.
pub(super) const GROUP_TIMEOUT: Duration = Duration::from_secs(5);

tokio::task_local! {
    /// Set in the task that writes what the mirror holds, one run after the other.
    static IS_WRITER: ();
}

impl FileStore {
    /// The mirror of these files.
    #[must_use]
    pub fn mirror(&self) -> &Arc<Mirror> {
        &self.mirror
    }

    /// Adds a part to the mirror.
    pub(crate) fn push(&self, fence: &Fence, part: MirrorPart) -> Pushed {
        self.mirror.push(fence, part, self.files.manifests.document(&fence.run))
    }

    /// Takes what is due, in groups, and how many of them are written at once.
    pub(crate) fn due_groups(&self) -> (Vec<Vec<Taken>>, usize) {
        let (runs, at_once) = if self.is_on_disk() { ON_DISK } else { IN_A_BUCKET };
        let mut due = self.mirror.take_due();
        let mut groups = Vec::new();
        while !due.is_empty() {
            let rest = due.split_off(due.len().min(runs));
            groups.push(std::mem::replace(&mut due, rest));
        }
        (groups, at_once)
    }

    /// Writes a group. The results are in the order of its batches.
    pub(crate) async fn write_group(&self, group: &[Taken]) -> Vec<Result<(), StorageError>> {
        let batches: Vec<Arc<Batch>> = group.iter().map(|taken| taken.batch.clone()).collect();
        let work = move |files: &RunFiles| Ok(files.write_group(&batches));
        match self.guarded("mirror", "", GROUP_TIMEOUT, work).await {
            Ok(written) => written,
            Err(error) => group.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    /// Waits until the files have what the mirror holds of a run. Every operation on one run begins with it.
    ///
    /// # Errors
    ///
    /// `Indeterminate` if the files do not answer in time.
    pub(crate) async fn settle(&self, run: &RunId) -> Result<(), StorageError> {
        if IS_WRITER.try_with(|()| ()).is_ok() {
            return Ok(());
        }
        tokio::time::timeout(ATTEMPT_TIMEOUT, self.mirror.settled(run)).await.map_err(|_| {
            let what = format!(
                "{}: its earlier writes have no answer within {ATTEMPT_TIMEOUT:?}",
                self.place_of(run)
            );
            StorageError::new(StorageErrorKind::Indeterminate, what)
        })
    }
}

/// Runs the work of the mirror's writer, which waits for no part of the mirror: it holds them.
pub(crate) async fn as_writer<T>(work: impl Future<Output = T>) -> T {
    IS_WRITER.scope((), work).await
}
