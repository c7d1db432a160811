//! Removes everything that the service stores of one user: rows, files and documents of all their runs.
//!
//! Each run is deleted as by the API: its tombstone comes first, and other replicas clear their disks. So the operation
//! can be repeated after a crash, and continues. The user's own row belongs to the frontend.

use std::{collections::BTreeMap, sync::Arc};

use pipeline::{
    clock::Clock,
    failure::RunFailure,
    record::sha256_hex,
    run::{RunId, RunStatus, Stage},
};
use serde::Serialize;
use serde_json::{Value, json};
use storage::{
    StorageError, TombstoneOutcome,
    control_plane::{AuditRecord, Principal, UserRuns},
    prelude::*,
    router::Router,
};

use crate::{
    answer_cache::AnswerAdmin,
    audit::{Actor, Audit},
};

/// How many runs are looked at or read at once.
const PAGE: usize = 100;

/// The most runs of one call, about 10 MB of ids. A repeated call takes the next ones.
const RUNS_MAX: usize = 100_000;

/// How many runs are named to people.
const NAMED_MAX: usize = 20;

/// The runs of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UserRunCount {
    pub runs: usize,
    /// Those that have not ended.
    pub under_way: usize,
    /// The first of them.
    pub run_ids: Vec<RunId>,
    /// Whether there are more than one call looks at.
    pub has_more: bool,
}

/// The result of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Forgotten {
    pub deleted: usize,
    /// Runs that began to be executed again meanwhile.
    pub under_way: usize,
    /// Whether there are more runs. Repeat the call.
    pub has_more: bool,
}

/// Why a call stopped.
#[derive(Debug, thiserror::Error)]
pub enum ForgetError {
    #[error("{} of the user's runs are under way", .0.under_way)]
    UnderWay(UserRunCount),
    #[error("{deleted} runs are deleted; then a store failed: {error}")]
    Stopped { deleted: usize, error: StorageError },
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Forgets users.
#[derive(Debug, Clone)]
pub struct Forget {
    pub router: Arc<Router>,
    /// None without a database.
    pub database: Option<Arc<dyn UserRuns>>,
    /// Cached answers.
    pub answers: AnswerAdmin,
    pub audit: Audit,
    pub clock: Arc<dyn Clock>,
}

impl Forget {
    /// Counts the runs of a user in both stores. Changes nothing.
    ///
    /// # Errors
    ///
    /// `Unavailable`, `Schema` or `Indeterminate` if a store cannot be read: it may hold more.
    pub async fn count(&self, user: &str) -> Result<UserRunCount, StorageError> {
        let (runs, has_more) = self.runs(user).await?;
        Ok(counted(&runs, has_more))
    }

    /// Deletes all runs of a user. With `cancels`, it cancels those under way first; otherwise it refuses all.
    ///
    /// # Errors
    ///
    /// [`ForgetError::UnderWay`] if it refuses. [`ForgetError::Stopped`] or [`ForgetError::Storage`] if a store fails. A
    /// repeated call continues.
    pub async fn delete(&self, user: &str, cancels: bool, actor: &Actor) -> Result<Forgotten, ForgetError> {
        let (runs, has_more) = self.runs(user).await?;
        let count = counted(&runs, has_more);
        if count.under_way > 0 && !cancels {
            return Err(ForgetError::UnderWay(count));
        }
        // Before the first deletion, so that none is without a record.
        self.leave_record(user, actor, json!({ "found": count.runs, "under_way": count.under_way })).await?;
        let mut done = Forgotten { has_more, ..Forgotten::default() };
        let reason = format!("user.forget {}", digest(user));
        for run in runs.keys() {
            match self.delete_one(run, cancels, actor, &reason).await {
                Ok(true) => done.deleted += 1,
                Ok(false) => done.under_way += 1,
                Err(error) => return Err(ForgetError::Stopped { deleted: done.deleted, error }),
            }
        }
        let Forgotten { deleted, under_way, .. } = done;
        self.leave_record(user, actor, json!({ "deleted": deleted, "under_way": under_way })).await?;
        tracing::info!(
            event = "user_forgotten",
            deleted,
            under_way,
            audit = "user_forgotten",
            "the runs of a user are deleted"
        );
        Ok(done)
    }

    /// Whether the run is gone. It is not if a worker executes it.
    async fn delete_one(
        &self,
        run: &RunId,
        cancels: bool,
        actor: &Actor,
        reason: &str,
    ) -> Result<bool, StorageError> {
        let describe = |action: &str| AuditRecord {
            reason: Some(reason.to_owned()),
            ..self.audit.describe(actor, action, run.as_str())
        };
        let record = self.router.load(run).await?;
        let owner = match &record {
            Some(record) => record.principal.clone(),
            None => self.router.deleted_owner(run).await?.unwrap_or_else(Principal::environment),
        };
        if let Some(record) = record.filter(|record| cancels && record.status == RunStatus::Processing) {
            let stage = Stage::ALL.into_iter().find(|stage| !record.stages.contains_key(stage));
            let (failure, audit) = (RunFailure::cancelled(stage), describe("run.cancel"));
            self.router.cancel(run, &failure, self.clock.now(), Some(&audit)).await?;
        }
        let audit = describe("run.delete");
        if self.router.create_tombstone(run, &owner, Some(&audit)).await? == TombstoneOutcome::Running {
            return Ok(false);
        }
        self.router.remove(run).await?;
        self.answers.forget_run(run).await;
        self.router.changes().publish(run);
        Ok(true)
    }

    /// The runs of a user in both stores.
    async fn runs(&self, user: &str) -> Result<(BTreeMap<RunId, RunStatus>, bool), StorageError> {
        let mut runs = BTreeMap::new();
        if let Some(database) = &self.database {
            let mut after: Option<RunId> = None;
            loop {
                let page = database.runs_of_user(user, after.as_ref(), PAGE).await?;
                let is_last = page.len() < PAGE;
                after = page.last().map(|run| run.id.clone());
                runs.extend(page.into_iter().map(|run| (run.id, run.status)));
                if runs.len() >= RUNS_MAX {
                    return Ok((runs, true));
                }
                if is_last {
                    break;
                }
            }
        }
        let files = self.router.files();
        for page in files.runs().await?.chunks(PAGE) {
            for run in files.runs_of_user(user, page).await? {
                // The row decides about the status.
                runs.entry(run.id).or_insert(run.status);
            }
            if runs.len() >= RUNS_MAX {
                return Ok((runs, true));
            }
        }
        Ok((runs, false))
    }

    /// The record names the user by a digest only, because the audit outlives what is forgotten.
    async fn leave_record(&self, user: &str, actor: &Actor, new: Value) -> Result<(), StorageError> {
        let record =
            AuditRecord { new: Some(new), ..self.audit.describe(actor, "user.forget", &digest(user)) };
        self.audit.record(record).await
    }
}

fn digest(user: &str) -> String {
    format!("sha256:{}", sha256_hex(user.as_bytes()))
}

fn counted(runs: &BTreeMap<RunId, RunStatus>, has_more: bool) -> UserRunCount {
    UserRunCount {
        runs: runs.len(),
        under_way: runs.values().filter(|status| **status == RunStatus::Processing).count(),
        run_ids: runs.keys().take(NAMED_MAX).cloned().collect(),
        has_more,
    }
}
