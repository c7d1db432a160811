//! Records this process's deployment at the start, and reports how the process fares.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use pipeline::clock::Clock;
use serde_json::json;
use storage::{
    StorageError,
    control_plane::{Deployment, DeploymentProcess, DeploymentScope, DeploymentStatus},
};
use tokio::time::timeout;

use super::{
    log::DeploymentLog,
    report::{ProcessReport, ReportedHealth, is_store},
    totals::own_totals,
};
use crate::{
    config::Config,
    health::{
        Connection, Health, HealthStatus, HealthSummary, Identity, baseline::BaselineKeeper, environment_name,
    },
    telemetry::process_usage,
};

/// A health check without an answer for so long has failed.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(5);

/// Hex digits of a commit or digest in a local id.
const SHORT: usize = 12;

/// The service and environment of this process.
#[must_use]
pub fn scope_of(config: &Config) -> DeploymentScope {
    DeploymentScope {
        environment: environment_name(config.process.environment).to_owned(),
        service: config.deployment.service.clone(),
    }
}

/// The id of this deployment: the platform's, or one of commit and variables, which all replicas of a machine share.
#[must_use]
pub fn id_of(config: &Config) -> String {
    config.process.deployment.clone().unwrap_or_else(|| {
        let commit = Identity::commit(config.process.git_sha.as_deref());
        let short = |text: &str| text.chars().take(SHORT).collect::<String>();
        format!("local-{}-{}", short(&commit), short(&config.deployment.variables_digest))
    })
}

/// The deployment of this process, as it is before its first look.
#[must_use]
pub fn deployment_of(config: &Config, clock: &Arc<dyn Clock>) -> Deployment {
    let scope = scope_of(config);
    let settings = &config.deployment;
    let platform = if config.process.deployment.is_some() { "railway" } else { "none" };
    Deployment {
        id: id_of(config),
        environment: scope.environment,
        service: scope.service,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit_sha: Identity::commit(config.process.git_sha.as_deref()),
        triggered_by: settings.triggered_by.clone(),
        started_at: clock.now(),
        completed_at: None,
        ended_at: None,
        status: DeploymentStatus::InProgress,
        health_score: None,
        error_count: 0,
        rollback_reason: None,
        rolled_back_to: None,
        deployment_metadata: json!({
            "platform": platform,
            "branch": settings.branch,
            "variables": settings.variables,
            "role": config.work.role.as_str(),
        }),
        verdict: None,
        verdict_reason: None,
        verdict_at: None,
        fault_at: None,
        mode: None,
        baseline: None,
        figures: None,
        variables_digest: Some(settings.variables_digest.clone()),
        progress: None,
    }
}

/// Reports for this process.
#[derive(Debug)]
pub struct Recorder {
    log: DeploymentLog,
    health: Arc<Health>,
    /// None without a database.
    baseline: Option<Arc<BaselineKeeper>>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Debug, Clone)]
struct State {
    deployment: Deployment,
    process: DeploymentProcess,
    /// When CPU time was last read.
    cpu: Option<(Duration, Duration)>,
    report: Option<ProcessReport>,
}

impl Recorder {
    #[must_use]
    pub fn new(
        log: DeploymentLog,
        deployment: Deployment,
        replica: String,
        health: Arc<Health>,
        baseline: Option<Arc<BaselineKeeper>>,
    ) -> Self {
        let clock = log.clock.clone();
        let process = DeploymentProcess {
            deployment: deployment.id.clone(),
            process: uuid::Uuid::now_v7().to_string(),
            replica,
            started_at: clock.now(),
            ready_at: None,
            left_at: None,
            report: None,
            silent_seconds: 0.0,
        };
        let state = State { deployment, process, cpu: None, report: None };
        Self { log, health, baseline, clock, state: Mutex::new(state) }
    }

    /// The deployment of this process.
    #[must_use]
    pub fn deployment(&self) -> Deployment {
        self.state.lock().deployment.clone()
    }

    /// This process, with its last report.
    #[must_use]
    pub fn process(&self) -> (DeploymentProcess, Option<ProcessReport>) {
        let state = self.state.lock();
        (state.process.clone(), state.report.clone())
    }

    /// Records the start, so that a crash before the first look leaves a trace.
    ///
    /// # Errors
    ///
    /// The error of the files, if neither store takes it.
    pub async fn start(&self) -> Result<(), StorageError> {
        let (deployment, process) = self.both();
        let in_database = self.log.report(&deployment, &process).await?;
        tracing::info!(
            event = "deployment_recorded",
            deployment = deployment.id,
            commit = deployment.commit_sha,
            in_database,
            "the start of this deployment is recorded"
        );
        Ok(())
    }

    /// Looks at this process, and stores the report. Returns whether the database has it.
    ///
    /// # Errors
    ///
    /// The error of the files, if neither store takes it.
    pub async fn pass(&self) -> Result<bool, StorageError> {
        let report = self.look().await;
        {
            let mut state = self.state.lock();
            if matches!(report.health, ReportedHealth::Healthy | ReportedHealth::Degraded) {
                let now = self.clock.now();
                state.process.ready_at.get_or_insert(now);
                let ready = state.process.ready_at;
                state.deployment.completed_at = state.deployment.completed_at.or(ready);
            }
            state.process.report = serde_json::to_value(&report).ok();
            state.deployment.mode = Some(report.mode.clone());
            state.report = Some(report);
        }
        let (deployment, process) = self.both();
        let in_database = self.log.report(&deployment, &process).await?;
        if in_database {
            let imported = self.log.import_notes().await?;
            if imported > 0 {
                tracing::info!(
                    event = "deployments_imported",
                    imported,
                    "deployments of the files are in the database"
                );
            }
        }
        Ok(in_database)
    }

    /// Says goodbye, so that the end of this process is no crash.
    pub async fn leave(&self) {
        let now = self.clock.now();
        self.state.lock().process.left_at = Some(now);
        let (deployment, process) = self.both();
        // An end that cannot be recorded counts as a crash, which the operator sees.
        let _ = self.log.report(&deployment, &process).await;
    }

    fn both(&self) -> (Deployment, DeploymentProcess) {
        let state = self.state.lock();
        (state.deployment.clone(), state.process.clone())
    }

    async fn look(&self) -> ProcessReport {
        let (summary, readiness) = tokio::join!(
            timeout(HEALTH_TIMEOUT, self.health.basic()),
            timeout(HEALTH_TIMEOUT, self.health.readiness())
        );
        let totals = own_totals();
        let cpu_share = self.cpu_share();
        let memory_share = process_usage::memory_share();
        let pool_share = self.baseline.as_ref().map(|keeper| keeper.pool_share());
        match (summary, readiness) {
            (Ok(summary), Ok(readiness)) => ProcessReport {
                totals,
                health: if readiness.is_err() { ReportedHealth::Unhealthy } else { health_of(&summary) },
                reasons: reasons_of(&summary),
                database: match summary.database_connection {
                    Connection::Healthy => Some(true),
                    Connection::Failed => Some(false),
                    Connection::Skipped => None,
                },
                cpu_share,
                memory_share,
                pool_share,
                mode: summary.mode.as_str().to_owned(),
            },
            _ => ProcessReport {
                totals,
                health: ReportedHealth::TimedOut,
                reasons: Vec::new(),
                database: None,
                cpu_share,
                memory_share,
                pool_share,
                mode: self.log.router.state().mode.as_str().to_owned(),
            },
        }
    }

    /// The share of all processors since the last look.
    fn cpu_share(&self) -> Option<f64> {
        let (now, used) = (self.clock.monotonic(), process_usage::cpu_time()?);
        let before = self.state.lock().cpu.replace((now, used))?;
        let elapsed = now.saturating_sub(before.0).as_secs_f64();
        let used = used.saturating_sub(before.1).as_secs_f64();
        (elapsed >= 0.5).then(|| used / elapsed / process_usage::processors())
    }
}

fn health_of(summary: &HealthSummary) -> ReportedHealth {
    match summary.status {
        HealthStatus::Unhealthy => ReportedHealth::Unhealthy,
        HealthStatus::Degraded if reasons_of(summary).iter().any(|reason| is_store(reason)) => {
            ReportedHealth::Degraded
        }
        HealthStatus::Degraded | HealthStatus::Healthy => ReportedHealth::Healthy,
    }
}

fn reasons_of(summary: &HealthSummary) -> Vec<String> {
    let name = |reason| serde_json::to_value(reason).ok()?.as_str().map(str::to_owned);
    summary.degraded_reasons.iter().filter_map(name).collect()
}
