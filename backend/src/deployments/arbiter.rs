//! Watches deployments and judges them. One replica at a time has the right to judge one deployment.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use pipeline::clock::Timestamp;
use storage::control_plane::{Deployment, Verdict};

use super::{
    action::Actions,
    candidates::{healthy_mode, in_a_row},
    golden_path::GoldenPath,
    log::DeploymentLog,
    look::{Limits, Look},
    progress::Progress,
    recorder::Recorder,
    rules::{Fault, Finding, note_smoke, observe, totals_of},
    totals::{SpanFigures, Totals, own_totals},
};
use crate::{
    alerts::deployment::{DeploymentWatch, Verdict as WatchVerdict},
    audit::Audit,
    config::ArbiterConfig,
    flags::definitions::{PAUSE_ACCEPTANCE, PAUSE_CLAIMS},
    health::baseline::BaselineKeeper,
    telemetry::metrics,
};

/// How long a deployment may take to become healthy: as long as the platform waits for it.
pub(super) const START_LIMIT: Duration = Duration::from_secs(120);

/// The parts of an arbiter.
#[derive(Debug, Clone)]
pub struct ArbiterDeps {
    /// Told of verdicts, for the alerts.
    pub watch: DeploymentWatch,
    pub log: DeploymentLog,
    pub recorder: Arc<Recorder>,
    pub config: ArbiterConfig,
    /// None without a database.
    pub baseline: Option<Arc<BaselineKeeper>>,
    /// None where this process serves no runs.
    pub golden_path: Option<GoldenPath>,
    pub actions: Actions,
    pub audit: Audit,
}

/// Watches and judges.
#[derive(Debug)]
pub struct Arbiter {
    pub(super) deps: ArbiterDeps,
    /// The deployment that this process judged last, with its memory. Without the database it goes on with that one.
    pub(super) held: Mutex<Option<(String, Progress)>>,
}

/// A deployment under judgement.
pub(super) struct Case {
    pub(super) deployment: Deployment,
    pub(super) progress: Progress,
    pub(super) look: Look,
    pub(super) figures: SpanFigures,
    pub(super) baseline: Option<SpanFigures>,
    pub(super) in_database: bool,
}

impl Arbiter {
    #[must_use]
    pub fn new(deps: ArbiterDeps) -> Self {
        Self { deps, held: Mutex::default() }
    }

    /// Tells the alerts of the deployments that have not ended: of a failing one rather than of this process's own.
    fn tell(&self, own: &str, listed: &[Deployment]) {
        let open = listed.iter().filter(|known| known.ended_at.is_none());
        let failing = |known: &&Deployment| known.verdict == Some(Verdict::Failing);
        let told = open.clone().find(failing).or_else(|| open.clone().find(|known| known.id == own));
        self.deps.watch.set(told.and_then(|known| {
            let (verdict, reason) = (known.verdict?, known.verdict_reason.clone().unwrap_or_default());
            let is_failing = verdict == Verdict::Failing;
            Some(WatchVerdict { deployment: known.id.clone(), is_failing, reason })
        }));
    }

    /// Looks once at each deployment that has no verdict yet. Returns a sentence.
    pub async fn pass(&self) -> String {
        let own = self.deps.recorder.deployment().id;
        let listed = self.deps.log.list().await.deployments;
        self.tell(&own, &listed);
        if let Some(known) = listed.iter().find(|known| known.id == own) {
            metrics::deployment_verdict(known.verdict.map_or("watching", Verdict::as_str));
        }
        let mut watched = Vec::new();
        for known in listed.iter().filter(|known| known.ended_at.is_none()).take(5) {
            if !is_open(known) || (known.id != own && !self.is_orphan(known).await) {
                continue;
            }
            let Some((deployment, in_database)) = self.take(known, known.id == own).await else { continue };
            watched.push(deployment.id.clone());
            self.judge(deployment, in_database, &listed).await;
        }
        if listed.iter().all(|known| known.id != own) {
            return "this deployment is not recorded yet".to_owned();
        }
        if watched.is_empty() { "no deployment is watched here".to_owned() } else { watched.join(", ") }
    }

    /// Takes the right to judge. Returns the deployment as it is stored, and whether the database is there.
    async fn take(&self, known: &Deployment, is_own: bool) -> Option<(Deployment, bool)> {
        let (own, _) = self.deps.recorder.process();
        // Two looks may fail before another replica takes over.
        let seconds = u32::try_from((self.deps.config.check * 3).as_secs().max(3)).unwrap_or(60);
        match self.deps.log.hold(&known.id, &own.process, seconds).await {
            Some(Some(deployment)) => Some((deployment, true)),
            Some(None) => None,
            None => {
                // Without the database: who judged before, or who is alone. A note has its memory.
                let was_mine = self.held.lock().as_ref().is_some_and(|(id, _)| *id == known.id);
                let may = was_mine || self.deps.log.router.file_acceptance().is_allowed();
                (is_own && may).then(|| (known.clone(), false))
            }
        }
    }

    async fn judge(&self, mut deployment: Deployment, in_database: bool, listed: &[Deployment]) {
        let mut progress = self.memory(&deployment).await;
        if deployment.verdict == Some(Verdict::Failing) {
            let finding = finding_of(&deployment, &progress);
            self.act(&mut deployment, progress, &finding, in_database).await;
            return;
        }
        if in_database {
            let healthy = healthy_mode(listed, &deployment);
            (progress.healthy_mode, progress.rollbacks_in_a_row) = (healthy, in_a_row(listed));
        }
        let processes = self.processes(&deployment, in_database).await;
        let now = self.now();
        let began = deployment.completed_at.unwrap_or(deployment.started_at);
        let look = Look { at: now, age: age(deployment.started_at, now), processes };
        let baseline = self.baseline_of(&deployment, listed).await;
        let comparable = baseline.filter(|before| before.requests >= self.deps.config.requests_min);
        let limits = Limits {
            check: self.deps.config.check,
            sustained: self.deps.config.sustained,
            start: START_LIMIT,
            baseline: comparable.map(|before| (before.p95_ms, before.error_share)),
        };
        let mut finding = observe(&mut progress, &look, &limits);
        let figures = totals_of(&look).since(&Totals::default());
        let elapsed = age(began, now);
        let has_traffic = figures.requests.saturating_sub(progress.own_requests)
            >= self.deps.config.requests_min
            || figures.runs.saturating_sub(progress.own_runs) >= self.deps.config.runs_min;
        if finding.is_none() && deployment.completed_at.is_some() && !has_traffic {
            finding = self.make_traffic(&mut progress, elapsed).await;
        }
        *self.held.lock() = Some((deployment.id.clone(), progress.clone()));
        let case = Case { deployment, progress, look, figures, baseline, in_database };
        match finding {
            Some(finding) => self.fail(case, finding).await,
            None if self.is_over(&case, elapsed) => self.close(case, has_traffic).await,
            None => self.remember(case).await,
        }
    }

    /// The longest watch waits for a figure that is bad at its end, until that is clear.
    fn is_over(&self, case: &Case, elapsed: Duration) -> bool {
        let config = &self.deps.config;
        case.deployment.completed_at.is_some()
            && elapsed >= config.watch
            && (!case.progress.is_bad_now() || elapsed >= config.watch + config.sustained * 2)
    }

    /// Walks the golden path in the middle of a watch without traffic, and again after a failure.
    async fn make_traffic(&self, progress: &mut Progress, elapsed: Duration) -> Option<Finding> {
        let golden_path = self.deps.golden_path.as_ref()?;
        let flags = &self.deps.actions.flags.source;
        // Operators have paused the service, so no path can be walked. That says nothing about the deployment.
        if flags.is_on(&PAUSE_ACCEPTANCE) || flags.is_on(&PAUSE_CLAIMS) {
            return None;
        }
        let is_due = match &progress.smoke {
            None => elapsed >= self.deps.config.watch / 2,
            Some(smoke) => !smoke.passed,
        };
        if !is_due {
            return None;
        }
        let before = own_totals();
        let (passed, detail) = golden_path.walk().await;
        let own = own_totals().since(&before);
        progress.own_requests += own.requests;
        progress.own_runs += own.runs;
        tracing::info!(event = "arbiter_golden_path", passed, detail, "the arbiter walked the golden path");
        note_smoke(progress, self.now(), passed, detail.clone());
        (progress.smoke_failures >= 2).then(|| Finding {
            fault: Fault::Service,
            reason: format!("the golden path fails: {detail}"),
            since: progress.failures.last().map_or_else(|| self.now(), |failure| failure.at),
        })
    }

    async fn fail(&self, mut case: Case, finding: Finding) {
        let reason = finding.reason.clone();
        // So that the action is the same after a restart.
        case.progress.fail(finding.since, format!("verdict: {:?}", finding.fault));
        let since = Some(finding.since);
        let Some(mut deployment) = self.decide(&case, Verdict::Failing, reason, since).await else { return };
        // So that a second attempt knows the fault. A verdict that no store took leaves no mark.
        *self.held.lock() = Some((deployment.id.clone(), case.progress.clone()));
        self.act(&mut deployment, case.progress, &finding, case.in_database).await;
    }

    async fn close(&self, case: Case, has_traffic: bool) {
        let figures = &case.figures;
        let (verdict, reason) = if has_traffic {
            let reason = format!(
                "{} requests with {:.2} % errors, {} runs, a p95 of {:.0} ms",
                figures.requests,
                figures.error_share * 100.0,
                figures.runs,
                figures.p95_ms
            );
            (Verdict::Healthy, reason)
        } else {
            let walked = match &case.progress.smoke {
                Some(smoke) if smoke.passed => format!("the golden path passed: {}", smoke.detail),
                Some(smoke) => format!("the golden path failed: {}", smoke.detail),
                None => "no golden path was walked".to_owned(),
            };
            let few = format!("only {} requests and {} runs; {walked}", figures.requests, figures.runs);
            (Verdict::Inconclusive, few)
        };
        let _ = self.decide(&case, verdict, reason, None).await;
    }

    pub(super) fn now(&self) -> Timestamp {
        self.deps.log.clock.now()
    }
}

/// Whether a deployment waits for a verdict, or for the action after one.
pub(super) fn is_open(known: &Deployment) -> bool {
    match known.verdict {
        // Somebody has taken it back already.
        None => known.rolled_back_to.is_none(),
        Some(Verdict::Failing) => {
            let action = known.progress.as_ref().and_then(|progress| progress.get("action"));
            known.rolled_back_to.is_none() && action.is_none_or(serde_json::Value::is_null)
        }
        Some(_) => false,
    }
}

/// The finding of an earlier process, for an action that it did not finish.
fn finding_of(deployment: &Deployment, progress: &Progress) -> Finding {
    let word = progress.failures.iter().rev().find_map(|failure| failure.what.strip_prefix("verdict: "));
    Finding {
        fault: match word {
            Some("Storage") => Fault::Storage,
            Some("DatabaseLost") => Fault::DatabaseLost,
            Some("Crash") => Fault::Crash,
            Some("ModelLost") => Fault::ModelLost,
            _ => Fault::Service,
        },
        reason: deployment.verdict_reason.clone().unwrap_or_default(),
        since: deployment.fault_at.unwrap_or(deployment.started_at),
    }
}

/// The time between two points.
pub(super) fn age(from: Timestamp, to: Timestamp) -> Duration {
    to.signed_duration_since(from).to_std().unwrap_or_default()
}
