//! The files of a run say when its row has more stages. Then nobody resumes the run by its files alone.

use crate::{
    error::{StorageError, StorageErrorKind},
    files::DbSync,
    ports::{lifecycle::Fence, prelude::*},
    router::{core::Router, write::Write},
};

impl Router {
    /// Tells the files of a run, once, that only the row has some of its stages. Without the files' answer the run goes on:
    /// they may be away, and a later write tells them.
    pub(super) async fn note_row_is_ahead(&self, fence: &Fence) {
        if self.active.are_files_told(&fence.run) {
            return;
        }
        match self.files.set_row_is_ahead(fence, true).await {
            Ok(()) => self.active.note_files_told(&fence.run),
            // There is no manifest that could mislead anybody yet.
            Err(error) if error.kind == StorageErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(event = "manifest_update_failed", %error, "[{}] the files do not know that its row is ahead", fence.run);
            }
        }
    }

    /// Tells the files of a run that they have all that the row has.
    pub(super) async fn clear_row_is_ahead(&self, fence: &Fence) {
        self.note_file(&self.files.set_row_is_ahead(fence, false).await);
    }

    /// Begins the files of a run that only the database has accepted. Their first manifest says whether the row is ahead:
    /// said in a second write, a process killed between both would have somebody pay again for what the row has. Returns
    /// what they say.
    pub(super) async fn begin_files(&self, fence: &Fence) -> Result<bool, StorageError> {
        let Some(active) = self.active.get(&fence.run) else {
            let what = format!("there is no run {} in files", fence.run);
            return Err(StorageError::new(StorageErrorKind::NotFound, what));
        };
        let mut with_row = fence.clone();
        with_row.row_stages.extend(active.in_row);
        self.files.adopt(&active.new, &with_row).await?;
        Ok(!with_row.row_stages.is_empty())
    }

    /// The first write to files that have just begun.
    pub(super) async fn write_begun(
        &self,
        fence: &Fence,
        write: Write<'_>,
        db_sync: DbSync,
        has_gap: bool,
        row_is_ahead: bool,
    ) -> Result<(), StorageError> {
        if has_gap {
            self.active.note_files_told(&fence.run);
        }
        self.files_write(fence, write, db_sync).await?;
        // The row has this stage alone, and now they have it too.
        if row_is_ahead && !has_gap && matches!(write, Write::Stage(_)) {
            self.clear_row_is_ahead(fence).await;
        }
        Ok(())
    }

    pub(super) async fn files_write(
        &self,
        fence: &Fence,
        write: Write<'_>,
        db_sync: DbSync,
    ) -> Result<(), StorageError> {
        match write {
            Write::Stage(record) => self.files.store_stage_with_sync_state(fence, record, db_sync).await,
            Write::End(end, at) => self.files.finish_with_sync_state(fence, end, at, db_sync).await,
        }
    }
}
