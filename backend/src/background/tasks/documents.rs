//! Removes kept documents after `DOCUMENT_RETENTION_DAYS`, and what a setting of an earlier start has kept.

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use foundation::resilience::Backoff;
use pipeline::{
    clock::{Clock, Timestamp},
    run::RunId,
};
use storage::{files::DocumentSweep, router::Router};

use crate::background::{Outcome, Pass, Schedule, Task, TaskError};

/// The unit is a day; an hour keeps each pass small.
const PERIOD: Duration = Duration::from_secs(3600);

/// After a pass that could not be ended: the files were away.
const RETRY: Backoff = Backoff::constant(Duration::from_secs(60));

/// How many runs are looked at without a pause, so that live traffic comes first.
const BATCH: usize = 100;
const PAUSE: Duration = Duration::from_millis(200);

/// The most ends of retention that are remembered. A pass looks at the other runs again.
const REMEMBERED_MAX: usize = 100_000;

#[derive(Debug)]
pub struct SweepDocuments {
    router: Arc<Router>,
    clock: Arc<dyn Clock>,
    /// When a document is due, so that a pass need not read the manifest of each run.
    due: HashMap<RunId, Timestamp>,
}

impl SweepDocuments {
    #[must_use]
    pub fn new(router: Arc<Router>, clock: Arc<dyn Clock>) -> Self {
        Self { router, clock, due: HashMap::new() }
    }
}

#[async_trait]
impl Task for SweepDocuments {
    fn name(&self) -> &'static str {
        "documents"
    }

    fn schedule(&self) -> Schedule {
        Schedule::every(PERIOD).retry(RETRY)
    }

    fn log_outage(&self, error: &TaskError) {
        tracing::warn!(event = "document_sweep_failed", task = self.name(), %error, "not all documents whose retention is over could be removed; will retry");
    }

    async fn pass(&mut self, _: &Pass<'_>) -> Result<Outcome, TaskError> {
        let files = self.router.files();
        let marked = files.marked_documents().await?;
        let now = self.clock.now();
        let known = std::mem::take(&mut self.due);
        let (mut removed, mut looked_at) = (0_usize, 0_usize);
        for run in marked {
            if let Some(due) = known.get(&run).filter(|due| **due > now) {
                self.due.insert(run, *due);
                continue;
            }
            match files.sweep_document(&run).await? {
                DocumentSweep::Removed => removed += 1,
                DocumentSweep::Kept(Some(due)) if self.due.len() < REMEMBERED_MAX => {
                    self.due.insert(run, due);
                }
                DocumentSweep::Kept(_) => {}
            }
            looked_at += 1;
            if looked_at.is_multiple_of(BATCH) {
                tokio::time::sleep(PAUSE).await;
            }
        }
        if removed > 0 {
            tracing::info!(
                event = "documents_removed",
                removed,
                audit = "expired",
                "documents of ended runs removed (DOCUMENT_RETENTION_DAYS)"
            );
        }
        Ok(Outcome::done(format!("{removed} documents removed, {} kept", self.due.len())))
    }
}
