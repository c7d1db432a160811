//! The other way, now and again: what only the database has, or knows, is brought to the files.

use pipeline::run::RunId;

use crate::{
    error::StorageError,
    sync::{reconciler::Reconciler, reconciler::SWEEP_BATCH},
};

impl Reconciler {
    /// Brings to the files what only the database has, and knows of.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if a store fails. `Indeterminate` if it does not answer in time.
    pub async fn sweep(&self) -> Result<(), StorageError> {
        self.sync_tombstones().await?;
        self.close_ended().await?;
        if self.write_path.expects_files() { self.fill_files().await } else { Ok(()) }
    }

    /// Gives the files what they could not take while the run was worked on: a disk was full. Runs that another replica
    /// keeps on a disk of its own are left to it.
    async fn fill_files(&self) -> Result<(), StorageError> {
        let mut after: Option<RunId> = None;
        loop {
            let after_run = after.as_ref();
            let page = self
                .call(|target| async move { target.files_incomplete_since(after_run, SWEEP_BATCH).await })
                .await?;
            for run in &page {
                if self.files().manifest(run).await?.is_none()
                    && (!self.write_path.keeps_all_files() || self.rebuild_files(run).await?.is_none())
                {
                    continue;
                }
                match self.reconcile(vec![run.clone()]).await {
                    // The next will fare no better: the disk is still full.
                    summary if !summary.failed.is_empty() => return Ok(()),
                    summary if summary.proved > 0 => {
                        tracing::info!(event = "files_completed", run_id = %run, "[{run}] its files have what they could not take before");
                    }
                    _ => {}
                }
            }
            match page.last() {
                Some(run) if page.len() == SWEEP_BATCH => after = Some(run.clone()),
                _ => return Ok(()),
            }
        }
    }

    /// Closes in files what has ended in the database under somebody else's hands.
    async fn close_ended(&self) -> Result<(), StorageError> {
        let mut open = self.files().open_runs().await?;
        open.retain(|run| !self.is_worked_on(run));
        for batch in open.chunks(SWEEP_BATCH) {
            for run in self.call(|target| async { target.ended_among(batch).await }).await? {
                if !self.is_worked_on(&run) {
                    self.write_path.close_in_files(&run).await?;
                }
            }
        }
        self.close_missing_rows(open).await
    }
}
