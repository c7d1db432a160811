//! The arbiter's action after a failing verdict.

use storage::{control_plane::Deployment, mode::Mode};

use super::{
    log::DeploymentLog,
    progress::Progress,
    rollback::{DeploymentRollback, ROLLBACKS_MAX, RollbackError},
    rules::{Fault, Finding},
};
use crate::{
    audit::Actor,
    config::ArbiterAction,
    flags::{FlagControl, Rollback},
    health::FileStorage,
};

/// The result of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acted {
    /// There is nothing more to do. The sentence goes into the record.
    Over(String),
    /// The other side could not be reached. It is tried again.
    Later(String),
}

/// The ways in which the arbiter may act. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Actions {
    pub action: ArbiterAction,
    pub log: DeploymentLog,
    pub flags: FlagControl,
    pub rollback: DeploymentRollback,
    pub file_storage: FileStorage,
}

/// The arbiter, in the audit.
#[must_use]
pub(super) fn arbiter() -> Actor {
    Actor {
        name: "arbiter".to_owned(),
        role: "operator".to_owned(),
        address: None,
        request_id: None,
        reason: None,
    }
}

impl Actions {
    /// Acts on a failing deployment.
    pub async fn act(&self, deployment: &Deployment, progress: &Progress, finding: &Finding) -> Acted {
        match self.action {
            ArbiterAction::Observe => Acted::Over("observe".to_owned()),
            ArbiterAction::Flags => self.flip(deployment, progress, finding).await,
            ArbiterAction::Railway => self.roll_back(deployment, finding).await,
        }
    }

    /// Goes back to the last healthy storage mode.
    async fn flip(&self, deployment: &Deployment, progress: &Progress, finding: &Finding) -> Acted {
        let refused = |why: String| Acted::Over(format!("flags: refused: {why}"));
        if !matches!(finding.fault, Fault::Storage | Fault::DatabaseLost) {
            return refused("the fault is none of the storage".to_owned());
        }
        let now = self.log.router.state().mode;
        if progress.rollbacks_in_a_row >= ROLLBACKS_MAX {
            return refused(format!("there were {ROLLBACKS_MAX} rollbacks in a row"));
        }
        let last = progress.healthy_mode.as_deref().and_then(Mode::of_name);
        let Some(to) = last else { return refused("no earlier deployment was healthy".to_owned()) };
        if to == now {
            return refused(format!("the last healthy mode was {to} too"));
        }
        let is_ephemeral = self.file_storage == FileStorage::Ephemeral;
        if to.durability(is_ephemeral) < now.durability(is_ephemeral) {
            return refused(format!("{to} is less durable than {now}"));
        }
        let plan = self.flags.plan(to).await;
        let rollback = Rollback { to, reason: reason_of(deployment, finding), force: false };
        match self.flags.rollback(plan, &rollback, &arbiter()).await {
            Ok(report) => {
                let followed = report.replicas.iter().filter(|replica| replica.acknowledged).count();
                let all = report.replicas.len();
                Acted::Over(format!("flags: done: {now} → {to}; {followed} of {all} replicas have followed"))
            }
            Err(crate::flags::FlagError::Unavailable(error)) => Acted::Later(format!("flags: {error}")),
            Err(error) => refused(error.to_string()),
        }
    }

    /// Goes back to the last healthy deployment.
    async fn roll_back(&self, deployment: &Deployment, finding: &Finding) -> Acted {
        if let Some(why) = why_no_rollback(deployment, finding.fault) {
            return Acted::Over(format!("railway: {why}"));
        }
        let planned = match self.rollback.plan(Some(&deployment.id), None).await {
            Ok(plan) => {
                tracing::warn!(
                    event = "rollback_planned",
                    from = plan.from,
                    to = plan.to,
                    variables = plan.variables.join(","),
                    objections = plan.objections.join("; "),
                    "a rollback to deployment {} was checked",
                    plan.to
                );
                self.rollback.execute(plan, &reason_of(deployment, finding), &arbiter()).await
            }
            Err(error) => Err(error),
        };
        match planned {
            Ok(report) => Acted::Over(format!(
                "railway: {}: deployment {} is {} after {:.0} s",
                if report.is_done { "done" } else { "started" },
                report.deployment.as_deref().unwrap_or(&report.plan.to),
                report.status,
                report.seconds
            )),
            Err(RollbackError::Railway(error)) if error.is_temporary() => {
                Acted::Later(format!("railway: {error}"))
            }
            Err(error) => Acted::Over(format!("railway: refused: {error}")),
        }
    }
}

/// Why another deployment would help nobody.
pub(super) fn why_no_rollback(deployment: &Deployment, fault: Fault) -> Option<&'static str> {
    match fault {
        Fault::DatabaseLost => Some(
            "refused: the database went away under a deployment that had reached it, so another deployment would not \
             reach it either",
        ),
        Fault::ModelLost => Some("refused: the model's provider fails, so another deployment would fail too"),
        // A rollback would restart the deployment that still serves.
        Fault::Crash if deployment.completed_at.is_none() => {
            Some("nothing to do: it never became healthy, so the platform has not switched to it")
        }
        Fault::Storage | Fault::Crash | Fault::Service => None,
    }
}

fn reason_of(deployment: &Deployment, finding: &Finding) -> String {
    let reason = format!("deployment {} fails: {}", deployment.id, finding.reason);
    reason.chars().take(400).collect()
}
