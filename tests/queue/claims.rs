//! Claims from a real PostgreSQL: fair among users, and careful with leases that have ended.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Duration,
};

use pipeline::testing::ManualClock;
use storage::{
    Acceptance, Claim, RunSubmission, StorageError, StorageErrorKind, WaitingRuns,
    breaker::{Breaker, BreakerConfig},
    bulkhead::Bulkhead,
    contract::{claim, ended_lease, lease, new_run},
    files::FileStore,
    memory::MemoryStore,
    mode::{Flags, Mode},
    postgres::PostgresStore,
    prelude::*,
    router::{Database, ReadLimiter, ReplicaPresence, Router, RouterConfig},
};
use tokio::sync::watch;

use crate::{
    storage::{migrated, store},
    support::postgres::{Postgres, query},
};

const URL: &str = "https://a/report.pdf";

/// A run of a user's, accepted `second` seconds after the first.
fn run_of(user: &str, number: u64, second: u64) -> RunSubmission {
    let mut new = new_run(&format!("{user}-{number}"), URL);
    new.request.user_id = Some(user.to_owned());
    new.accepted_at += Duration::from_secs(second);
    new
}

/// `ann` has fifty runs, `ben` two and `cem` one, all of them younger.
async fn crowd(store: &PostgresStore) {
    let of_ann = (0..50).map(|n| run_of("ann", n, n));
    let others = [run_of("ben", 0, 100), run_of("ben", 1, 101), run_of("cem", 0, 102)];
    for new in of_ann.chain(others) {
        store.accept(&new, None).await.unwrap();
    }
}

/// The users of the next claim's runs, in their order.
async fn users(store: &PostgresStore, limit: usize) -> Vec<String> {
    let claimed = claim(store, &lease("worker"), limit).await;
    claimed.iter().map(|fence| fence.run.as_str().split('-').next().unwrap().to_owned()).collect()
}

fn counted(users: &[String]) -> BTreeMap<&str, usize> {
    users.iter().fold(BTreeMap::new(), |mut counted, user| {
        *counted.entry(user.as_str()).or_default() += 1;
        counted
    })
}

#[tokio::test]
async fn users_take_turns_and_one_alone_gets_all() {
    let server = Postgres::start();
    let store = store(&migrated(&server).await);
    crowd(&store).await;
    // Users who still wait get the worker's remaining slots.
    let first = users(&store, 8).await;
    assert_eq!(counted(&first), BTreeMap::from([("ann", 5), ("ben", 2), ("cem", 1)]));
    assert_eq!(counted(&first[..3]).len(), 3, "each once before anybody twice: {first:?}");
    assert_eq!(users(&store, 32).await, vec!["ann"; 32]);
    assert_eq!(users(&store, 99).await, vec!["ann"; 13]);
    assert_eq!(users(&store, 99).await, Vec::<String>::new());
}

#[tokio::test]
async fn slots_freed_one_by_one_are_shared_fairly() {
    let server = Postgres::start();
    let store = store(&migrated(&server).await);
    crowd(&store).await;
    let mut order = Vec::new();
    for _ in 0..6 {
        order.extend(users(&store, 1).await);
    }
    assert_eq!(counted(&order[..3]).len(), 3, "{order:?}");
    assert_eq!(counted(&order), BTreeMap::from([("ann", 3), ("ben", 2), ("cem", 1)]));
}

#[tokio::test]
async fn urgent_runs_come_first_for_every_user() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    let store = store(&url);
    crowd(&store).await;
    query(&url, r#"UPDATE "PipelineRun" SET "priority" = 1 WHERE "id" IN ('ann-40', 'ann-41', 'ben-1')"#)
        .await;
    let claimed = claim(&store, &lease("worker"), 2).await;
    let runs: HashSet<&str> = claimed.iter().map(|fence| fence.run.as_str()).collect();
    assert_eq!(runs, HashSet::from(["ann-40", "ben-1"]));
    assert_eq!(claim(&store, &lease("worker"), 1).await[0].run.as_str(), "ann-41");
    // Only now the others, in turns.
    assert_eq!(counted(&users(&store, 3).await).len(), 3);
}

#[tokio::test]
async fn rows_locked_by_another_worker_are_skipped() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    let store = store(&url);
    crowd(&store).await;
    // All heads are locked, as by a claim that has not committed yet.
    let mut other = <sqlx::PgConnection as sqlx::Connection>::connect(&url).await.unwrap();
    let lock = r#"BEGIN; SELECT FROM "PipelineRun" WHERE "id" IN ('ann-0', 'ben-0', 'cem-0') FOR UPDATE"#;
    sqlx::raw_sql(lock).execute(&mut other).await.unwrap();
    let claimed = claim(&store, &lease("worker"), 2).await;
    let runs: HashSet<&str> = claimed.iter().map(|fence| fence.run.as_str()).collect();
    assert_eq!(runs, HashSet::from(["ann-1", "ben-1"]));
}

#[tokio::test]
async fn no_lease_expires_right_after_server_start() {
    let server = Postgres::start();
    let store = store(&migrated(&server).await);
    store.accept(&new_run("left", URL), Some(&ended_lease("dead"))).await.unwrap();
    store.accept(&new_run("new", URL), None).await.unwrap();
    // No test takes as long as an hour.
    let hour = storage::Lease { duration: Duration::from_secs(3600), ..lease("worker") };
    let claimed = claim(&store, &hour, 9).await;
    assert_eq!(claimed.iter().map(|fence| fence.run.as_str()).collect::<Vec<_>>(), ["new"]);
    let brief = storage::Lease { duration: Duration::from_millis(1), ..lease("worker") };
    let claimed = claim(&store, &brief, 9).await;
    assert!(claimed.iter().any(|fence| fence.run.as_str() == "left"), "{claimed:?}");
}

#[tokio::test]
async fn after_an_outage_leases_wait_once_more() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, memory) = (Arc::new(ManualClock::new()), Arc::new(MemoryStore::new()));
    let breaker = Arc::new(Breaker::new(BreakerConfig::default(), clock.clone()));
    let (sender, flags) = watch::channel(Flags::of_mode(Mode::DatabaseOnly, 1));
    let router = Router::new(
        FileStore::new(folder.path().join("runs"), clock.clone()),
        Some(Database {
            store: memory.clone(),
            breaker,
            bulkhead: Arc::new(Bulkhead::new(4, Duration::from_secs(2))),
            read_limiter: Arc::new(ReadLimiter::new(4, Duration::from_secs(1))),
        }),
        flags,
        RouterConfig {
            retry_deadline: Duration::ZERO,
            presence: Arc::new(ReplicaPresence::new(Some(false))),
        },
        clock.clone(),
    );
    let wait = |seconds| clock.advance(Duration::from_secs(seconds));
    let (lease, held) = (lease("worker"), HashSet::new());
    let asked = Claim { lease: &lease, limit: 9, held: &held, expired: true, waiting: WaitingRuns::Due };
    let leave = async |id: &str| {
        let left = memory.accept(&new_run(id, URL), Some(&ended_lease("dead"))).await.unwrap();
        assert!(matches!(left, Acceptance::New(Some(_))));
    };
    leave("before").await;
    assert_eq!(router.claim(asked).await.unwrap().len(), 1, "a start need not wait");

    memory.set_outage(Some(StorageError::new(StorageErrorKind::Unavailable, "away")));
    router.claim(asked).await.unwrap_err();
    memory.set_outage(None);
    leave("outage").await;
    memory.accept(&new_run("new", URL), None).await.unwrap();
    wait(100);
    let claimed = router.claim(asked).await.unwrap();
    assert_eq!(claimed.iter().map(|fence| fence.run.as_str()).collect::<Vec<_>>(), ["new"]);
    wait(59);
    assert_eq!(router.claim(asked).await.unwrap(), []);
    wait(1);
    assert_eq!(router.claim(asked).await.unwrap().len(), 1);

    // Switched off and on again: nobody renewed meanwhile.
    sender.send(Flags::of_mode(Mode::FileOnly, 2)).unwrap();
    router.claim(asked).await.unwrap();
    sender.send(Flags::of_mode(Mode::DatabaseOnly, 3)).unwrap();
    leave("flip").await;
    assert_eq!(router.claim(asked).await.unwrap(), []);
    wait(60);
    assert_eq!(router.claim(asked).await.unwrap().len(), 1);
}
