//! Which deployment serves, which one may come back, and what speaks against it.

use std::collections::BTreeSet;

use pipeline::clock::Timestamp;
use serde_json::Value;
use storage::control_plane::{Deployment, DeploymentStatus, Verdict};

use crate::config::RailwayPlan;

/// The deployment that serves now.
#[must_use]
pub(super) fn current(listed: &[Deployment]) -> Option<&Deployment> {
    let serving = |known: &&Deployment| known.ended_at.is_none() && known.completed_at.is_some();
    listed.iter().find(serving).or_else(|| listed.iter().find(|known| known.ended_at.is_none()))
}

/// The last deployment before this one that was healthy, and is not the same thing again. Where none was, the last one that did not
/// fail: a quiet service has no other.
#[must_use]
pub(super) fn last_good<'a>(listed: &'a [Deployment], from: &Deployment) -> Option<&'a Deployment> {
    let unfailed = || earlier(listed, from).find(|known| known.verdict != Some(Verdict::Failing));
    earlier(listed, from).find(|known| is_healthy(known)).or_else(unfailed)
}

/// The storage mode of the last deployment before this one that was healthy.
#[must_use]
pub(super) fn healthy_mode(listed: &[Deployment], from: &Deployment) -> Option<String> {
    earlier(listed, from).find(|known| is_healthy(known))?.mode.clone()
}

/// Deployments before this one that succeeded, the newest first. The same commit with the same variables is left out: it would fail
/// in the same way.
fn earlier<'a>(listed: &'a [Deployment], from: &Deployment) -> impl Iterator<Item = &'a Deployment> {
    listed.iter().filter(|known| {
        known.id != from.id
            && known.started_at < from.started_at
            && known.status == DeploymentStatus::Success
            && (known.commit_sha != from.commit_sha || known.variables_digest != from.variables_digest)
    })
}

fn is_healthy(known: &Deployment) -> bool {
    known.verdict == Some(Verdict::Healthy)
}

/// Rollbacks since the last healthy deployment, the newest first.
#[must_use]
pub(super) fn in_a_row(listed: &[Deployment]) -> usize {
    let unhealthy = listed.iter().take_while(|known| !is_healthy(known) || was_rolled_back(known));
    unhealthy.filter(|known| was_rolled_back(known)).count()
}

fn was_rolled_back(known: &Deployment) -> bool {
    let action =
        known.progress.as_ref().and_then(|progress| progress.pointer("/action")).and_then(Value::as_str);
    known.rolled_back_to.is_some() || action.is_some_and(|action| action.starts_with("flags: done"))
}

/// Whether the platform's plan still keeps a deployment.
#[must_use]
pub(super) fn is_kept(target: &Deployment, plan: RailwayPlan, now: Timestamp) -> bool {
    let ended = target.ended_at.unwrap_or(now);
    now.signed_duration_since(ended).to_std().unwrap_or_default() < plan.retention()
}

/// The names of the variables in which two deployments differ.
#[must_use]
pub(super) fn differing(one: &Deployment, other: &Deployment) -> Vec<String> {
    let of = |deployment: &'_ Deployment| -> BTreeSet<(String, String)> {
        let known = deployment.deployment_metadata.get("variables").and_then(Value::as_object);
        let pairs = known.into_iter().flatten();
        pairs.map(|(name, print)| (name.clone(), print.as_str().unwrap_or_default().to_owned())).collect()
    };
    let (one, other) = (of(one), of(other));
    let names: BTreeSet<String> = one.symmetric_difference(&other).map(|(name, _)| name.clone()).collect();
    names.into_iter().collect()
}
