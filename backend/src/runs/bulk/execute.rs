//! Works on bulk operations: takes some runs, changes each by its own use case, and stores what became of them.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream};
use storage::{
    StorageError,
    control_plane::{BulkAction, BulkBatch, BulkItem, BulkLease, BulkOutcome, BulkResult},
};
use tokio_util::sync::CancellationToken;

use super::admin::BulkAdmin;
use crate::{
    access::Scope,
    audit::Actor,
    runs::{
        control::{By, ControlError},
        query::QueryError,
        service::Runs,
    },
};

/// How many runs one batch has. A cancelled operation stops after one.
const BATCH: usize = 25;

/// How many runs are changed at once. Each holds a connection for some milliseconds, and requests need the others.
const AT_ONCE: usize = 4;

/// The shortest time between two batches: at most a hundred runs a second, so that claims and requests go on.
const PACE: Duration = Duration::from_millis(250);

/// How often a run is tried while the stores fail for it alone.
const ATTEMPTS_MAX: i32 = 5;

/// How long an ended operation is kept. The audit keeps each change of it for longer.
const KEEP: Duration = Duration::from_secs(30 * 24 * 3600);

/// How many old operations one statement removes.
const EXPIRED_MAX: usize = 10;

/// Works on operations.
#[derive(Debug)]
pub struct BulkExecutor {
    pub admin: BulkAdmin,
    pub runs: Arc<Runs>,
    pub lease: BulkLease,
}

impl BulkExecutor {
    /// Works until no operation is left, or until told to stop. Returns how many runs have an outcome now.
    ///
    /// # Errors
    ///
    /// The error of the database. The next pass goes on.
    pub async fn work(&self, stop: &CancellationToken) -> Result<usize, StorageError> {
        let mut settled = 0;
        while !stop.is_cancelled() {
            let Ok(store) = self.admin.open_store() else { return Ok(settled) };
            let Some(batch) = store.claim(&self.lease, BATCH).await? else { return Ok(settled) };
            let results = self.change(&batch).await;
            settled += results.len();
            if store.record(&batch.operation, &results).await? {
                tracing::info!(
                    event = "bulk_operation_ended",
                    operation = batch.operation,
                    action = batch.action.as_str(),
                    "all runs of a bulk operation have an outcome"
                );
            }
            let _ = stop.run_until_cancelled(tokio::time::sleep(PACE)).await;
        }
        Ok(settled)
    }

    /// Removes operations that ended long ago.
    ///
    /// # Errors
    ///
    /// The error of the database.
    pub async fn expire(&self) -> Result<usize, StorageError> {
        match self.admin.open_store() {
            Ok(store) => store.expire(KEEP, EXPIRED_MAX).await,
            Err(_) => Ok(0),
        }
    }

    /// Lets another replica go on at once.
    pub async fn release(&self) {
        if let Ok(store) = self.admin.open_store() {
            // Without an answer, the lease runs out.
            let _ = store.release(&self.lease.owner).await;
        }
    }

    /// Returns when an operation has started in this process.
    pub async fn woken(&self) {
        self.admin.started.notified().await;
    }

    async fn change(&self, batch: &BulkBatch) -> Vec<BulkResult> {
        let by = By { scope: Scope::All, actor: actor_of(batch) };
        let changes: Vec<_> =
            batch.items.iter().map(|item| self.change_one(batch.action, item, &by)).collect();
        let results: Vec<Option<BulkResult>> =
            stream::iter(changes).buffer_unordered(AT_ONCE).collect().await;
        results.into_iter().flatten().collect()
    }

    /// None if the stores fail. The item is tried again.
    async fn change_one(&self, action: BulkAction, item: &BulkItem, by: &By) -> Option<BulkResult> {
        let (outcome, code) = match self.apply(action, item, by).await {
            Ok(()) => (BulkOutcome::Done, None),
            Err(Refusal::State(code)) => (BulkOutcome::Refused, Some(code)),
            // While the database is away, nothing counts.
            Err(Refusal::Storage) if item.attempts < ATTEMPTS_MAX || self.admin.open_store().is_err() => {
                return None;
            }
            Err(Refusal::Storage) => (BulkOutcome::Failed, Some("storage_unavailable")),
        };
        Some(BulkResult { position: item.position, outcome, code: code.map(str::to_owned) })
    }

    async fn apply(&self, action: BulkAction, item: &BulkItem, by: &By) -> Result<(), Refusal> {
        // Without the database, the change would go to files, and its outcome nowhere.
        if self.admin.open_store().is_err() {
            return Err(Refusal::Storage);
        }
        let generation = match self.runs.find(&item.run, &by.scope).await {
            Ok(seen) => seen.generation,
            // A deletion is repeated, to remove what an earlier attempt left.
            Err(QueryError::Deleted(_)) if action == BulkAction::Delete => item.generation,
            Err(error) => return Err(ControlError::Query(error).into()),
        };
        if generation != item.generation {
            // An earlier attempt of this operation has retried it, and its outcome was lost with a process.
            let is_ours =
                action == BulkAction::Retry && item.attempts > 1 && generation == item.generation + 1;
            return if is_ours { Ok(()) } else { Err(Refusal::State("run_changed")) };
        }
        match action {
            BulkAction::Retry => self.runs.retry(&item.run, by).await.map(|_| ())?,
            BulkAction::Cancel => self.runs.cancel(&item.run, by).await?,
            BulkAction::Delete => self.runs.delete(&item.run, by).await?,
        }
        Ok(())
    }
}

/// Why a run was not changed.
enum Refusal {
    /// Its state does not allow it. The code is that of the API.
    State(&'static str),
    /// A store failed.
    Storage,
}

impl From<ControlError> for Refusal {
    fn from(error: ControlError) -> Self {
        match error {
            ControlError::Running(_) => Self::State("run_running"),
            ControlError::Complete(_) => Self::State("run_complete"),
            ControlError::Failed(_) => Self::State("run_failed"),
            ControlError::NeverAccepted(_) => Self::State("run_not_accepted"),
            ControlError::Query(QueryError::NotFound(_)) => Self::State("run_not_found"),
            ControlError::Query(QueryError::Deleted(_)) => Self::State("run_deleted"),
            ControlError::Query(QueryError::NotAlone(..) | QueryError::Unavailable(_)) => Self::Storage,
        }
    }
}

/// The person who ordered the operation. Each run's audit record names them and the operation.
fn actor_of(batch: &BulkBatch) -> Actor {
    let person = &batch.actor;
    Actor {
        name: person.name.clone(),
        role: person.role.clone(),
        address: person.address.as_deref().and_then(|address| address.parse().ok()),
        request_id: person.request_id.clone(),
        reason: Some(format!("operation {}: {}", batch.operation, batch.reason)),
    }
}
