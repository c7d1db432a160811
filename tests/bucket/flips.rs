//! The storage flags change while a run is under way, and its stages are not in both stores yet.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
    time::Duration,
};

use foundation::clock::SystemClock;
use pipeline::{run::Stage, store::RunStore as _};
use storage::{
    Claim, End, Fence, Postponement, WaitReason, WaitingRuns,
    breaker::{Breaker, BreakerConfig},
    bulkhead::Bulkhead,
    contract::{accepted, at, failure, lease, new_run, record},
    files::FileStore,
    leased::LeasedRun,
    memory::MemoryStore,
    mode::{Flags, Mode},
    prelude::*,
    router::{Database, ReadLimiter, ReplicaPresence, Resume, Router, RouterConfig},
};
use tokio::sync::watch;

use super::store::{LEASE, store, store_at};
use crate::support::{proxy::Proxy, s3::S3, wait::eventually};

const URL: &str = "https://a/1";
const ONE: Stage = Stage::InputProcessing;
const TWO: Stage = Stage::SignalAmplification;

const BOTH: Flags = Flags::of_mode(Mode::DualWrite, 1);
const DATABASE: Flags = Flags { file_fallback: false, ..BOTH };
const FILES: Flags = Flags { database_writes: false, ..BOTH };

struct World {
    database: Arc<MemoryStore>,
    router: Router,
    flags: watch::Sender<Flags>,
    bucket: S3,
}

impl World {
    async fn new(flags: Flags) -> Self {
        let bucket = S3::start();
        let files = store(&bucket);
        Self::with(flags, bucket, files).await
    }

    async fn with(flags: Flags, bucket: S3, files: FileStore) -> Self {
        let clock = Arc::new(SystemClock::default());
        let database = Arc::new(MemoryStore::new());
        let (sender, flags) = watch::channel(flags);
        let held = Database {
            store: database.clone(),
            breaker: Arc::new(Breaker::new(BreakerConfig::default(), clock.clone())),
            bulkhead: Arc::new(Bulkhead::new(4, Duration::from_secs(2))),
            read_limiter: Arc::new(ReadLimiter::new(4, Duration::from_secs(1))),
        };
        let config = RouterConfig {
            retry_deadline: Duration::ZERO,
            presence: Arc::new(ReplicaPresence::new(Some(false))),
        };
        assert!(files.check_create_if_absent().await.unwrap());
        let router = Router::new(files, Some(held), flags, config, clock);
        Self { database, router, flags: sender, bucket }
    }

    fn flip(&self, flags: Flags) {
        self.flags.send_replace(flags);
    }

    async fn claim(&self) -> Fence {
        let (lease, held) = (lease("one"), HashSet::new());
        let claim = Claim { lease: &lease, limit: 9, held: &held, expired: true, waiting: WaitingRuns::Due };
        eventually("the run is claimed", async || self.router.claim(claim).await.unwrap().pop()).await
    }
}

#[tokio::test]
async fn what_only_the_row_has_is_waited_for() {
    let world = World::new(BOTH).await;
    let dead = accepted(&*world.database, &new_run("r1", URL), "dead").await;
    world.database.store_stage(&dead, &record(ONE, "one")).await.unwrap();
    world.database.release(&dead).await.unwrap();
    let fence = world.claim().await;
    assert_eq!(fence.row_stages, BTreeSet::from([ONE]));
    world.flip(FILES);
    assert!(world.router.resume(&fence).await.unwrap_err().is_outage());
    world.flip(BOTH);
    let Resume::At { snapshot, .. } = world.router.resume(&fence).await.unwrap() else {
        panic!("it goes on")
    };
    assert!(snapshot.stages.contains_key(&ONE));
}

#[tokio::test]
async fn an_accepted_run_begins_its_files_late() {
    let world = World::new(FILES).await;
    // The files know this process from another run.
    accepted(&world.router, &new_run("r0", URL), "one").await;
    let run = new_run("r1", URL);
    let fence = accepted(&*world.database, &run, "one").await;
    world.router.register_active(&fence, run, HashSet::new());
    let waits = tokio::time::timeout(Duration::from_secs(10), world.router.await_lease(&fence));
    waits.await.expect("no other process can have it").unwrap();
}

#[tokio::test]
async fn late_files_know_that_the_row_is_ahead() {
    let world = World::new(DATABASE).await;
    let run = new_run("r1", URL);
    let fence = accepted(&*world.database, &run, "one").await;
    world.router.register_active(&fence, run, HashSet::new());
    world.router.write_stage(&fence, record(ONE, "one")).await.unwrap();
    world.flip(BOTH);
    world.router.write_stage(&fence, record(TWO, "two")).await.unwrap();
    world.router.release(&fence).await.unwrap();
    world.router.forget(&fence.run);
    world.flip(FILES);
    let by_files = world.claim().await;
    assert_eq!(by_files.row_stages, BTreeSet::new());
    assert!(world.router.resume(&by_files).await.unwrap_err().is_outage(), "it would pay for stage 1 again");
}

#[tokio::test]
async fn files_say_at_their_begin_what_they_lack() {
    let world = World::new(FILES).await;
    // The files know this process from another run.
    accepted(&world.router, &new_run("r0", URL), "one").await;
    world.flip(DATABASE);
    let run = new_run("r1", URL);
    let fence = accepted(&*world.database, &run, "one").await;
    world.router.register_active(&fence, run, HashSet::new());
    world.router.write_stage(&fence, record(ONE, "one")).await.unwrap();
    world.flip(FILES);
    // Begins the files. The process is killed before it writes to them again.
    world.router.await_lease(&fence).await.unwrap();
    world.router.release(&fence).await.unwrap();
    world.router.forget(&fence.run);
    let by_files = world.claim().await;
    assert_eq!(by_files.row_stages, BTreeSet::new());
    assert!(world.router.resume(&by_files).await.unwrap_err().is_outage(), "it would pay for stage 1 again");
}

#[tokio::test]
async fn files_that_lack_nothing_go_on_alone() {
    let world = World::new(BOTH).await;
    let run = new_run("r1", URL);
    // Accepted in `DATABASE_ONLY`.
    let fence = accepted(&*world.database, &run, "one").await;
    world.router.register_active(&fence, run, HashSet::new());
    world.router.write_stage(&fence, record(ONE, "one")).await.unwrap();
    world.router.release(&fence).await.unwrap();
    world.router.forget(&fence.run);
    world.flip(FILES);
    let by_files = world.claim().await;
    assert!(world.router.resume(&by_files).await.is_ok());
}

#[tokio::test]
async fn a_claim_put_back_tells_the_files() {
    let world = World::new(BOTH).await;
    let mine = accepted(&world.router, &new_run("r1", URL), "one").await;
    world.router.release(&mine).await.unwrap();
    // Another replica, whose flags say `DATABASE_ONLY` and which does not reach the files.
    let held = HashSet::new();
    let others = lease("dead");
    let claim = Claim { lease: &others, limit: 9, held: &held, expired: true, waiting: WaitingRuns::None };
    let dead = world.database.claim(claim).await.unwrap().pop().unwrap();
    world.database.store_stage(&dead, &record(ONE, "one")).await.unwrap();
    world.database.release(&dead).await.unwrap();
    let fence = world.claim().await;
    let wait = Postponement { reason: WaitReason::LlmError, wait: Duration::ZERO, lost_usd: 0.0 };
    world.router.put_back(&fence, &wait).await.unwrap();
    world.flip(FILES);
    let by_files = world.claim().await;
    assert_eq!(by_files.row_stages, BTreeSet::new());
    assert!(world.router.resume(&by_files).await.unwrap_err().is_outage(), "it would pay for stage 1 again");
}

#[tokio::test]
async fn a_claim_by_files_misses_a_row_out_of_reach() {
    let world = World::new(BOTH).await;
    let mine = accepted(&world.router, &new_run("r1", URL), "one").await;
    world.router.release(&mine).await.unwrap();
    world.router.forget(&mine.run);
    world.flip(FILES);
    let by_files = world.claim().await;
    assert!(!world.router.misses_row(&by_files).await, "no mode waits for what it does not use");
    world.flip(BOTH);
    assert!(world.router.misses_row(&by_files).await, "the row may have its end");
    assert!(!world.router.misses_row(&mine).await, "nobody misses what is theirs");
}

#[tokio::test]
async fn a_run_taken_elsewhere_pays_for_nothing() {
    let world = World::new(FILES).await;
    let kept = accepted(&world.router, &new_run("r0", URL), "one").await;
    assert!(LeasedRun::new(&world.router, &kept, Vec::new()).holds_lease(ONE).await);
    let run = new_run("r1", URL);
    let fence = accepted(&*world.database, &run, "one").await;
    let elsewhere = Fence { owner: "two".to_owned(), epoch: fence.epoch + 1, ..fence.clone() };
    store(&world.bucket).adopt(&run, &elsewhere).await.unwrap();
    let lost = LeasedRun::new(&world.router, &fence, Vec::new());
    assert!(!lost.holds_lease(ONE).await && lost.is_lost());
}

#[tokio::test]
async fn after_a_missed_lease_the_files_are_asked() {
    let bucket = S3::start();
    let mut network = Proxy::start(bucket.address).await;
    let elsewhere = store(&bucket);
    let files = store_at(&network.url(&bucket.url()), LEASE, Arc::new(SystemClock::default()));
    let world = World::with(BOTH, bucket, files).await;
    let run = new_run("r1", URL);
    let fence = accepted(&world.router, &run, "one").await;
    world.router.register_active(&fence, run, HashSet::new());
    let mine = LeasedRun::new(&world.router, &fence, Vec::new());
    assert!(mine.holds_lease(ONE).await);
    network.refuse().await;
    // To a replica that does not reach the database, the silent owner is dead.
    let (others, held) = (lease("two"), HashSet::new());
    let claim = || Claim { lease: &others, limit: 9, held: &held, expired: true, waiting: WaitingRuns::Due };
    eventually("the run is taken", async || elsewhere.claim(claim()).await.unwrap().pop()).await;
    assert!(mine.holds_lease(ONE).await, "the row decides while the files are away");
    network.mend().await;
    eventually("the claim is seen", async || (!mine.holds_lease(TWO).await).then_some(())).await;
    assert!(mine.is_lost());
}

#[tokio::test]
async fn a_retry_waits_for_stages_of_the_row_alone() {
    let world = World::new(BOTH).await;
    let run = new_run("r1", URL);
    let fence = accepted(&world.router, &run, "one").await;
    world.router.register_active(&fence, run, HashSet::new());
    world.flip(DATABASE);
    world.router.write_stage(&fence, record(ONE, "one")).await.unwrap();
    world.router.finish(&fence, End::Failed(&failure()), at("2026-11-21T12:00:00Z")).await.unwrap();
    world.router.forget(&fence.run);
    world.flip(FILES);
    assert_eq!(world.router.retry(&fence.run, 1, None).await.unwrap(), Some(2));
    let by_files = world.claim().await;
    assert!(world.router.resume(&by_files).await.unwrap_err().is_outage(), "it would pay for stage 1 again");
}
