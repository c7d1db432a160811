//! The worker: claims runs, works on each in a task of its own, keeps their leases, and never ends because a store did.

mod crash_loop;
mod document;
mod execute;
mod progress;

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use pipeline::{clock::Clock, engine::Engine, failure::RunFailure, run::RunId};
use tokio::{
    runtime::Handle,
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::MissedTickBehavior,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument as _;

use self::progress::Progress;
use crate::{brands::BrandFolder, documents::fetch::Fetcher};
use storage::{Claim, Control as _, Fence, Lease, RunSubmission, Store as _, router::Router};

/// Between two looks for work that nobody told of: runs of dead processes, and what a lost notification was about. Half of
/// the second that a run may wait after its lease.
const POLL: Duration = Duration::from_millis(500);

/// The most runs that one look takes, so that replicas share a backlog.
const CLAIM_MAX: usize = 32;

/// A lease is renewed five times before it ends: four renewals may fail.
const RENEWALS_PER_LEASE: u32 = 5;

/// Between two looks for runs that others have ended: paid work stops within a second of that.
const VERIFY_INTERVAL: Duration = Duration::from_millis(500);

/// How much the worker does.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    pub lease: Lease,
    /// Runs that are worked on at once.
    pub concurrent_runs_max: usize,
    /// How long one may be worked on; waiting for storage does not count.
    pub run_deadline: Duration,
    /// A run that shows no progress for longer is reported.
    pub stall_after: Duration,
}

/// What a run needs besides its stores.
#[derive(Debug, Clone)]
pub struct WorkerDeps {
    pub engine: Engine,
    pub fetcher: Fetcher,
    pub brands: BrandFolder,
    pub clock: Arc<dyn Clock>,
}

/// Works on runs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Worker {
    inner: Arc<Inner>,
}

/// The right to work on one more run.
#[derive(Debug)]
pub struct Slot {
    _permit: OwnedSemaphorePermit,
}

#[derive(Debug)]
struct Inner {
    router: Arc<Router>,
    deps: WorkerDeps,
    config: WorkerConfig,
    slots: Arc<Semaphore>,
    active: Mutex<HashMap<RunId, Active>>,
    /// Failures that no store has taken yet: what a client sees until one does.
    unstored: Mutex<HashMap<RunId, RunFailure>>,
    wake: Notify,
    /// Whether a look now may find work that nobody tells of again: the last one took all it could, or was none. Else a
    /// slot that becomes free waits for word, or for the next poll.
    may_have_more: AtomicBool,
    /// A run of ours may have been ended from outside.
    doubted: Notify,
    tasks: TaskTracker,
    /// Where runs are worked on, whoever starts them.
    runtime: Handle,
    /// No new runs.
    draining: CancellationToken,
    /// No runs.
    stopping: CancellationToken,
}

#[derive(Debug)]
struct Active {
    fence: Fence,
    /// Somebody else has the run now: stop, and write nothing.
    lost: CancellationToken,
    progress: Arc<Progress>,
}

impl Worker {
    /// A worker whose runs are worked on by the runtime that this is called in.
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
            tasks: TaskTracker::new(),
            runtime: Handle::current(),
            draining: CancellationToken::new(),
            stopping: CancellationToken::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// In whose name this worker works.
    #[must_use]
    pub fn lease(&self) -> &Lease {
        &self.inner.config.lease
    }

    /// Whether no new runs are taken.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.inner.draining.is_cancelled()
    }

    /// Whether a task of this process has the run.
    #[must_use]
    pub fn is_working_on(&self, run: &RunId) -> bool {
        self.active().contains_key(run)
    }

    /// How a run of this process has failed, while no store has taken that yet.
    #[must_use]
    pub fn unstored_failure(&self, run: &RunId) -> Option<RunFailure> {
        self.inner.unstored().get(run).cloned()
    }

    /// How many runs this process works on.
    #[must_use]
    pub fn active_count(&self) -> usize {
        self.active().len()
    }

    /// How many of them show no progress.
    #[must_use]
    pub fn stalled_count(&self) -> usize {
        let Inner { deps, config, .. } = &*self.inner;
        self.active().values().filter(|active| active.progress.is_stalled(&*deps.clock, config)).count()
    }

    /// A free slot, if there is one.
    #[must_use]
    pub fn reserve(&self) -> Option<Slot> {
        if self.is_stopping() {
            return None;
        }
        self.inner.slots.clone().try_acquire_owned().ok().map(|permit| Slot { _permit: permit })
    }

    /// Says that there may be work.
    pub fn wake(&self) {
        self.inner.wake.notify_one();
    }

    /// Works on a run, in a task of its own. One that has just been accepted comes with what was asked: nothing of it
    /// is stored yet, so nothing has to be looked up.
    pub fn start(&self, slot: Slot, fence: Fence, new: Option<RunSubmission>) {
        let run = fence.run.clone();
        let lost = CancellationToken::new();
        let progress = Arc::new(Progress::new(&*self.inner.deps.clock));
        let active = Active { fence: fence.clone(), lost: lost.clone(), progress: progress.clone() };
        if self.active().insert(run.clone(), active).is_some() {
            // Not possible while claims leave out what is held; two tasks would be one too many.
            tracing::error!(event = "run_claimed_twice", run_id = %run, "run claimed twice by one process");
        }
        let worker = self.clone();
        // At error level, so that also the lines of a quiet log name their run.
        let span = tracing::error_span!("run", run_id = %run);
        let work = async move {
            let inner = &worker.inner;
            execute::work(inner, &fence, new, &lost, &progress).await;
            inner.router.forget(&run);
            worker.active().remove(&run);
            drop(slot);
            if worker.inner.may_have_more.load(Ordering::Acquire) {
                worker.wake();
            }
        };
        self.inner.tasks.spawn_on(work.instrument(span), &self.inner.runtime);
    }

    /// Claims and renews until told to stop.
    pub async fn run(&self) {
        tokio::join!(
            self.claim_until_told(),
            self.renew_until_stopped(),
            self.keep_leases(),
            self.verify_leases()
        );
    }

    /// Stops the work on a run that has been ended from outside, if this process has it. Its files follow the database.
    pub fn stop(&self, run: &RunId) {
        if let Some(active) = self.active().get(run) {
            active.lost.cancel();
        }
    }

    /// Somebody says that a run has been cancelled. It may have been retried since, and be ours again: whether it still is,
    /// the database is asked.
    pub fn verify_ownership(&self, run: &RunId) {
        if self.is_working_on(run) {
            self.inner.doubted.notify_one();
        }
    }

    /// Stops the work on runs that were lost, if it is still the same work: one that ended meanwhile may have been claimed
    /// again.
    fn stop_lost(&self, asked: &[Fence], lost: &[RunId]) {
        let active = self.active();
        for fence in asked.iter().filter(|fence| lost.contains(&fence.run)) {
            if let Some(active) = active.get(&fence.run).filter(|active| active.fence == *fence) {
                active.lost.cancel();
            }
        }
    }

    /// Finds out soon that a run has been cancelled on another replica: a renewal would, within a fifth of a lease, which
    /// may be long.
    async fn verify_leases(&self) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(VERIFY_INTERVAL) => {}
                () = self.inner.doubted.notified() => {}
                () = self.inner.stopping.cancelled() => return,
            }
            let fences: Vec<Fence> = self.active().values().map(|active| active.fence.clone()).collect();
            // Renewals tell of trouble.
            let lost = self.inner.router.lost_leases(&fences).await.unwrap_or_default();
            self.stop_lost(&fences, &lost);
        }
    }

    async fn claim_until_told(&self) {
        // A drain waits for the claim that is under way too: what it takes has to be given back.
        let _claiming = self.inner.tasks.token();
        let mut was_failing = false;
        let mut poll = tokio::time::interval(POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.is_stopping() {
            // Looking for leases that have ended costs a look at all there are: once a poll, not once a finished run.
            let expired = tokio::select! {
                biased;
                () = self.inner.draining.cancelled() => return,
                _ = poll.tick() => true,
                () = self.inner.wake.notified() => false,
            };
            // Before the slots are counted: one that becomes free from here on looks again.
            self.inner.may_have_more.store(true, Ordering::Release);
            let limit = self.inner.slots.available_permits().min(CLAIM_MAX);
            if limit > 0 {
                let held: HashSet<RunId> = self.active().keys().cloned().collect();
                let claim = Claim { lease: self.lease(), limit, held: &held, expired };
                match self.inner.router.claim(claim).await {
                    Ok(fences) => {
                        was_failing = false;
                        if fences.len() == limit {
                            // There may be more; other replicas had the time of one claim for their share.
                            self.wake();
                        } else {
                            self.inner.may_have_more.store(false, Ordering::Release);
                        }
                        for fence in fences {
                            self.start_claimed(fence).await;
                        }
                    }
                    // Once an outage, not once a second.
                    Err(error) if !was_failing => {
                        was_failing = true;
                        tracing::warn!(event = "claim_failed", %error, "no work could be claimed; will retry");
                    }
                    Err(_) => {}
                }
            }
        }
    }

    async fn start_claimed(&self, fence: Fence) {
        // An accepted run may have taken the slot since; the claimed one goes back rather than beyond the limit.
        match self.reserve() {
            Some(slot) => self.start(slot, fence, None),
            None => {
                if let Err(error) = self.inner.router.release(&fence).await {
                    tracing::warn!(event = "run_release_failed", run_id = %fence.run, %error, "run could not be released; its lease will end");
                }
            }
        }
    }

    async fn renew_until_stopped(&self) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(self.lease().duration / RENEWALS_PER_LEASE) => {}
                () = self.inner.stopping.cancelled() => return,
            }
            let fences: Vec<Fence> = self.active().values().map(|active| active.fence.clone()).collect();
            self.report_stalled();
            if fences.is_empty() {
                if self.is_stopping() {
                    return;
                }
                continue;
            }
            match self.inner.router.renew(self.lease(), &fences).await {
                Ok(lost) => self.stop_lost(&fences, &lost),
                Err(error) => {
                    tracing::warn!(event = "lease_renewal_failed", %error, "leases could not be renewed; will retry")
                }
            }
        }
    }

    /// Renews what has ended in files alone, also while the process ends: until it is in the database, or the process gone.
    /// Beside the runs that are worked on, which it must not hold up.
    async fn keep_leases(&self) {
        loop {
            tokio::time::sleep(self.lease().duration / RENEWALS_PER_LEASE).await;
            if let Err(error) = self.inner.router.renew_retained(self.lease()).await {
                tracing::warn!(event = "retained_lease_renewal_failed", %error, "leases of runs that ended in files could not be renewed; will retry");
            }
        }
    }

    /// Once a stall: for whoever looks why a run does not end.
    fn report_stalled(&self) {
        let Inner { deps, config, .. } = &*self.inner;
        for (run, active) in &*self.active() {
            if active.progress.is_newly_stalled(&*deps.clock, config) {
                tracing::warn!(event = "run_stalled", run_id = %run, "[{run}] has shown no progress for {:?}", config.stall_after);
            }
        }
    }

    /// Takes no new runs, waits for those under way up to the window, and gives back what is not finished then.
    pub async fn drain(&self, window: Duration) {
        self.inner.draining.cancel();
        self.inner.tasks.close();
        if tokio::time::timeout(window, self.inner.tasks.wait()).await.is_err() {
            tracing::warn!(
                event = "drain_window_over",
                runs = self.active_count(),
                "drain window over; giving runs back"
            );
            self.inner.stopping.cancel();
            // Each gives its lease back, which is one bounded write.
            let _ = tokio::time::timeout(RELINQUISH_TIMEOUT, self.inner.tasks.wait()).await;
        }
        self.inner.stopping.cancel();
    }

    fn active(&self) -> std::sync::MutexGuard<'_, HashMap<RunId, Active>> {
        self.inner.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn unstored(&self) -> std::sync::MutexGuard<'_, HashMap<RunId, RunFailure>> {
        self.unstored.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For giving back what a drain did not finish: a write's own limit, and a little.
const RELINQUISH_TIMEOUT: Duration = Duration::from_millis(2_500);
