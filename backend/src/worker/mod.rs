//! The worker. It claims runs, executes each in a separate task, and renews their leases. A failing store
//! never ends it.

mod active_runs;
mod begun;
mod crash_loop;
mod document;
mod download;
mod execute;
mod inner;
mod model_wait;
mod progress;
mod settings;
mod suspects;

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use parking_lot::Mutex;
use pipeline::{failure::RunFailure, run::RunId};
use tokio::{
    runtime::Handle,
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::MissedTickBehavior,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument as _;

pub use self::model_wait::reason as wait_reason;
pub use self::{
    download::Downloads,
    settings::{WorkerConfig, WorkerDeps},
};
use self::{
    inner::{Active, Inner},
    progress::Progress,
};
use crate::{
    flags::definitions::PAUSE_CLAIMS,
    llm::gate::{Admission, Refusal},
};
use storage::{
    Claim, Fence, Lease, Postponement, RunSubmission, StorageError, WaitReason, Waiting, WaitingRuns,
    prelude::*, router::Router,
};

/// How often the worker polls for runs without a notification: runs of dead processes, and lost
/// notifications. A run may wait one second after its lease; this is half of it.
const POLL: Duration = Duration::from_millis(500);

/// A lease is renewed five times before it ends: four renewals may fail.
pub const RENEWALS_PER_LEASE: u32 = 5;

/// The most runs that one claim takes, so that replicas share a backlog.
const CLAIM_MAX: usize = 32;

/// Executes runs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Worker {
    inner: Arc<Inner>,
}

/// Whether a search for runs asked the stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Stores,
    /// No slot was free.
    NoRoom,
}

/// The right to execute one more run.
#[derive(Debug)]
pub struct Slot {
    _permit: OwnedSemaphorePermit,
}

/// The result of a pass over the leases of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    Renewed {
        leases: usize,
    },
    /// No run is active now.
    NoRuns,
    /// No run will become active any more.
    Ended,
}

impl Renewal {
    const fn of(leases: usize) -> Self {
        if leases == 0 { Self::NoRuns } else { Self::Renewed { leases } }
    }
}

impl Worker {
    /// Creates a worker that executes runs on the current runtime.
    #[must_use]
    pub fn new(router: Arc<Router>, deps: WorkerDeps, config: WorkerConfig) -> Self {
        let slots = Arc::new(Semaphore::new(config.concurrent_runs_max));
        let inner = Inner {
            router,
            deps,
            config,
            slots,
            active: Mutex::default(),
            unstored: Mutex::default(),
            wake: Notify::new(),
            may_have_more: AtomicBool::new(true),
            doubted: Notify::new(),
            shared_until: Mutex::default(),
            tasks: TaskTracker::new(),
            runtime: Handle::current(),
            draining: CancellationToken::new(),
            stopping: CancellationToken::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The lease terms of this worker.
    #[must_use]
    pub fn lease(&self) -> &Lease {
        &self.inner.config.lease
    }

    /// Whether the worker claims no new runs.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.inner.draining.is_cancelled()
    }

    /// Whether a task of this process executes the run.
    #[must_use]
    pub fn is_working_on(&self, run: &RunId) -> bool {
        self.active().contains_key(run)
    }

    /// The wait of a run of this process for another run's answer. None if it does not wait for one.
    #[must_use]
    pub fn awaited_answer(&self, run: &RunId) -> Option<Waiting> {
        let since = self.inner.deps.answers.waits_since(run)?;
        Some(Waiting { reason: WaitReason::AnswerAwaited, since, until: None })
    }

    /// The failure of a run that no store holds yet.
    #[must_use]
    pub fn unstored_failure(&self, run: &RunId) -> Option<RunFailure> {
        self.inner.unstored().get(run).cloned()
    }

    /// The number of runs that this process executes.
    #[must_use]
    pub fn active_count(&self) -> usize {
        self.active().len()
    }

    /// The number of these runs without progress.
    #[must_use]
    pub fn stalled_count(&self) -> usize {
        let Inner { deps, config, .. } = &*self.inner;
        self.active().values().filter(|active| active.progress.is_stalled(&*deps.clock, config)).count()
    }

    /// Reserves a free slot, if there is one.
    #[must_use]
    pub fn reserve(&self) -> Option<Slot> {
        if self.admitted() == 0 { None } else { self.reserve_slot() }
    }

    /// Reserves a free slot for a run that is claimed already, also while the model is away.
    fn reserve_slot(&self) -> Option<Slot> {
        if self.is_stopping() {
            return None;
        }
        self.inner.slots.clone().try_acquire_owned().ok().map(|permit| Slot { _permit: permit })
    }

    /// Wakes the worker, because there may be a run to claim.
    pub fn wake(&self) {
        self.inner.wake.notify_one();
    }

    /// Executes a run in a separate task. The caller passes the request of a run that was just accepted.
    /// Nothing is stored for it yet, so nothing needs to be loaded.
    pub fn start(&self, slot: Slot, fence: Fence, new: Option<RunSubmission>) {
        let run = fence.run.clone();
        let lost = CancellationToken::new();
        let progress = Arc::new(Progress::new(&*self.inner.deps.clock));
        let active = Active { fence: fence.clone(), lost: lost.clone(), progress: progress.clone() };
        if !self.insert_newest(active) {
            return;
        }
        if let Some(new) = &new {
            // Before anybody asks for the run's owner.
            self.inner.router.register_active(&fence, new.clone(), HashSet::new());
        }
        let worker = self.clone();
        // At error level, so that a quiet log names the run in its lines too.
        let span = tracing::error_span!("run", run_id = %run);
        let work = async move {
            let inner = &worker.inner;
            execute::work(inner, &fence, new, &lost, &progress).await;
            worker.remove_active(&fence);
            drop(slot);
            if worker.inner.may_have_more.load(Ordering::Acquire) {
                worker.wake();
            }
        };
        self.inner.tasks.spawn_on(work.instrument(span), &self.inner.runtime);
    }

    /// Stops the execution of a run that another process ended. The run's files follow the database.
    pub fn stop(&self, run: &RunId) {
        if let Some(active) = self.active().get(run) {
            active.lost.cancel();
        }
    }

    /// Checks soon whether this process still owns a run, after a notification of its cancellation. The run
    /// may have been retried and claimed here again, so the database decides.
    pub fn verify_ownership(&self, run: &RunId) {
        if self.is_working_on(run) {
            self.inner.doubted.notify_one();
        }
    }

    /// Stops the execution of lost runs, unless this process has claimed the run again since.
    fn stop_lost(&self, asked: &[Fence], lost: &[RunId]) {
        let active = self.active();
        for fence in asked.iter().filter(|fence| lost.contains(&fence.run)) {
            if let Some(active) = active.get(&fence.run).filter(|active| active.fence == *fence) {
                active.lost.cancel();
            }
        }
    }

    /// Asks for all active runs whether they still belong to this process, and stops the others.
    ///
    /// # Errors
    ///
    /// The errors of the store, which then says nothing about the runs.
    pub async fn verify_leases(&self) -> Result<Renewal, StorageError> {
        if self.inner.stopping.is_cancelled() {
            return Ok(Renewal::Ended);
        }
        let fences = self.fences();
        let lost = self.inner.router.lost_leases(&fences).await?;
        self.stop_lost(&fences, &lost);
        Ok(Renewal::of(fences.len()))
    }

    /// Returns when a notification says that an active run may have been cancelled.
    pub async fn ownership_doubted(&self) {
        self.inner.doubted.notified().await;
    }

    /// Claims runs until the process drains.
    pub async fn claim_until_told(&self) {
        // A drain waits for the current claim too, because its runs must be released.
        let _claiming = self.inner.tasks.token();
        let mut was_failing = false;
        let mut is_poll_due = false;
        let mut poll = tokio::time::interval(POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.is_stopping() {
            // A search for expired leases and waiting runs costs a scan, so it runs once per poll and not after
            // each finished run. A poll without a free slot stays due, or a backlog would take every slot first.
            is_poll_due |= tokio::select! {
                biased;
                () = self.inner.draining.cancelled() => return,
                _ = poll.tick() => true,
                () = self.inner.wake.notified() => false,
            };
            if self.is_paused() {
                continue;
            }
            // Set it before the slots are counted. A slot that becomes free from here on triggers another
            // claim.
            self.inner.may_have_more.store(true, Ordering::Release);
            let claimed = match model_wait::admission(&self.inner) {
                Admission::Closed(refusal) => self.park(refusal, is_poll_due).await,
                Admission::Open | Admission::Limited(_) => {
                    let waiting = if is_poll_due { WaitingRuns::Due } else { WaitingRuns::None };
                    self.claim_and_start(is_poll_due, waiting).await
                }
            };
            // The next poll follows a failed one soon.
            is_poll_due &= matches!(claimed, Ok(Asked::NoRoom));
            match claimed {
                Ok(_) => was_failing = false,
                // Log once per outage, not once per second.
                Err(error) if !was_failing => {
                    was_failing = true;
                    tracing::warn!(event = "claim_failed", %error, "runs could not be claimed; will retry");
                }
                Err(_) => {}
            }
        }
    }

    /// Claims as many runs as there is room for, and starts them.
    async fn claim_and_start(&self, expired: bool, waiting: WaitingRuns) -> Result<Asked, StorageError> {
        let free = self.inner.slots.available_permits().min(CLAIM_MAX);
        // Overdue runs end at once and ask no model.
        let is_overdue = matches!(waiting, WaitingRuns::Overdue(_));
        let limit = if is_overdue { free } else { free.min(self.admitted()) };
        if limit == 0 {
            return Ok(Asked::NoRoom);
        }
        let began = self.inner.deps.clock.monotonic();
        let mut fences = self.claim(limit, expired, waiting).await?;
        // Slow files may have taken a good part of the leases that the database gave at the beginning of the claim.
        let claim_took = self.inner.deps.clock.monotonic().saturating_sub(began);
        if claim_took > self.lease().duration / RENEWALS_PER_LEASE && !fences.is_empty() {
            // Without an answer the work begins: it checks its lease before each paid stage.
            let lost = self.inner.router.renew(self.lease(), &fences).await.unwrap_or_default();
            fences.retain(|fence| !lost.contains(&fence.run));
        }
        // At once: the leases of the others run while one is put back.
        let without_room = AtomicU32::new(0);
        join_all(fences.into_iter().map(|fence| self.start_claimed(fence, &without_room))).await;
        Ok(Asked::Stores)
    }

    async fn claim(
        &self,
        limit: usize,
        expired: bool,
        waiting: WaitingRuns,
    ) -> Result<Vec<Fence>, StorageError> {
        let held: HashSet<RunId> = self.active().keys().cloned().collect();
        let claim = Claim { lease: self.lease(), limit, held: &held, expired, waiting };
        let fences = self.inner.router.claim(claim).await?;
        if fences.len() == limit {
            // There may be more runs. Meanwhile, other replicas had the time of one claim to take their share.
            self.wake();
        } else {
            self.inner.may_have_more.store(false, Ordering::Release);
        }
        Ok(fences)
    }

    /// While the model is away, gives queued runs their reason and the begin of their wait, and ends the runs that
    /// have waited for too long.
    async fn park(&self, refusal: Refusal, is_poll_due: bool) -> Result<Asked, StorageError> {
        let mut asked = Asked::Stores;
        if is_poll_due {
            let overdue = WaitingRuns::Overdue(self.inner.config.outage_deadline);
            asked = self.claim_and_start(false, overdue).await?;
        }
        let reason = model_wait::reason(refusal.code);
        let postponement = Postponement { reason, wait: refusal.wait, lost_usd: 0.0 };
        let fences = self.claim(CLAIM_MAX, false, WaitingRuns::None).await?;
        join_all(fences.iter().map(|fence| async {
            model_wait::put_back(&self.inner, fence, &postponement).await;
            self.inner.router.forget(&fence.run);
        }))
        .await;
        Ok(asked)
    }

    /// Whether operators have paused the workers. Runs under way finish.
    fn is_paused(&self) -> bool {
        self.inner.deps.flags.is_on(&PAUSE_CLAIMS)
    }

    /// How many more runs may begin now.
    fn admitted(&self) -> usize {
        if self.is_paused() {
            return 0;
        }
        match model_wait::admission(&self.inner) {
            Admission::Open => usize::MAX,
            Admission::Limited(runs) => runs.saturating_sub(self.active_count()),
            Admission::Closed(_) => 0,
        }
    }

    async fn start_claimed(&self, fence: Fence, without_room: &AtomicU32) {
        if suspects::is_suspect(&fence) && !suspects::has_room(&self.inner, &fence) {
            let turn = suspects::turn_after(without_room.fetch_add(1, Ordering::Relaxed));
            model_wait::put_back(&self.inner, &fence, &turn).await;
            self.inner.router.forget(&fence.run);
            return;
        }
        // An accepted run may have taken the slot since. Release the claimed run to keep the limit.
        match self.reserve_slot() {
            Some(slot) => self.start(slot, fence, None),
            None => {
                if let Err(error) = self.inner.router.release(&fence).await {
                    tracing::warn!(event = "run_release_failed", run_id = %fence.run, %error, "the run could not be released; this process claims it again, or another one after its lease");
                }
            }
        }
    }

    /// Renews the leases of all active runs, and stops the runs that were lost.
    ///
    /// # Errors
    ///
    /// The errors of the stores. The leases expire unless a later renewal succeeds.
    pub async fn renew_leases(&self) -> Result<Renewal, StorageError> {
        let fences = self.fences();
        if self.inner.stopping.is_cancelled() || (fences.is_empty() && self.is_stopping()) {
            return Ok(Renewal::Ended);
        }
        if !fences.is_empty() {
            let lost = self.inner.router.renew(self.lease(), &fences).await?;
            self.stop_lost(&fences, &lost);
        }
        Ok(Renewal::of(fences.len()))
    }

    /// Takes the rows of active runs that came from shared files, and stops the runs that belong to somebody else.
    ///
    /// # Errors
    ///
    /// The errors of the stores. The rows are taken later.
    pub async fn take_rows(&self) -> Result<Renewal, StorageError> {
        if self.inner.stopping.is_cancelled() {
            return Ok(Renewal::Ended);
        }
        let fences = self.fences();
        let lost = self.inner.router.take_rows_of_shared_files(&fences).await?;
        self.stop_lost(&fences, &lost);
        Ok(Renewal::of(fences.len()))
    }

    /// Renews the leases of runs that ended in files alone.
    ///
    /// # Errors
    ///
    /// The errors of the database. The leases expire unless a later renewal succeeds.
    pub async fn renew_retained_leases(&self) -> Result<(), StorageError> {
        self.inner.router.renew_retained(self.lease()).await
    }

    /// Two tasks must not execute the same run: the later claim goes on. A claim excludes active runs, but the lease of a run
    /// that is being accepted may end before its work begins, where storage is slow, and a claim then finds it.
    fn insert_newest(&self, new: Active) -> bool {
        let run = new.fence.run.clone();
        let mut active = self.active();
        if let Some(other) = active.get(&run) {
            tracing::error!(event = "run_claimed_twice", run_id = %run, "run claimed twice by one process; the later claim goes on");
            if other.fence.term() >= new.fence.term() {
                return false;
            }
            other.lost.cancel();
        }
        active.insert(run, new);
        true
    }

    /// Ends the work of this fence. A later claim of the run keeps its place.
    fn remove_active(&self, fence: &Fence) {
        let mut active = self.active();
        if active.get(&fence.run).is_some_and(|active| active.fence == *fence) {
            // Within the lock: nobody begins with the run between both.
            self.inner.router.forget(&fence.run);
            active.remove(&fence.run);
        }
    }

    fn fences(&self) -> Vec<Fence> {
        self.active().values().map(|active| active.fence.clone()).collect()
    }

    /// Logs each stall once, so that an operator can see why a run does not end.
    pub fn report_stalled(&self) {
        let Inner { deps, config, .. } = &*self.inner;
        for (run, active) in &*self.active() {
            if active.progress.is_newly_stalled(&*deps.clock, config) {
                tracing::warn!(event = "run_stalled", run_id = %run, "[{run}] has shown no progress for {:?}", config.stall_after);
            }
        }
    }

    /// Stops claiming, waits for active runs up to the window, and releases the rest.
    pub async fn drain(&self, window: Duration) {
        self.inner.draining.cancel();
        self.inner.tasks.close();
        if tokio::time::timeout(window, self.inner.tasks.wait()).await.is_err() {
            tracing::warn!(
                event = "drain_window_over",
                runs = self.active_count(),
                "drain window over; releasing runs"
            );
            self.inner.stopping.cancel();
            // Each run releases its lease with one bounded write.
            let _ = tokio::time::timeout(RELINQUISH_TIMEOUT, self.inner.tasks.wait()).await;
        }
        self.inner.stopping.cancel();
    }

    fn active(&self) -> parking_lot::MutexGuard<'_, HashMap<RunId, Active>> {
        self.inner.active.lock()
    }
}

/// The time limit for releasing runs after a drain: the limit of one write, and a little more.
const RELINQUISH_TIMEOUT: Duration = Duration::from_millis(2_500);
