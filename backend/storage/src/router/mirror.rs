//! The files as a mirror of the database: what goes there without the run, and what follows if the files do not take it.

use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use pipeline::{record::StageRecord, run::Stage};

use crate::{
    error::{StorageError, StorageErrorKind},
    files::{
        DbSync,
        mirror::{
            batch::{Batch, MirrorPart},
            group::as_writer,
            queue::{Pushed, Taken},
        },
    },
    observer::StoreName,
    ports::{lifecycle::Fence, prelude::*},
    router::{core::Router, write::Write},
    run::RunSubmission,
};

impl Router {
    /// Whether the files know a later claim, a cancellation, an end or a deletion that the row does not know yet. The next
    /// claim brings both sides together; this worker pays for nothing more.
    pub(super) fn check_files_know_no_other(&self, fence: &Fence) -> Result<(), StorageError> {
        if !self.active.is_lost_in_files(fence) {
            return Ok(());
        }
        let what = format!("run {} belongs to another worker, or has ended, as its files say", fence.run);
        Err(StorageError::new(StorageErrorKind::Fenced, what))
    }

    /// Whether the mirror has taken what the row has, or the row says that the files lack it: the mirror is full. Files with a
    /// gap do not get their next part by it: they are told first that the row is ahead.
    pub(super) async fn is_mirrored(&self, fence: &Fence, write: Write<'_>) -> Result<bool, StorageError> {
        if self.active.are_files_incomplete(&fence.run) {
            return Ok(false);
        }
        let part = match write {
            Write::Stage(record) => MirrorPart::stage(record)?,
            Write::End(end, at) => MirrorPart::end(end, at),
        };
        Ok(match self.files.push(fence, part) {
            Pushed::Kept => true,
            Pushed::Off => false,
            Pushed::Full => {
                let what = "the mirror is full, because the files are too slow; reconciliation fills them from the row";
                let full = StorageError::new(StorageErrorKind::Unavailable, what);
                self.note_file(&Err::<(), _>(full.clone()));
                self.note_missing_file(fence, write, &full).await;
                true
            }
        })
    }

    /// Whether the mirror begins the files of a run that the row has accepted. In a bucket, the manifest is written at once:
    /// it decides if another replica has accepted the same run by file.
    pub(super) fn is_beginning_mirrored(&self, run: &RunSubmission, fence: &Fence) -> bool {
        let part = || MirrorPart::Begin(Arc::new(run.clone()));
        self.files.is_on_disk() && self.files.push(fence, part()) == Pushed::Kept
    }

    /// Writes to the files what is due in the mirror. Returns how many parts.
    pub async fn write_mirror(&self) -> usize {
        let (groups, at_once) = self.files.due_groups();
        let parts = groups.iter().flatten().map(|taken| taken.batch.parts.len()).sum();
        let writing = stream::iter(groups).for_each_concurrent(at_once, |group| self.write_group(group));
        as_writer(writing).await;
        parts
    }

    async fn write_group(&self, group: Vec<Taken>) {
        // A batch after a gap is written as it would be without the mirror.
        let (after_gap, plain): (Vec<_>, Vec<_>) =
            group.into_iter().partition(|taken| taken.batch.is_after_gap);
        let written = if plain.is_empty() { Vec::new() } else { self.files.write_group(&plain).await };
        for (mut taken, written) in plain.into_iter().zip(written) {
            taken.has_gap = match written {
                Ok(()) => {
                    self.note_mirrored(&taken.batch);
                    false
                }
                Err(error) if error.kind == StorageErrorKind::Fenced => self.drop_batch(&taken.batch, &error),
                Err(_) => Box::pin(self.write_parts(&taken.batch)).await,
            };
        }
        for mut taken in after_gap {
            taken.has_gap = Box::pin(self.write_parts(&taken.batch)).await;
        }
    }

    fn note_mirrored(&self, batch: &Batch) {
        self.note_file(&Ok::<(), StorageError>(()));
        for stored in batch.stages() {
            self.observer.stage_stored(stored.stage, &stored.provider, StoreName::File);
        }
    }

    /// The files know a later claim, a cancellation, an end or a deletion: they get nothing more from this fence.
    fn drop_batch(&self, batch: &Batch, error: &StorageError) -> bool {
        let (fence, parts) = (&batch.fence, batch.parts.len());
        tracing::warn!(event = "mirror_dropped", run_id = %fence.run, parts, %error, "[{}] the files did not take what the row has: they are another worker's", fence.run);
        self.active.note_lost_in_files(fence);
        false
    }

    async fn begin_again(&self, new: &RunSubmission, fence: &Fence) -> Result<(), StorageError> {
        let begun = self.files.adopt(new, fence).await;
        self.note_file(&begun);
        if let Err(error) = &begun {
            tracing::error!(event = "manifest_write_failed", run_id = %fence.run, %error, "the run's manifest could not be written; the database has the run");
        }
        begun
    }

    async fn spool_again(&self, fence: &Fence, bytes: &Arc<[u8]>) {
        if let Err(error) = self.files.spool_now(fence, bytes.clone()).await {
            tracing::warn!(event = "document_spool_failed", run_id = %fence.run, %error, "[{}] the document could not be spooled", fence.run);
        }
    }

    /// Writes a batch part by part, with retries. Parts that the files do not take are marked in the row. Returns whether the files
    /// lack a part now.
    async fn write_parts(&self, batch: &Batch) -> bool {
        let (fence, mut has_gap) = (&batch.fence, batch.is_after_gap);
        for part in &batch.parts {
            let record;
            let (write, db_sync) = match part {
                MirrorPart::Begin(new) => match self.begin_again(new, fence).await {
                    Err(error) if error.kind == StorageErrorKind::Fenced => {
                        return self.drop_batch(batch, &error);
                    }
                    // The next part tries again.
                    _ => continue,
                },
                MirrorPart::Document(bytes) => {
                    self.spool_again(fence, bytes).await;
                    continue;
                }
                MirrorPart::Stage(stored) => {
                    // These bytes were made of a record a moment ago.
                    let Ok(read) = StageRecord::from_bytes(stored.stage, &stored.bytes) else { continue };
                    record = read;
                    (Write::Stage(&record), DbSync::Synced)
                }
                MirrorPart::End(end, at) => {
                    let db_sync = if has_gap { DbSync::Diverged } else { DbSync::Synced };
                    (Write::End(end.borrowed(), *at), db_sync)
                }
            };
            match self.write_file(fence, write, db_sync).await {
                Ok(()) => {}
                Err(error) if error.kind == StorageErrorKind::Fenced => {
                    return self.drop_batch(batch, &error);
                }
                Err(error) => {
                    has_gap = true;
                    self.note_missing_file(fence, write, &error).await;
                }
            }
        }
        has_gap
    }

    /// Goes on without a file: the database has the write, and its row says what the files lack.
    pub(super) async fn note_missing_file(&self, fence: &Fence, write: Write<'_>, error: &StorageError) {
        tracing::error!(event = "file_write_failed", run_id = %fence.run, %error, "file write failed; the database has it");
        if self.active.get(&fence.run).is_some() {
            self.active.note_files_incomplete(&fence.run);
        }
        self.mark_missing_file(fence, write).await;
    }

    /// Marks in the database what the files lack. If the database fails too, the files' own state shows it.
    async fn mark_missing_file(&self, fence: &Fence, write: Write<'_>) {
        let Some(database) = &self.database else { return };
        let stages: &[Stage] = match &write {
            Write::Stage(record) => &[record.meta.stage],
            Write::End(..) => &[],
        };
        if let Err(error) =
            database.call_queued(|store| async move { store.mark_unsynced(fence, stages).await }).await
        {
            tracing::warn!(event = "missing_file_not_recorded", run_id = %fence.run, %error, "failed to mark the missing file in the database");
        }
    }
}
