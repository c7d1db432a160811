//! Runs that were in flight when a worker died. One of them may have killed it, and the others must not pay.
//!
//! A claim numbers the attempts since the last stored stage. The second attempt shares the worker with few
//! other suspects. The third one runs alone. Only a run whose worker died while it was alone is condemned.

use std::{sync::Arc, time::Duration};

use storage::{Fence, Postponement, WaitReason};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{crash_loop, inner::Inner, progress::Progress};

/// How long a suspect without room waits.
pub(super) const TURN: Postponement =
    Postponement { reason: WaitReason::CrashSuspected, wait: Duration::from_secs(2), lost_usd: 0.0 };

/// The longest wait of a suspect without room. A worker that executes suspects one by one needs about that long for ten of
/// them.
const TURN_MAX: Duration = Duration::from_secs(20);

/// How long a suspect without room waits, if a claim brought so many others without room before it. Each claim of a waiting
/// run costs writes to both stores, so those whose turn comes later ask later.
pub(super) fn turn_after(others: u32) -> Postponement {
    Postponement { wait: TURN.wait.saturating_mul(others.saturating_add(1)).min(TURN_MAX), ..TURN }
}

/// How long a run waits to be alone. No other run starts meanwhile, and a run whose end no store takes may hold
/// its slot for hours. Most runs end within this time.
const ALONE_WITHIN: Duration = Duration::from_secs(300);

/// How long the worker serves other runs after one could not be alone in time. Other replicas may take that run.
const SHARED_FOR: Duration = ALONE_WITHIN;

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
    let is_shared = || inner.deps.clock.monotonic() < *inner.shared_until.lock();
    let active = inner.active.lock();
    let suspects = || active.values().filter(|one| is_suspect(&one.fence) && !one.progress.has_stored());
    if crash_loop::is_last(fence) {
        !is_shared() && !suspects().any(|one| crash_loop::is_last(&one.fence))
    } else {
        suspects().count() < group_max(inner.config.concurrent_runs_max)
    }
}

/// Waits until no other run is active in this worker, and keeps it so while the permit lives. The caller has one
/// slot already. No run starts meanwhile: the semaphore serves the waiting caller first. None if the others did
/// not end in time.
pub(super) async fn alone(inner: &Inner, progress: &Progress) -> Option<OwnedSemaphorePermit> {
    let others = u32::try_from(inner.config.concurrent_runs_max.saturating_sub(1)).unwrap_or(u32::MAX);
    let clock = &*inner.deps.clock;
    let permit = all_within(ALONE_WITHIN, inner.slots.clone(), others, || progress.note(clock)).await;
    if permit.is_none() {
        *inner.shared_until.lock() = clock.monotonic() + SHARED_FOR;
    }
    permit
}

/// Takes so many slots at once, or none within the limit. It says now and then that it still waits.
async fn all_within(
    limit: Duration,
    slots: Arc<Semaphore>,
    others: u32,
    still_waits: impl Fn() + Send,
) -> Option<OwnedSemaphorePermit> {
    let waiting = async {
        let waiting = slots.acquire_many_owned(others);
        tokio::pin!(waiting);
        loop {
            still_waits();
            // The semaphore is never closed.
            if let Ok(permit) = tokio::time::timeout(STILL_WAITING, &mut waiting).await {
                return permit.ok();
            }
        }
    };
    tokio::time::timeout(limit, waiting).await.ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_grow_with_the_root_of_the_slots() {
        let groups = [1, 2, 9, 32, 256, 10_000].map(group_max);
        assert_eq!(groups, [1, 2, 3, 6, 16, 100]);
    }

    #[test]
    fn a_later_turn_waits_longer() {
        let waits = [0, 1, 4, 9, u32::MAX].map(|others| turn_after(others).wait.as_secs());
        assert_eq!(waits, [2, 4, 10, 20, 20]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_never_ends_blocks_no_worker() {
        let slots = Arc::new(Semaphore::new(3));
        let [_suspect, endless] = [(); 2].map(|()| slots.clone().try_acquire_owned().unwrap());
        let alone = || all_within(ALONE_WITHIN, slots.clone(), 2, || {});
        assert!(alone().await.is_none());
        assert!(slots.try_acquire().is_ok(), "others start again");
        drop(endless);
        assert_eq!(alone().await.unwrap().num_permits(), 2);
    }
}
