//! The storage flags change while a run is under way, and its stages are not in both stores yet.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
    time::Duration,
};

use foundation::clock::SystemClock;
use pipeline::run::Stage;
use storage::{
    Claim, Fence, WaitingRuns,
    breaker::{Breaker, BreakerConfig},
    bulkhead::Bulkhead,
    contract::{accepted, lease, new_run, record},
    memory::MemoryStore,
    mode::Flags,
    prelude::*,
    router::{Database, ReadLimiter, ReplicaPresence, Resume, Router, RouterConfig},
};
use tokio::sync::watch;

use super::store::store;
use crate::support::{s3::S3, wait::eventually};

const URL: &str = "https://a/1";
const ONE: Stage = Stage::InputProcessing;
const TWO: Stage = Stage::SignalAmplification;

const BOTH: Flags = Flags { database_writes: true, file_fallback: true, revision: 1 };
const DATABASE: Flags = Flags { file_fallback: false, ..BOTH };
const FILES: Flags = Flags { database_writes: false, ..BOTH };

struct World {
    database: Arc<MemoryStore>,
    router: Router,
    flags: watch::Sender<Flags>,
    _bucket: S3,
}

impl World {
    async fn new(flags: Flags) -> Self {
        let (bucket, clock) = (S3::start(), Arc::new(SystemClock::default()));
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
        let files = store(&bucket);
        assert!(files.check_create_if_absent().await.unwrap());
        let router = Router::new(files, Some(held), flags, config, clock);
        Self { database, router, flags: sender, _bucket: bucket }
    }

    fn flip(&self, flags: Flags) {
        self.flags.send_replace(flags);
    }

    async fn claim(&self) -> Fence {
        let (lease, held) = (lease("one"), HashSet::new());
        let claim = Claim { lease: &lease, limit: 9, held: &held, expired: true, waiting: WaitingRuns::None };
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
