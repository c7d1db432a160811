//! A rollback by the platform: chosen, checked, shown, done, awaited.

use std::{sync::Arc, time::Duration};

use pipeline::clock::Clock;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use storage::{
    StorageError,
    control_plane::{Deployment, DeploymentPatch, DeploymentStatus, Verdict},
};

use super::{
    candidates::{current, differing, in_a_row, is_kept, last_good},
    log::DeploymentLog,
    railway::{RailwayClient, RailwayError},
};
use crate::{
    audit::{Actor, Audit},
    config::RailwayPlan,
};

/// So many rollbacks in a row are the end: something else is wrong.
pub(super) const ROLLBACKS_MAX: usize = 3;

/// The waits between two looks at a rollback under way, in seconds. The last one repeats. They cost at most 30 requests, a third of what the
/// smallest plan allows an hour.
const POLLS: [u64; 6] = [1, 2, 4, 8, 10, 15];

/// How long a rollback may take.
const POLL_LIMIT: Duration = Duration::from_secs(300);

/// Why there was no rollback.
#[derive(Debug, thiserror::Error)]
pub enum RollbackError {
    #[error("no deployment is recorded here; innovation deploy list shows all")]
    NoCurrent,
    #[error(
        "there is no earlier deployment that was healthy; choose one with --to, as innovation deploy list shows them"
    )]
    NoTarget,
    #[error("deployment {0} is not recorded here; innovation deploy list shows all")]
    Unknown(String),
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    Railway(#[from] RailwayError),
    #[error("the rollback could not be recorded: {0}")]
    Storage(#[from] StorageError),
    #[error("a rollback needs a reason of 1 to 500 characters")]
    NoReason,
}

/// A rollback, before it is done.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct DeploymentRollbackPlan {
    /// The deployment that is to go.
    pub from: String,
    pub from_commit: String,
    /// The deployment that is to come back.
    pub to: String,
    pub to_commit: String,
    pub to_version: String,
    /// Its verdict, when it ran.
    pub to_verdict: Option<Verdict>,
    /// Its storage mode, when it ran. Variables come back with it, and may change the mode.
    pub to_mode: Option<String>,
    pub from_mode: Option<String>,
    /// Variables that differ between the two, by name. A rollback brings the older values back.
    pub variables: Vec<String>,
    /// Whether the platform says that it can.
    pub can_rollback: Option<bool>,
    /// How long the platform's plan keeps a deployment, in hours.
    pub retention_hours: u64,
    /// Whether the deployment is still kept by that.
    pub is_within_retention: bool,
    /// Whether the platform itself has no incident. None if it did not say.
    pub is_platform_stable: Option<bool>,
    /// Rollbacks since the last healthy deployment.
    pub rollbacks_in_a_row: usize,
    /// Why it is refused. Empty: it may be done.
    pub objections: Vec<String>,
}

/// The result of a rollback.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct DeploymentRollbackReport {
    pub plan: DeploymentRollbackPlan,
    /// The platform's deployment that runs now.
    pub deployment: Option<String>,
    /// Its status at the last look.
    pub status: String,
    /// Whether the platform has switched to it.
    pub is_done: bool,
    pub seconds: f64,
}

/// Takes deployments back. Cheap to clone.
#[derive(Debug, Clone)]
pub struct DeploymentRollback {
    pub log: DeploymentLog,
    /// Why there is no client, where there is none.
    pub railway: Result<RailwayClient, RailwayError>,
    pub plan: RailwayPlan,
    pub audit: Audit,
    pub clock: Arc<dyn Clock>,
}

impl DeploymentRollback {
    /// Chooses the target and checks everything, and changes nothing.
    ///
    /// # Errors
    ///
    /// [`RollbackError`] says why there is nothing to plan.
    pub async fn plan(
        &self,
        from: Option<&str>,
        to: Option<&str>,
    ) -> Result<DeploymentRollbackPlan, RollbackError> {
        let listed = self.log.list().await.deployments;
        let named = |id: &str| {
            let known = listed.iter().find(|known| known.id == id);
            known.ok_or_else(|| RollbackError::Unknown(id.to_owned()))
        };
        let from = match from {
            Some(id) => named(id)?,
            None => current(&listed).ok_or(RollbackError::NoCurrent)?,
        };
        let target = match to {
            Some(id) => named(id)?,
            None => last_good(&listed, from).ok_or(RollbackError::NoTarget)?,
        };
        let rollbacks_in_a_row = in_a_row(&listed);
        let railway = self.railway.as_ref().map_err(Clone::clone)?;
        let (platform, is_stable) = tokio::join!(railway.deployment(&target.id), railway.is_stable());
        let platform = platform?;
        let now = self.clock.now();
        let mut plan = DeploymentRollbackPlan {
            from: from.id.clone(),
            from_commit: from.commit_sha.clone(),
            from_mode: from.mode.clone(),
            to: target.id.clone(),
            to_commit: target.commit_sha.clone(),
            to_version: target.version.clone(),
            to_verdict: target.verdict,
            to_mode: target.mode.clone(),
            variables: differing(from, target),
            can_rollback: platform.as_ref().map(|known| known.can_rollback),
            retention_hours: self.plan.retention_hours(),
            is_within_retention: is_kept(target, self.plan, now),
            is_platform_stable: is_stable.ok(),
            rollbacks_in_a_row,
            objections: Vec::new(),
        };
        plan.objections = objections(&plan, from, target, self.plan);
        Ok(plan)
    }

    /// Does what was planned, and returns when the platform has begun.
    ///
    /// # Errors
    ///
    /// [`RollbackError::Refused`] if the plan has objections. Otherwise why it was not started.
    pub async fn start(
        &self,
        plan: DeploymentRollbackPlan,
        reason: &str,
        by: &Actor,
    ) -> Result<(), RollbackError> {
        if !(1..=500).contains(&reason.trim().chars().count()) {
            return Err(RollbackError::NoReason);
        }
        if !plan.objections.is_empty() {
            return Err(RollbackError::Refused(plan.objections.join("; ")));
        }
        let railway = self.railway.as_ref().map_err(Clone::clone)?;
        if let Err(error) = railway.roll_back(&plan.to).await {
            // Only the answer may be lost. Nobody would count this rollback, and a second request would be another one.
            let may_have_begun = matches!(error, RailwayError::Unreachable(_));
            if !may_have_begun || !self.has_begun(railway, &plan).await {
                return Err(error.into());
            }
        }
        // Recorded before the wait: the platform may stop this very process meanwhile.
        self.record(&plan, reason, by).await?;
        tracing::warn!(
            event = "deployment_rolled_back",
            from = plan.from,
            to = plan.to,
            actor = by.name,
            reason,
            "the platform goes back to deployment {}",
            plan.to
        );
        Ok(())
    }

    /// Does what was planned, and waits for the platform.
    ///
    /// # Errors
    ///
    /// As [`DeploymentRollback::start`].
    pub async fn execute(
        &self,
        plan: DeploymentRollbackPlan,
        reason: &str,
        by: &Actor,
    ) -> Result<DeploymentRollbackReport, RollbackError> {
        let began = self.clock.monotonic();
        self.start(plan.clone(), reason, by).await?;
        let railway = self.railway.as_ref().map_err(Clone::clone)?;
        let (deployment, status, is_done) = self.wait(railway, &plan).await;
        let seconds = self.clock.monotonic().saturating_sub(began).as_secs_f64();
        Ok(DeploymentRollbackReport { plan, deployment, status, is_done, seconds })
    }

    async fn record(
        &self,
        plan: &DeploymentRollbackPlan,
        reason: &str,
        by: &Actor,
    ) -> Result<(), RollbackError> {
        let patch = DeploymentPatch {
            status: Some(DeploymentStatus::RolledBack),
            rollback_reason: Some(reason.trim().to_owned()),
            rolled_back_to: Some(plan.to.clone()),
            ..DeploymentPatch::default()
        };
        let mut record = self.audit.describe(by, "deployment.rollback", &plan.from);
        record.old = Some(json!({ "deployment": plan.from, "commit": plan.from_commit }));
        record.new =
            Some(json!({ "deployment": plan.to, "commit": plan.to_commit, "variables": plan.variables }));
        record.reason = Some(reason.trim().to_owned());
        if let Err(error) = self.log.patch(&plan.from, &patch, false, Some(&record)).await {
            tracing::warn!(event = "rollback_in_file", %error, "the database did not take the rollback; it goes to a file");
            let listed = self.log.list().await.deployments;
            if let Some(known) = listed.iter().find(|known| known.id == plan.from) {
                let mut note = known.clone();
                patch.apply(&mut note);
                self.log.write_note(&note).await?;
            }
            self.audit.record(record).await?;
        }
        Ok(())
    }

    /// Waits until the platform has switched. Returns the deployment, its last status, and whether it has.
    async fn wait(
        &self,
        railway: &RailwayClient,
        plan: &DeploymentRollbackPlan,
    ) -> (Option<String>, String, bool) {
        let began = self.clock.monotonic();
        let mut waits = POLLS.into_iter();
        let mut seconds = 1;
        let (mut deployment, mut status) = (None, "unknown".to_owned());
        while self.clock.monotonic().saturating_sub(began) < POLL_LIMIT {
            seconds = waits.next().unwrap_or(seconds);
            let mut wait = Duration::from_secs(seconds);
            match self.look(railway, plan).await {
                Ok(Some((id, now))) => {
                    (deployment, status) = (Some(id), now);
                    match status.as_str() {
                        "SUCCESS" | "SLEEPING" => return (deployment, status, true),
                        "FAILED" | "CRASHED" | "SKIPPED" => return (deployment, status, false),
                        _ => {}
                    }
                }
                Ok(None) => {}
                Err(RailwayError::RateLimited(limited)) => wait = wait.max(limited),
                Err(error) => {
                    tracing::warn!(event = "rollback_not_seen", %error, "the rollback cannot be watched; will retry");
                }
            }
            tokio::time::sleep(wait.min(POLL_LIMIT)).await;
        }
        (deployment, status, false)
    }

    /// Whether the platform is on its way to what was planned. A newer deployment that has failed is no sign of it.
    async fn has_begun(&self, railway: &RailwayClient, plan: &DeploymentRollbackPlan) -> bool {
        match self.look(railway, plan).await {
            Ok(Some((_, status))) => {
                !matches!(status.as_str(), "FAILED" | "CRASHED" | "SKIPPED" | "REMOVED" | "REMOVING")
            }
            Ok(None) | Err(_) => false,
        }
    }

    /// The deployment that comes, and its status: a new one, or the old one under its own id.
    async fn look(
        &self,
        railway: &RailwayClient,
        plan: &DeploymentRollbackPlan,
    ) -> Result<Option<(String, String)>, RailwayError> {
        if let Some(newest) = railway.newest().await?
            && newest.id != plan.from
        {
            return Ok(Some((newest.id, newest.status)));
        }
        let target = railway.deployment(&plan.to).await?;
        // It keeps this status until the platform has begun.
        Ok(target.filter(|target| target.status != "REMOVED").map(|target| (target.id, target.status)))
    }
}

fn objections(
    plan: &DeploymentRollbackPlan,
    from: &Deployment,
    target: &Deployment,
    kept: RailwayPlan,
) -> Vec<String> {
    let mut all = Vec::new();
    if target.id == from.id {
        all.push(format!("deployment {} runs already", target.id));
    }
    if target.verdict == Some(Verdict::Failing)
        || matches!(target.status, DeploymentStatus::Failed | DeploymentStatus::RolledBack)
    {
        all.push(format!(
            "deployment {} has failed itself; choose a healthy one: innovation deploy list",
            target.id
        ));
    }
    match plan.can_rollback {
        Some(true) => {}
        Some(false) => {
            all.push(format!("Railway cannot restore deployment {}: its image is gone", target.id))
        }
        None => all.push(format!("Railway does not know deployment {}", target.id)),
    }
    if !plan.is_within_retention {
        all.push(format!(
            "deployment {} ended more than {} h ago, and the plan {} keeps it no longer; set RAILWAY_PLAN if yours is another",
            target.id,
            plan.retention_hours,
            kept.as_str()
        ));
    }
    if plan.rollbacks_in_a_row >= ROLLBACKS_MAX {
        all.push(format!(
            "there were {} rollbacks in a row without a healthy deployment; repair it forward",
            plan.rollbacks_in_a_row
        ));
    }
    all
}
