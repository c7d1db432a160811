//! The view of the arbiter: the processes of a deployment, and the figures to compare it with.

use std::time::Duration;

use storage::control_plane::{Deployment, DeploymentProcess, DeploymentStatus};

use super::{
    arbiter::{Arbiter, START_LIMIT, age},
    candidates::last_good,
    report::{ProcessReport, ProcessState, SeenProcess},
    totals::SpanFigures,
};

/// A process that is silent for less may only be busy.
const SILENCE_MIN: Duration = Duration::from_secs(3);

impl Arbiter {
    /// Whether a deployment of others has no process that could judge it.
    pub(super) async fn is_orphan(&self, known: &Deployment) -> bool {
        let Some(processes) = self.deps.log.processes(&known.id).await else { return false };
        has_never_served(known)
            && (age(known.started_at, self.now()) >= START_LIMIT
                || self.seen(&processes).iter().all(|process| process.state != ProcessState::Live))
    }

    pub(super) async fn processes(&self, deployment: &Deployment, in_database: bool) -> Vec<SeenProcess> {
        let stored = if in_database { self.deps.log.processes(&deployment.id).await } else { None };
        match stored {
            Some(processes) => self.seen(&processes),
            // Without the database a process knows of itself alone.
            None => {
                let (own, report) = self.deps.recorder.process();
                vec![SeenProcess { was_ready: own.ready_at.is_some(), state: ProcessState::Live, report }]
            }
        }
    }

    pub(super) fn seen(&self, processes: &[DeploymentProcess]) -> Vec<SeenProcess> {
        let silence = (self.deps.config.check * 3).max(SILENCE_MIN);
        let (own, _) = self.deps.recorder.process();
        let state_of = |process: &DeploymentProcess| {
            let is_replaced = processes
                .iter()
                .any(|other| other.replica == process.replica && other.started_at > process.started_at);
            match () {
                () if process.left_at.is_some() => ProcessState::Left,
                () if process.process == own.process => ProcessState::Live,
                () if is_replaced || process.silent_seconds > silence.as_secs_f64() => ProcessState::Crashed,
                () => ProcessState::Live,
            }
        };
        // A note brings a deployment, and no process.
        let real = processes.iter().filter(|process| process.process != "file");
        real.map(|process| SeenProcess {
            was_ready: process.ready_at.is_some(),
            state: state_of(process),
            report: process
                .report
                .clone()
                .and_then(|report| serde_json::from_value::<ProcessReport>(report).ok()),
        })
        .collect()
    }

    /// The figures of the last healthy deployment, or else those of the hours before this one.
    pub(super) async fn baseline_of(
        &self,
        deployment: &Deployment,
        listed: &[Deployment],
    ) -> Option<SpanFigures> {
        if let Some(known) = deployment.baseline.clone() {
            return serde_json::from_value(known).ok();
        }
        let healthy = last_good(listed, deployment).and_then(|healthy| healthy.figures.clone());
        if let Some(figures) = healthy.and_then(|figures| serde_json::from_value::<SpanFigures>(figures).ok())
            && figures.requests >= self.deps.config.requests_min
        {
            return Some(figures);
        }
        if !self.deps.log.router.is_database_open() {
            return None;
        }
        let keeper = self.deps.baseline.clone()?;
        let compared = tokio::time::timeout(Duration::from_secs(2), keeper.compare()).await.ok()?.ok()?;
        let previous = compared.previous?;
        Some(SpanFigures {
            requests: previous.requests,
            error_share: previous.error_share,
            p95_ms: previous.p95_ms,
            ..SpanFigures::default()
        })
    }
}

/// Whether a deployment has not become healthy. One that somebody recorded as a success by hand has no process
/// that would say so.
pub(super) fn has_never_served(known: &Deployment) -> bool {
    known.completed_at.is_none() && known.status != DeploymentStatus::Success
}
