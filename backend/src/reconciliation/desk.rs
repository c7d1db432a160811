//! Shows and starts reconciliation, and settles conflicts.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream};
use pipeline::run::RunId;
use serde_json::json;
use storage::{
    RunRecord, StorageError, StorageErrorKind,
    sync::{ReconcileOutcome, ReconcileStatus, Reconciler, resolve::Keep},
};

use super::difference::{PartDifference, compare};
use crate::audit::{Actor, Audit};

/// The time limit of each look.
const LOOK_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a person waits for a settled conflict. It is a few statements and a proof.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(20);

/// The most runs that are named.
pub(crate) const NAMED_MAX: usize = 100;

/// The most runs whose plan is shown. Each costs a read of both sides.
const PLANNED_MAX: usize = 50;

/// Reads of plans at once: half of what reconciliation itself may use.
const AT_ONCE: usize = 4;

/// Shows and starts reconciliation.
#[derive(Debug, Clone)]
pub struct ReconcileDesk {
    /// None without a database.
    pub reconciler: Option<Arc<Reconciler>>,
    pub audit: Audit,
}

/// Why something cannot be shown or done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeskError {
    #[error("DATABASE_URL is not set, so there are no rows to compare the files with")]
    NoDatabase,
    #[error(
        "the database is away, so nothing can be compared; reconciliation begins by itself when it is back"
    )]
    Away,
    #[error("{0}")]
    Refused(&'static str),
    #[error("a store does not answer now: {0}; try again")]
    Storage(#[from] StorageError),
}

/// The state of reconciliation.
#[derive(Debug, Clone, PartialEq)]
pub struct ReconcileLook {
    pub status: ReconcileStatus,
    pub is_database_open: bool,
    /// Runs of these files that the database lacks something of. An error says why they are unknown.
    pub marked: Result<Vec<RunId>, String>,
    /// Runs in conflict.
    pub conflicts: Result<Vec<RunId>, String>,
}

/// The plan of a pass for one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    pub run: RunId,
    pub plan: Result<String, String>,
}

/// Both versions of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct ConflictView {
    pub run: RunId,
    pub row: Option<RunRecord>,
    pub file: Option<RunRecord>,
    pub parts: Vec<PartDifference>,
}

impl ReconcileDesk {
    fn reconciler(&self) -> Result<&Arc<Reconciler>, DeskError> {
        self.reconciler.as_ref().ok_or(DeskError::NoDatabase)
    }

    fn open(&self) -> Result<&Arc<Reconciler>, DeskError> {
        self.reconciler().and_then(|one| if one.is_database_open() { Ok(one) } else { Err(DeskError::Away) })
    }

    /// The state now. Each part that does not answer says why.
    ///
    /// # Errors
    ///
    /// [`DeskError::NoDatabase`].
    pub async fn look(&self) -> Result<ReconcileLook, DeskError> {
        let reconciler = self.reconciler()?;
        let is_database_open = reconciler.is_database_open();
        let conflicts = async {
            if !is_database_open {
                return Err("the database is not read now, and its rows note the conflicts".to_owned());
            }
            told(reconciler.conflicted(NAMED_MAX)).await
        };
        let (marked, conflicts) = tokio::join!(told(reconciler.marked()), conflicts);
        Ok(ReconcileLook { status: reconciler.status(), is_database_open, marked, conflicts })
    }

    /// The plan of a pass over the marked runs and the conflicts. Writes nothing.
    ///
    /// # Errors
    ///
    /// [`DeskError`] says why there is no plan.
    pub async fn plan(&self) -> Result<Vec<Planned>, DeskError> {
        let reconciler = self.open()?;
        let mut runs = within(LOOK_TIMEOUT, reconciler.marked()).await?;
        for run in within(LOOK_TIMEOUT, reconciler.conflicted(PLANNED_MAX)).await? {
            if !runs.contains(&run) {
                runs.push(run);
            }
        }
        runs.truncate(PLANNED_MAX);
        let plans = stream::iter(runs).map(|run| async move {
            let plan = told(reconciler.preview(&run)).await;
            Planned { run, plan }
        });
        Ok(plans.buffered(AT_ONCE).collect().await)
    }

    /// Asks for a pass over all marked runs now.
    ///
    /// # Errors
    ///
    /// [`DeskError`] says why none begins. [`DeskError::Storage`] if no store takes the audit record.
    pub async fn run_now(&self, reason: Option<String>, actor: &Actor) -> Result<(), DeskError> {
        let reconciler = self.open()?;
        let mut record = self.audit.describe(actor, "reconcile.run", "marked");
        record.reason = reason;
        self.audit.record(record).await?;
        reconciler.wake();
        Ok(())
    }

    /// Both versions of a run, and where they differ.
    ///
    /// # Errors
    ///
    /// [`DeskError`] says why they cannot be shown.
    pub async fn versions(&self, run: &RunId) -> Result<ConflictView, DeskError> {
        let reconciler = self.open()?;
        let versions = within(LOOK_TIMEOUT, reconciler.versions(run)).await?;
        if versions.row.is_none() && versions.file.is_none() {
            return Err(DeskError::Refused(
                "neither the database nor the files of this replica have the run",
            ));
        }
        let parts = compare(&versions);
        Ok(ConflictView { run: run.clone(), row: versions.row, file: versions.file, parts })
    }

    /// Lets one version stand. The other one stays beside it in the run's folder.
    ///
    /// # Errors
    ///
    /// [`DeskError`] says why nothing was settled.
    pub async fn resolve(
        &self,
        run: &RunId,
        keep: Keep,
        reason: String,
        actor: &Actor,
    ) -> Result<ReconcileOutcome, DeskError> {
        let reconciler = self.open()?;
        let resolved = within(RESOLVE_TIMEOUT, Box::pin(reconciler.resolve(run, keep))).await;
        let word = match keep {
            Keep::Database => "database",
            Keep::Files => "files",
        };
        let new = match &resolved {
            Ok(ReconcileOutcome::Skipped) => {
                return Err(DeskError::Refused(
                    "the run has not ended, or a worker executes it; nothing is changed",
                ));
            }
            Ok(ReconcileOutcome::NoFiles | ReconcileOutcome::Unknown) => {
                return Err(DeskError::Refused(
                    "the files of this replica do not have the run; nothing is changed",
                ));
            }
            Ok(outcome) => json!({ "keep": word, "result": outcome }),
            // One side may have been written.
            Err(error) => json!({ "keep": word, "error": error.to_string() }),
        };
        let mut record = self.audit.describe(actor, "run.resolve", run.as_str());
        (record.new, record.reason) = (Some(new), Some(reason));
        self.audit.record(record).await?;
        Ok(resolved?)
    }
}

async fn within<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, StorageError>>,
) -> Result<T, StorageError> {
    tokio::time::timeout(limit, call).await.unwrap_or_else(|_| {
        Err(StorageError::new(StorageErrorKind::Indeterminate, format!("no answer within {limit:?}")))
    })
}

/// The result of a look, or the reason for which there is none.
async fn told<T>(call: impl Future<Output = Result<T, StorageError>>) -> Result<T, String> {
    within(LOOK_TIMEOUT, call).await.map_err(|error| error.to_string())
}
