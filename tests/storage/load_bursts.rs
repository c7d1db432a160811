//! Hundreds of runs that end a stage at the same moment: they wait for each other, and are no outage. One in the middle of
//! it is noticed as fast as ever.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use foundation::clock::SystemClock;
use pipeline::{clock::Clock, record::StageRecord, run::Stage};
use storage::{
    Fence, Lease, StorageError,
    breaker::{Breaker, BreakerConfig},
    bulkhead::Bulkhead,
    contract::{accepted, new_run, record},
    files::FileStore,
    mode::{Flags, Mode},
    postgres::PostgresStore,
    prelude::*,
    router::{Database, ReadLimiter, ReplicaPresence, Router, RouterConfig},
};
use tokio::{sync::watch, task::JoinSet};

use super::{config, migrated, network::slow_down, value};
use crate::support::{
    postgres::{Postgres, Stop},
    proxy::Proxy,
    wait::eventually,
};

const RUNS: usize = 200;

/// How many rows have the stage.
const STORED: &str = r#"SELECT count(*) FROM "PipelineRun" WHERE "stage1Output" IS NOT NULL"#;

/// From the moment at which the database goes: a write's own limit, the files of all, and this machine.
const SAFE_WITHIN: Duration = Duration::from_millis(3_500);

/// A router over a pool of two connections, one of which is kept for other things.
struct Burst {
    router: Arc<Router>,
    fences: Vec<Fence>,
    _folder: tempfile::TempDir,
}

impl Burst {
    async fn new(url: &str) -> Self {
        Self::with(url, "1000").await
    }

    async fn with(url: &str, acquire_timeout_ms: &str) -> Self {
        let limits = [("DATABASE_POOL_SIZE", "2"), ("DATABASE_ACQUIRE_TIMEOUT_MS", acquire_timeout_ms)];
        let config = config(url, &limits);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let folder = tempfile::tempdir().unwrap();
        let database = Database {
            store: Arc::new(PostgresStore::new(&config).unwrap().unwrap()),
            breaker: Arc::new(Breaker::new(BreakerConfig::default(), clock.clone())),
            bulkhead: Arc::new(Bulkhead::new(config.database_calls_max(), config.statement_timeout)),
            read_limiter: Arc::new(ReadLimiter::new(config.readers_max(), config.acquire_timeout)),
        };
        let flags = Flags::of_mode(Mode::DualWrite, 1);
        let router = Router::new(
            FileStore::new(folder.path().to_owned(), clock.clone()),
            Some(database),
            watch::channel(flags).1,
            RouterConfig {
                retry_deadline: Duration::from_secs(5),
                presence: Arc::new(ReplicaPresence::new(Some(true))),
            },
            clock,
        );
        let mut fences = Vec::new();
        for number in 0..RUNS {
            fences.push(accepted(&router, &new_run(&format!("r{number}"), "https://a/1"), "one").await);
        }
        Self { router: Arc::new(router), fences, _folder: folder }
    }

    /// All runs end their first stage at once.
    fn end_a_stage(&self) -> JoinSet<Result<StageRecord, StorageError>> {
        let mut writes = JoinSet::new();
        for fence in &self.fences {
            let (router, fence) = (self.router.clone(), fence.clone());
            let record = record(Stage::InputProcessing, "one");
            writes.spawn(async move { router.write_stage(&fence, record).await });
        }
        writes
    }

    /// How many runs have the stage in files, and how many of those lack it in the database.
    async fn in_files(&self) -> (usize, usize) {
        let (mut all, mut unsynced) = (0, 0);
        for fence in &self.fences {
            let manifest = self.router.files().manifest(&fence.run).await.unwrap().unwrap();
            let stored = manifest.stages.get(&Stage::InputProcessing);
            all += usize::from(stored.is_some());
            unsynced += usize::from(stored.is_some_and(|stored| stored.pending_database));
        }
        (all, unsynced)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_queues_without_an_outage() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    let burst = Burst::new(&url).await;
    // Four seconds for all, and more than any of them may wait for a connection.
    slow_down(&url, 0.02).await;
    for stored in burst.end_a_stage().join_all().await {
        stored.unwrap();
    }
    assert_eq!(value(&url, STORED).await, RUNS.to_string(), "no write to the database has failed");
    assert_eq!(burst.in_files().await, (RUNS, 0));
    let breaker = &burst.router.database().unwrap().breaker;
    assert!(breaker.is_closed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_requests_loses_no_lease() {
    const READERS: usize = 5_000;
    let server = Postgres::start();
    let url = migrated(&server).await;
    // A fraction of what the crowd takes.
    let burst = Burst::with(&url, "300").await;
    let mut read_limiter = JoinSet::new();
    for number in 0..READERS {
        let (router, run) = (burst.router.clone(), burst.fences[number % RUNS].run.clone());
        read_limiter.spawn(async move { router.load(&run).await });
    }
    let lease = Lease { owner: "one".into(), duration: Duration::from_secs(15) };
    let mut renewals = 0;
    while !read_limiter.is_empty() {
        let lost = burst.router.renew(&lease, &burst.fences).await.expect("there is a connection for it");
        assert!(lost.is_empty(), "{lost:?}");
        renewals += 1;
        // As many as have come to an answer meanwhile.
        while let Some(read) = read_limiter.try_join_next() {
            assert!(read.unwrap().unwrap().is_some(), "by the files, if not by the database");
        }
    }
    assert!(renewals > 1);
    assert!(burst.router.database().unwrap().breaker.is_closed(), "a crowd is no outage");
}

/// Lets a burst begin, pulls the plug in its midst, and waits until all are safe.
async fn interrupted(burst: &Burst, url: &str, plug: impl FnOnce()) {
    slow_down(url, 0.02).await;
    let writes = burst.end_a_stage();
    eventually("twenty stages", async || value(url, STORED).await.parse::<usize>().unwrap() >= 20).await;
    let pulled = Instant::now();
    plug();
    for stored in writes.join_all().await {
        stored.unwrap();
    }
    let elapsed = pulled.elapsed();
    assert!(elapsed < SAFE_WITHIN, "{elapsed:?}");
    let (all, unsynced) = burst.in_files().await;
    assert_eq!(all, RUNS);
    assert!(unsynced > 0, "the plug was pulled in time");
    assert!(!burst.router.database().unwrap().breaker.is_closed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_moves_to_files_when_postgres_dies() {
    let mut server = Postgres::start();
    let url = migrated(&server).await;
    let burst = Burst::new(&url).await;
    interrupted(&burst, &url, || server.stop(Stop::Immediate)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_moves_to_files_after_one_timeout() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    let (proxy, through) = Proxy::before(&url).await;
    let burst = Burst::new(&through).await;
    interrupted(&burst, &url, || proxy.swallow()).await;
}
