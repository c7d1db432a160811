//! Tests the mirror on a real file system: what it writes, what it refuses, and who waits for it.

use std::{fs, sync::Arc, time::Duration};

use foundation::clock::SystemClock;
use futures_util::future::join_all;
use pipeline::{record::sha256_hex, run::RunStatus, run::Stage};

use super::{
    batch::{Batch, MirrorPart},
    line::Part,
    queue::Pushed,
};
use crate::{
    contract::{accepted, at, claim, lease, new_run, record, records},
    control_plane::Principal,
    error::{StorageError, StorageErrorKind},
    files::{FileStore, db_sync::DbSync},
    ports::{lifecycle::Fence, prelude::*},
    run::End,
};

const REPORT: &str = "# Report\n";

struct Fixture {
    folder: tempfile::TempDir,
    store: FileStore,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = FileStore::new(folder.path().join("runs"), Arc::new(SystemClock::default()));
        store.mirror().set_driven(true);
        Self { folder, store }
    }

    /// A second process on the same disk.
    fn other(&self) -> FileStore {
        FileStore::new(self.folder.path().join("runs"), Arc::new(SystemClock::default()))
    }

    async fn begun(&self, run: &str) -> Fence {
        accepted(&self.store, &new_run(run, "https://a/1"), "one").await
    }

    fn push(&self, fence: &Fence, part: MirrorPart) {
        assert_eq!(self.store.push(fence, part), Pushed::Kept);
    }

    fn push_stage(&self, fence: &Fence, stage: Stage, mark: &str) {
        self.push(fence, MirrorPart::stage(&record(stage, mark)).unwrap());
    }

    fn push_end(&self, fence: &Fence) {
        let end = End::Completed { records: &records(), report: REPORT };
        self.push(fence, MirrorPart::end(end, at("2026-11-21T12:00:00Z")));
    }

    /// Writes everything, and returns what the files said to each run.
    async fn write(&self) -> Vec<Result<(), StorageError>> {
        write(&self.store).await
    }

    fn has(&self, name: &str) -> bool {
        self.folder.path().join("runs").join(name).exists()
    }
}

async fn write(store: &FileStore) -> Vec<Result<(), StorageError>> {
    store.mirror().hasten();
    let mut all = Vec::new();
    for group in store.due_groups().0 {
        all.extend(store.write_group(&group).await);
    }
    all
}

fn kinds(results: &[Result<(), StorageError>]) -> Vec<Option<StorageErrorKind>> {
    results.iter().map(|result| result.as_ref().err().map(|error| error.kind)).collect()
}

#[tokio::test]
async fn a_group_holds_what_single_writes_would_leave() {
    let env = Fixture::new();
    let fences = [env.begun("r1").await, env.begun("r2").await];
    for fence in &fences {
        for stage in Stage::ALL {
            env.push_stage(fence, stage, "one");
        }
        env.push_end(fence);
    }
    assert_eq!(env.store.mirror().lag().records, 10);
    assert_eq!(kinds(&env.write().await), [None, None]);
    assert_eq!(env.store.mirror().lag().records + env.store.mirror().lag().bytes, 0);
    assert!(env.store.open_runs().await.unwrap().is_empty());
    for fence in &fences {
        let held = env.store.load(&fence.run).await.unwrap().unwrap();
        assert_eq!((held.status, held.report.as_deref()), (RunStatus::Completed, Some(REPORT)));
        let stored: Vec<_> = held.stages.into_values().map(|held| held.record).collect();
        assert_eq!(stored, records());
        let manifest = env.store.manifest(&fence.run).await.unwrap().unwrap();
        assert_eq!(manifest.report.unwrap().sha256, sha256_hex(REPORT.as_bytes()));
        assert!(manifest.database.is_some_and(|side| side.has_row && side.has_end));
    }
}

#[tokio::test]
async fn an_end_without_all_stages_is_left_to_reconciliation() {
    let env = Fixture::new();
    let fence = env.begun("r1").await;
    env.push_end(&fence);
    assert_eq!(kinds(&env.write().await), [None]);
    assert_eq!(env.store.unsynced_runs().await.unwrap(), [fence.run]);
}

#[tokio::test]
async fn later_claims_and_tombstones_refuse_the_mirror() {
    let env = Fixture::new();
    let (taken, deleted) = (env.begun("r1").await, env.begun("r2").await);
    for fence in [&taken, &deleted] {
        env.push_stage(fence, Stage::InputProcessing, "one");
    }
    let other = env.other();
    let later = Fence { epoch: taken.epoch + 1, attempt: 2, owner: "two".into(), ..taken.clone() };
    other.adopt(&new_run("r1", "https://a/1"), &later).await.unwrap();
    other.create_tombstone_for(&deleted.run, true, &Principal::environment(), None).await.unwrap();
    let fenced = Some(StorageErrorKind::Fenced);
    assert_eq!(kinds(&env.write().await), [fenced, fenced]);
    assert!(!env.has("r1/stage1") && !env.has("r2/stage1"));
}

#[tokio::test]
async fn a_different_record_conflicts_and_stays() {
    let env = Fixture::new();
    let (different, equal) = (env.begun("r1").await, env.begun("r2").await);
    for (fence, mark) in [(&different, "two"), (&equal, "one")] {
        env.store.store_stage(fence, &record(Stage::InputProcessing, "one")).await.unwrap();
        env.push_stage(fence, Stage::InputProcessing, mark);
        env.push_stage(fence, Stage::SignalAmplification, "one");
    }
    assert_eq!(kinds(&env.write().await), [Some(StorageErrorKind::Conflict), None]);
    let held = env.store.load(&different.run).await.unwrap().unwrap();
    assert_eq!(held.stages[&Stage::InputProcessing].record, record(Stage::InputProcessing, "one"));
    let held = env.store.load(&equal.run).await.unwrap().unwrap();
    assert_eq!(held.stages.len(), 2);
}

#[tokio::test]
async fn a_run_in_trouble_holds_no_other_up() {
    let env = Fixture::new();
    let (broken, whole) = (env.begun("r1").await, env.begun("r2").await);
    for fence in [&broken, &whole] {
        env.push_stage(fence, Stage::InputProcessing, "one");
    }
    fs::write(env.folder.path().join("runs/r1/stage1"), "no folder").unwrap();
    assert_eq!(kinds(&env.write().await), [Some(StorageErrorKind::Unavailable), None]);
}

#[tokio::test]
async fn operations_on_a_run_wait_for_its_parts() {
    let env = Fixture::new();
    let fence = env.begun("r1").await;
    let writer = env.store.clone();
    tokio::spawn(async move {
        loop {
            writer.mirror().due().await;
            write(&writer).await;
        }
    });
    for stage in Stage::ALL {
        env.push_stage(&fence, stage, "one");
        assert!(env.store.load(&fence.run).await.unwrap().unwrap().stages.contains_key(&stage));
    }
    // Released before its parts, it would have a living owner who does not work on it.
    env.push_stage(&fence, Stage::InputProcessing, "one");
    env.store.release(&fence).await.unwrap();
    assert_eq!(claim(&env.other(), &lease("two"), 1).await[0].run, fence.run);
    env.push_end(&Fence { epoch: fence.epoch + 9, ..fence.clone() });
    env.store.mirror().drained().await;
    assert_eq!(env.store.mirror().lag().records, 0);
}

#[tokio::test(start_paused = true)]
async fn parts_become_due_together_or_at_the_end() {
    let env = Fixture::new();
    let fence = env.begun("r1").await;
    let due = async |wait: Duration| tokio::time::timeout(wait, env.store.mirror().due()).await.is_ok();
    assert!(!due(Duration::from_secs(60)).await, "nothing waits");
    env.push_stage(&fence, Stage::InputProcessing, "one");
    tokio::time::advance(Duration::from_millis(100)).await;
    env.push_stage(&fence, Stage::SignalAmplification, "one");
    assert!(!due(Duration::from_millis(40)).await);
    assert!(due(Duration::from_millis(20)).await, "the first part decides");
    env.write().await;
    env.push_end(&fence);
    assert!(due(Duration::ZERO).await);
}

#[tokio::test]
async fn a_full_mirror_refuses_parts() {
    let env = Fixture::new();
    let fence = env.begun("r1").await;
    let report = "x".repeat(30 * 1024 * 1024);
    let part =
        || MirrorPart::end(End::Completed { records: &[], report: &report }, at("2026-11-21T12:00:00Z"));
    let pushed: Vec<Pushed> = (0..3).map(|_| env.store.push(&fence, part())).collect();
    assert_eq!(pushed, [Pushed::Kept, Pushed::Kept, Pushed::Full]);
    env.store.mirror().set_driven(false);
    assert_eq!(env.store.push(&fence, part()), Pushed::Off);
}

#[tokio::test]
async fn runs_that_wait_share_groups_and_no_lock() {
    let env = Fixture::new();
    let mut fences = Vec::new();
    for number in 0..12 {
        fences.push(env.begun(&format!("r{number}")).await);
    }
    // Another process works on the first run.
    let other = env.other();
    let lock = other.files.io.lock(&fences[0].run).unwrap();
    let store = |fence: &Fence, stage| {
        let (store, fence) = (env.store.clone(), fence.clone());
        async move { store.store_stage(&fence, &record(stage, "one")).await }
    };
    let first = tokio::spawn(store(&fences[0], Stage::InputProcessing));
    for stored in join_all(fences[1..].iter().map(|fence| store(fence, Stage::InputProcessing))).await {
        stored.unwrap();
    }
    assert!(!env.has("r0/stage1/inspirations.json"));
    drop(lock);
    // On a slow disk, it may have given up while the others were written.
    if first.await.unwrap().is_err() {
        store(&fences[0], Stage::InputProcessing).await.unwrap();
    }

    for stage in &Stage::ALL[1..] {
        for stored in join_all(fences.iter().map(|fence| store(fence, *stage))).await {
            stored.unwrap();
        }
    }
    let end = End::Completed { records: &records(), report: REPORT };
    let time = at("2026-11-21T12:00:00Z");
    for ended in join_all(fences.iter().map(|fence| env.store.finish(fence, end, time))).await {
        ended.unwrap();
    }
    assert!(env.store.open_runs().await.unwrap().is_empty());
    for fence in &fences {
        let held = env.store.load(&fence.run).await.unwrap().unwrap();
        assert_eq!((held.status, held.report.as_deref()), (RunStatus::Completed, Some(REPORT)));
        assert_eq!(held.stages.len(), 4);
        assert_eq!(env.store.manifest(&fence.run).await.unwrap().unwrap().database, None);
        let late = store(fence, Stage::InputProcessing).await.unwrap_err();
        assert_eq!(late.kind, StorageErrorKind::Fenced);
    }
}

#[tokio::test]
async fn a_slow_group_fails_no_run() {
    let env = Fixture::new();
    let (slow, waiting) = (env.begun("r0").await, env.begun("r1").await);
    let stage = record(Stage::InputProcessing, "one");
    let part = Part(Batch::of(slow, MirrorPart::stage(&stage).unwrap(), DbSync::NotTracked));
    let together = env.store.together.clone();
    let group = tokio::spawn(async move { together.ask(part, |_| std::future::pending()).await });
    tokio::task::yield_now().await;
    env.store.store_stage(&waiting, &stage).await.unwrap();
    assert!(env.has("r1/stage1/inspirations.json"));
    assert!(!group.is_finished(), "it stood in line all the time");
    group.abort();
}
