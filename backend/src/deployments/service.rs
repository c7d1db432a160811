//! The use cases of deployments, for routes and commands.

use serde_json::json;
use storage::{
    StorageError,
    control_plane::{Deployment, DeploymentPatch, DeploymentProcess, DeploymentStatus, Verdict},
};

use super::{
    dashboard::{Dashboard, DeploymentView},
    log::{DeploymentLog, Listed},
    migration_health::{MigrationHealth, compare},
    rollback::DeploymentRollback,
};
use crate::{
    audit::{Actor, Audit},
    flags::FlagSource,
};

/// The statements of a person or a script about a deployment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeploymentOrder {
    pub status: Option<DeploymentStatus>,
    pub reason: Option<String>,
    pub triggered_by: Option<String>,
    pub started_at: Option<pipeline::clock::Timestamp>,
}

/// The use cases of deployments. Cheap to clone.
#[derive(Debug, Clone)]
pub struct DeploymentAdmin {
    pub log: DeploymentLog,
    pub rollback: DeploymentRollback,
    pub flags: FlagSource,
    pub audit: Audit,
    /// The deployment of this process.
    pub own: Deployment,
}

impl DeploymentAdmin {
    /// The deployments, the newest first.
    pub async fn list(&self) -> Listed {
        self.log.list().await
    }

    /// One deployment. None if it is not recorded.
    pub async fn find(&self, id: &str) -> Option<DeploymentView> {
        let listed = self.log.list().await;
        listed.deployments.iter().find(|known| known.id == id).map(DeploymentView::from)
    }

    /// The dashboard.
    pub async fn dashboard(&self) -> Dashboard {
        self.dashboard_of(&self.log.list().await)
    }

    /// The dashboard of deployments that were listed already.
    #[must_use]
    pub fn dashboard_of(&self, listed: &Listed) -> Dashboard {
        Dashboard::of(listed, self.log.clock.now())
    }

    /// Old and new side by side.
    pub async fn migration_health(&self) -> MigrationHealth {
        compare(&self.log, &self.flags).await
    }

    /// Records a deployment by hand: one that the platform made, or its result. Returns it as it is recorded.
    ///
    /// # Errors
    ///
    /// The error of the files, if neither store takes it.
    pub async fn record(
        &self,
        id: Option<&str>,
        commit: Option<&str>,
        order: &DeploymentOrder,
        by: &Actor,
    ) -> Result<DeploymentView, StorageError> {
        let mut deployment = self.own.clone();
        if let Some(id) = id {
            id.clone_into(&mut deployment.id);
        }
        if let Some(commit) = commit {
            commit.clone_into(&mut deployment.commit_sha);
        }
        deployment.started_at = order.started_at.unwrap_or(deployment.started_at);
        let listed = self.log.list().await;
        let known = listed.deployments.iter().find(|known| known.id == deployment.id);
        let now = self.log.clock.now();
        let patch = patch_of(order, known, now);
        let mut record = self.audit.describe(by, "deployment.record", &deployment.id);
        record.new = Some(json!({ "status": order.status, "commit": deployment.commit_sha }));
        record.reason.clone_from(&order.reason);
        if known.is_none() {
            // A script is no process: it leaves at once.
            let process = DeploymentProcess {
                deployment: deployment.id.clone(),
                process: "file".to_owned(),
                replica: "file".to_owned(),
                started_at: deployment.started_at,
                ready_at: None,
                left_at: Some(now),
                report: None,
                silent_seconds: 0.0,
            };
            self.log.report(&deployment, &process).await?;
        }
        let mut recorded = known.cloned().unwrap_or(deployment);
        patch.apply(&mut recorded);
        if self.log.patch(&recorded.id, &patch, false, Some(&record)).await.is_err() {
            self.log.write_note(&recorded).await?;
            self.audit.record(record).await?;
        }
        Ok(DeploymentView::from(&recorded))
    }
}

fn patch_of(
    order: &DeploymentOrder,
    known: Option<&Deployment>,
    now: pipeline::clock::Timestamp,
) -> DeploymentPatch {
    // A script that failed is a verdict. One that succeeded is none: the arbiter still watches.
    let is_failed = matches!(order.status, Some(DeploymentStatus::Failed | DeploymentStatus::RolledBack))
        && known.is_none_or(|known| known.verdict.is_none());
    DeploymentPatch {
        status: order.status,
        triggered_by: order.triggered_by.clone(),
        // Only an earlier time is news: the script began before the first process.
        started_at: order.started_at.filter(|at| known.is_none_or(|known| *at < known.started_at)),
        rollback_reason: order.reason.clone().filter(|_| order.status == Some(DeploymentStatus::RolledBack)),
        verdict: is_failed.then_some(Verdict::Failing),
        verdict_reason: order.reason.clone().filter(|_| is_failed),
        verdict_at: is_failed.then_some(now),
        // The script acts itself.
        progress: is_failed.then(|| json!({ "action": "recorded by hand" })),
        ..DeploymentPatch::default()
    }
}
