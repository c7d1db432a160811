//! Runs that were in flight when a worker died. One of them may have killed it, and the others must not pay.
//!
//! A claim numbers the attempts since the last stored stage. The second attempt shares the worker with few
//! other suspects. The third one runs alone. Only a run whose worker died while it was alone is condemned.

use std::time::Duration;

use storage::{Fence, Postponement, WaitReason};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{crash_loop, inner::Inner, progress::Progress};

/// How long a suspect without room waits.
pub(super) const TURN: Postponement =
    Postponement { reason: WaitReason::CrashSuspected, wait: Duration::from_secs(2), lost_usd: 0.0 };

/// How often a run that waits to be alone shows that it is no stalled run.
const STILL_WAITING: Duration = Duration::from_secs(30);

/// The most suspects that share a worker. After a crash at `slots` runs, the square root keeps both the rounds
/// of innocent suspects and the runs that must be alone after another crash few.
pub(super) const fn group_max(slots: usize) -> usize {
    let root = slots.isqrt();
    if root * root == slots { root } else { root + 1 }
}

/// Whether the worker died while it executed this run, and the run has stored no stage since.
pub(super) const fn is_suspect(fence: &Fence) -> bool {
    fence.attempt > 1
}

/// Whether there is room for a suspect now.
pub(super) fn has_room(inner: &Inner, fence: &Fence) -> bool {
    let active = inner.active.lock();
    let suspects = || active.values().filter(|one| is_suspect(&one.fence) && !one.progress.has_stored());
    if crash_loop::is_last(fence) {
        !suspects().any(|one| crash_loop::is_last(&one.fence))
    } else {
        suspects().count() < group_max(inner.config.concurrent_runs_max)
    }
}

/// Waits until no other run is active in this worker, and keeps it so while the permit lives. The caller has one
/// slot already. No run starts meanwhile: the semaphore serves the waiting caller first.
pub(super) async fn alone(inner: &Inner, progress: &Progress) -> Option<OwnedSemaphorePermit> {
    let others = u32::try_from(inner.config.concurrent_runs_max.saturating_sub(1)).unwrap_or(u32::MAX);
    let waiting = Semaphore::acquire_many_owned(inner.slots.clone(), others);
    tokio::pin!(waiting);
    loop {
        progress.note(&*inner.deps.clock);
        // The semaphore is never closed.
        if let Ok(permit) = tokio::time::timeout(STILL_WAITING, &mut waiting).await {
            return permit.ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_grow_with_the_root_of_the_slots() {
        let groups = [1, 2, 9, 32, 256, 10_000].map(group_max);
        assert_eq!(groups, [1, 2, 3, 6, 16, 100]);
    }
}
