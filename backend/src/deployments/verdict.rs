//! Stores what the arbiter has found: its memory, a verdict, and the result of the action after it.

use pipeline::clock::Timestamp;
use serde_json::json;
use storage::control_plane::{Deployment, DeploymentPatch, DeploymentStatus, Verdict};

use super::{
    action::{Acted, arbiter},
    arbiter::{Arbiter, Case, age},
    progress::Progress,
    rules::Finding,
    totals::SpanFigures,
};

/// How often an action is tried.
const ATTEMPTS_MAX: u32 = 3;

impl Arbiter {
    /// Stores the verdict. None if another replica was faster, or if no store takes it.
    pub(super) async fn decide(
        &self,
        case: &Case,
        verdict: Verdict,
        reason: String,
        fault_at: Option<Timestamp>,
    ) -> Option<Deployment> {
        let Case { deployment, progress, look, figures, baseline, in_database } = case;
        let now = self.now();
        let status =
            if verdict == Verdict::Failing { DeploymentStatus::Failed } else { DeploymentStatus::Success };
        let errors = figures.errors.saturating_add(figures.failed_runs);
        let mode =
            look.processes.iter().rev().find_map(|process| Some(process.report.as_ref()?.mode.clone()));
        let patch = DeploymentPatch {
            status: Some(status),
            health_score: Some(health_score(progress, figures, verdict)),
            error_count: Some(i32::try_from(errors).unwrap_or(i32::MAX)),
            verdict: Some(verdict),
            verdict_reason: Some(reason.clone()),
            verdict_at: Some(now),
            fault_at,
            mode,
            baseline: baseline.and_then(|baseline| serde_json::to_value(baseline).ok()),
            figures: serde_json::to_value(figures).ok(),
            // Lists of deployments are read often: the snapshots have served.
            progress: serde_json::to_value(Progress { snapshots: Vec::new(), ..progress.clone() }).ok(),
            ..DeploymentPatch::default()
        };
        let mut decided = deployment.clone();
        patch.apply(&mut decided);
        let stored = if *in_database {
            self.deps.log.patch(&deployment.id, &patch, true, None).await.ok()
        } else {
            None
        };
        match stored {
            Some(true) => {}
            Some(false) => return None,
            None => {
                if let Err(error) = self.deps.log.write_note(&decided).await {
                    tracing::warn!(event = "verdict_not_stored", %error, "the verdict could not be stored; the next look finds it again");
                    return None;
                }
            }
        }
        let (id, word, commit) = (&deployment.id, verdict.as_str(), &deployment.commit_sha);
        let seconds = age(fault_at.unwrap_or(now), now).as_secs();
        match verdict {
            Verdict::Failing => tracing::error!(
                event = "deployment_failing",
                deployment = id,
                commit,
                reason,
                seconds_after_fault = seconds,
                "ALERT: deployment {id} is failing: {reason}"
            ),
            _ => tracing::info!(
                event = "deployment_verdict",
                deployment = id,
                commit,
                verdict = word,
                reason,
                "deployment {id} is {word}"
            ),
        }
        Some(decided)
    }

    pub(super) async fn act(
        &self,
        deployment: &mut Deployment,
        mut progress: Progress,
        finding: &Finding,
        in_database: bool,
    ) {
        if progress.action.is_some() {
            return;
        }
        progress.action_attempts += 1;
        progress.snapshots.clear();
        let acted = self.deps.actions.act(deployment, &progress, finding).await;
        let sentence = match acted {
            Acted::Later(sentence) if progress.action_attempts < ATTEMPTS_MAX => {
                tracing::warn!(
                    event = "arbiter_action_postponed",
                    deployment = deployment.id,
                    result = sentence,
                    "the action could not be done now; will retry"
                );
                None
            }
            Acted::Later(sentence) => Some(format!("{sentence}; given up after {ATTEMPTS_MAX} attempts")),
            Acted::Over(sentence) => Some(sentence),
        };
        if let Some(sentence) = &sentence {
            tracing::warn!(
                event = "arbiter_acted",
                deployment = deployment.id,
                result = sentence,
                "the arbiter's action: {sentence}"
            );
        }
        progress.action = sentence.clone();
        // The next look counts the attempts by it.
        *self.held.lock() = Some((deployment.id.clone(), progress.clone()));
        let has_acted = sentence.as_ref().is_some_and(|sentence| !sentence.starts_with("observe"));
        let patch = DeploymentPatch {
            // A rollback by the platform has stored its reason itself.
            rollback_reason: sentence.filter(|sentence| sentence.starts_with("flags: done")),
            progress: serde_json::to_value(&progress).ok(),
            ..DeploymentPatch::default()
        };
        let record = has_acted.then(|| {
            let mut record = self.deps.audit.describe(&arbiter(), "deployment.action", &deployment.id);
            record.new = progress.action.as_ref().map(|action| json!({ "action": action }));
            record.reason = Some(finding.reason.clone());
            record
        });
        let stored = match in_database {
            true => self.deps.log.patch(&deployment.id, &patch, false, record.as_ref()).await.is_ok(),
            false => false,
        };
        if !stored {
            patch.apply(deployment);
            let _ = self.deps.log.write_note(deployment).await;
            if let Some(record) = record {
                let _ = self.deps.audit.record(record).await;
            }
        }
    }

    /// Stores the memory, in the database or in a note.
    pub(super) async fn remember(&self, case: Case) {
        let Case { mut deployment, progress, look, in_database, .. } = case;
        let mode =
            look.processes.iter().rev().find_map(|process| Some(process.report.as_ref()?.mode.clone()));
        let patch = DeploymentPatch {
            mode,
            progress: serde_json::to_value(&progress).ok(),
            ..DeploymentPatch::default()
        };
        let stored = in_database && self.deps.log.patch(&deployment.id, &patch, true, None).await.is_ok();
        if !stored {
            patch.apply(&mut deployment);
            // A lost look is one look less.
            let _ = self.deps.log.write_note(&deployment).await;
        }
    }

    /// The newest memory: of the database, of the note, or of this process.
    pub(super) async fn memory(&self, deployment: &Deployment) -> Progress {
        let of = |deployment: &Deployment| -> Progress {
            let stored = deployment.progress.clone();
            stored.and_then(|progress| serde_json::from_value(progress).ok()).unwrap_or_default()
        };
        let stored = of(deployment);
        let notes = self.deps.log.notes().await;
        let noted = notes.iter().find(|note| note.id == deployment.id).map(of);
        let held = self.held.lock().clone().filter(|(id, _)| *id == deployment.id).map(|(_, held)| held);
        Progress::newest([Some(stored), noted, held].into_iter().flatten())
    }
}

/// From 0 to 1: the mean of the looks, less by the share of errors. A failing deployment has 0.5 at most.
fn health_score(progress: &Progress, figures: &SpanFigures, verdict: Verdict) -> f64 {
    let looks = f64::from(progress.looks.max(1));
    let score = (progress.points / looks).clamp(0.0, 1.0) * (1.0 - figures.error_share.clamp(0.0, 1.0));
    if verdict == Verdict::Failing { score.min(0.5) } else { score }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_deployment_is_half_healthy_at_most() {
        let progress = Progress { looks: 4, points: 4.0, ..Progress::default() };
        let score = |error_share, verdict| {
            health_score(&progress, &SpanFigures { error_share, ..SpanFigures::default() }, verdict)
        };
        assert_eq!(score(0.0, Verdict::Healthy), 1.0);
        assert_eq!(score(0.25, Verdict::Healthy), 0.75);
        assert_eq!(score(0.25, Verdict::Failing), 0.5);
    }
}
