//! Tests the file store on a real file system with real faults.

mod kept_documents;

use std::{
    collections::HashSet,
    fs,
    sync::{Arc, Mutex},
};

use pipeline::{
    analyst::Provenance,
    brand::BrandId,
    clock::Timestamp,
    failure::{FailureCode, RunFailure},
    llm::Usage,
    record::StageRecord,
    run::{RunStatus, Stage},
    stages::{Evidence, InputProcessing, Inspiration, StageOutput},
    testing::{context, provenance},
};

use crate::{
    control_plane::Principal,
    error::StorageErrorKind,
    files::{DbSync, OpenError, layout::MANIFEST_FILE, manifest::Manifest, store::*},
    ports::{
        lifecycle::{Acceptance, Claim, Fence, Lease, WaitingRuns},
        prelude::*,
    },
    run::{End, RunRequest, RunSubmission},
};

/// A clock that the test sets.
#[derive(Debug)]
struct HandClock(Mutex<Timestamp>);

impl HandClock {
    fn at(text: &str) -> Arc<Self> {
        Arc::new(Self(Mutex::new(text.parse().unwrap())))
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

fn record(title: &str) -> StageRecord {
    let inspiration = Inspiration {
        id: "I1".into(),
        title: title.into(),
        summary: "A summary of the case.".into(),
        mechanism: "It works because it does.".into(),
        key_elements: vec!["element".into()],
        evidence: vec![Evidence::cited("A quote “with” marks.", 1)],
    };
    let output = StageOutput::InputProcessing(InputProcessing { inspirations: vec![inspiration] });
    let provenance = Provenance { usage: Usage { cost_usd: 0.1, ..Usage::default() }, ..provenance() };
    StageRecord::new(&output, &provenance, context("2026-11-21T10:00:00Z".parse().unwrap())).unwrap()
}

fn new_run(document: &str, brand: &str) -> RunSubmission {
    RunSubmission {
        id: RunId::parse("run-1").unwrap(),
        request: RunRequest::by_document("a.pdf".into(), document, BrandId::parse(brand).unwrap()).unwrap(),
        accepted_at: "2026-11-21T11:00:00Z".parse().unwrap(),
    }
}

struct Fixture {
    folder: tempfile::TempDir,
    store: FileStore,
    run: RunId,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = FileStore::new(folder.path().join("runs"), HandClock::at("2026-11-21T12:00:00.5Z"));
        Self { folder, store, run: RunId::parse("run-1").unwrap() }
    }

    async fn open(&self) -> Fence {
        self.store.open(&new_run("doc", "acme"), "one").await.unwrap().0
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("runs/run-1").join(name)
    }

    /// A second process on the same disk.
    fn other(&self) -> FileStore {
        FileStore::new(self.folder.path().join("runs"), HandClock::at("2026-11-21T12:00:00.5Z"))
    }

    async fn stage_1(&self) -> Option<StageRecord> {
        let snapshot = self.store.load(&self.run).await.unwrap().unwrap();
        snapshot.stages.get(&Stage::InputProcessing).map(|held| held.record.clone())
    }

    fn manifest(&self) -> Manifest {
        let bytes = fs::read(self.path(MANIFEST_FILE)).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }
}

fn failure() -> RunFailure {
    RunFailure::new(FailureCode::Internal, None, "it broke", true)
}

const AT: &str = "2026-11-21T13:00:00Z";

#[tokio::test]
async fn a_stage_comes_back_as_it_was_stored() {
    let env = Fixture::new();
    let fence = env.open().await;
    assert_eq!(env.stage_1().await, None);
    let record = record("One");
    env.store.store_stage(&fence, &record).await.unwrap();
    assert_eq!(env.stage_1().await, Some(record.clone()));
    // Storing the same record again succeeds.
    env.store.store_stage(&fence, &record).await.unwrap();
    let stored = &env.manifest().stages[&Stage::InputProcessing];
    assert_eq!(stored.record_sha256, record.sha256().unwrap());
    assert_eq!(stored.file, "stage1/inspirations.json");
}

#[tokio::test]
async fn a_different_record_conflicts_and_overwrites_nothing() {
    let env = Fixture::new();
    let fence = env.open().await;
    env.store.store_stage(&fence, &record("One")).await.unwrap();
    let error = env.store.store_stage(&fence, &record("Two")).await.unwrap_err();
    assert_eq!(error.kind, StorageErrorKind::Conflict);
    assert!(error.message.contains("different record"), "{error}");
    assert_eq!(env.stage_1().await, Some(record("One")));
}

#[tokio::test]
async fn a_damaged_stage_is_quarantined() {
    for damage in ["", "{", "{\"meta\": 1}", "not json"] {
        let env = Fixture::new();
        let fence = env.open().await;
        env.store.store_stage(&fence, &record("One")).await.unwrap();
        let path = env.path("stage1/inspirations.json");
        fs::write(&path, damage).unwrap();
        assert_eq!(env.stage_1().await, None, "{damage:?}");
        // The place is free for a different record too.
        env.store.store_stage(&fence, &record("Two")).await.unwrap();
        let aside = env.path("stage1/inspirations.json.corrupt-20261121T120000500Z");
        assert_eq!(fs::read_to_string(aside).unwrap(), damage);
        assert_eq!(env.stage_1().await, Some(record("Two")));
    }
}

#[tokio::test]
async fn changed_content_or_metadata_is_detected() {
    for (old, new) in [("One", "Eno"), ("\"attempts\": 1", "\"attempts\": 2")] {
        let env = Fixture::new();
        let fence = env.open().await;
        env.store.store_stage(&fence, &record("One")).await.unwrap();
        let path = env.path("stage1/inspirations.json");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(old));
        fs::write(&path, text.replace(old, new)).unwrap();
        assert_eq!(env.stage_1().await, None, "{old} → {new}");
        env.store.release(&fence).await.unwrap();
        env.open().await;
        assert!(!path.exists(), "who takes the run over clears its place");
    }
}

#[tokio::test]
async fn a_crash_between_stage_and_manifest_loses_nothing() {
    let env = Fixture::new();
    let fence = env.open().await;
    let path = env.path(MANIFEST_FILE);
    let before = fs::read(&path).unwrap();
    env.store.store_stage(&fence, &record("One")).await.unwrap();
    // A SIGKILL between the two writes leaves this state.
    fs::write(&path, before).unwrap();
    assert_eq!(env.stage_1().await, Some(record("One")));
    env.store.release(&fence).await.unwrap();
    env.open().await;
    let named = &env.manifest().stages[&Stage::InputProcessing];
    assert_eq!(named.record_sha256, record("One").sha256().unwrap());
}

#[tokio::test]
async fn one_run_has_one_writer_and_one_request() {
    let env = Fixture::new();
    let fence = env.open().await;
    let other = env.other();
    let busy = other.open(&new_run("doc", "acme"), "two").await;
    assert!(matches!(busy, Err(OpenError::Busy(_))), "{busy:?}");
    env.store.release(&fence).await.unwrap();
    let error = other.open(&new_run("other", "acme"), "two").await.unwrap_err();
    assert!(error.to_string().contains("another document"), "{error}");
    let error = other.open(&new_run("doc", "zenith"), "two").await.unwrap_err();
    assert!(error.to_string().contains("another brand"), "{error}");
    let (second, _) = other.open(&new_run("doc", "acme"), "two").await.unwrap();
    assert!(second.epoch > fence.epoch);
    // The previous owner may no longer write.
    let error = env.store.store_stage(&fence, &record("One")).await.unwrap_err();
    assert_eq!(error.kind, StorageErrorKind::Fenced);
    let error = env.store.finish(&fence, End::Failed(&failure()), AT.parse().unwrap()).await.unwrap_err();
    assert_eq!(error.kind, StorageErrorKind::Fenced);
    other.store_stage(&second, &record("Two")).await.unwrap();
}

async fn claim(store: &FileStore, lease: &Lease, held: &HashSet<RunId>) -> Vec<Fence> {
    // On a disk, the time of a claim does not matter.
    store.claim(Claim { lease, limit: 9, held, expired: false, waiting: WaitingRuns::None }).await.unwrap()
}

async fn try_claim(store: &FileStore) -> Result<Vec<Fence>, StorageError> {
    let lease = Lease { owner: "one".into(), duration: Duration::from_secs(15) };
    let held = HashSet::new();
    store
        .claim(Claim { lease: &lease, limit: 9, held: &held, expired: false, waiting: WaitingRuns::None })
        .await
}

#[tokio::test(start_paused = true)]
async fn a_hung_disk_keeps_one_thread_each() {
    let env = Fixture::new();
    let store = &env.store;
    let hung = store.probes.turn(Duration::ZERO).await.zip(store.claims.turn(Duration::ZERO).await);
    assert_eq!(store.probe().await.unwrap_err().kind, StorageErrorKind::Indeterminate);
    assert_eq!(try_claim(store).await.unwrap_err().kind, StorageErrorKind::Indeterminate);
    drop(hung.unwrap());
    store.probe().await.unwrap();
    try_claim(store).await.unwrap();
}

#[tokio::test]
async fn an_open_breaker_refuses_claims() {
    let env = Fixture::new();
    let store = env.store.clone().with_breaker();
    let silence = StorageError::new(StorageErrorKind::Indeterminate, "no answer");
    for _ in 0..3 {
        store.breaker().unwrap().record(Duration::ZERO, Duration::ZERO, &Err::<(), _>(silence.clone()));
    }
    assert_eq!(try_claim(&store).await.unwrap_err().kind, StorageErrorKind::Unavailable);
}

#[tokio::test]
async fn only_a_dead_process_loses_its_run() {
    let env = Fixture::new();
    let lease = |owner: &str| Lease { owner: owner.into(), duration: Duration::from_secs(15) };
    let none = HashSet::new();
    let first = env.other();
    let accepted = first.accept(&new_run("doc", "acme"), Some(&lease("first"))).await.unwrap();
    assert!(matches!(accepted, Acceptance::New(Some(_))), "{accepted:?}");
    assert_eq!(claim(&env.store, &lease("second"), &none).await, []);
    // The process's lock is released at its end.
    drop(first);
    let held = HashSet::from([env.run.clone()]);
    assert_eq!(claim(&env.store, &lease("second"), &held).await, []);
    let claimed = claim(&env.store, &lease("second"), &none).await;
    assert_eq!(claimed.len(), 1);
    assert_eq!((claimed[0].epoch, claimed[0].generation), (2, 1));
    assert_eq!(env.store.open_count().await.unwrap(), 1);
    env.store.finish(&claimed[0], End::Failed(&failure()), AT.parse().unwrap()).await.unwrap();
    assert_eq!(claim(&env.store, &lease("third"), &none).await, []);
    assert_eq!(env.store.open_count().await.unwrap(), 0);
}

#[tokio::test]
async fn unsynced_runs_are_marked_and_counted() {
    let env = Fixture::new();
    let new = new_run("doc", "acme");
    let lease = Lease { owner: "one".into(), duration: Duration::from_secs(15) };
    let accepted = env.store.accept_with_sync_state(&new, Some(&lease), DbSync::Synced).await.unwrap();
    let Acceptance::New(Some(fence)) = accepted else { panic!("{accepted:?}") };
    assert!(env.manifest().has_row() && !fence.owns_row, "its row is still to be taken");
    env.store.store_stage_with_sync_state(&fence, &record("One"), DbSync::Pending).await.unwrap();
    assert!(env.manifest().stages[&Stage::InputProcessing].pending_database);
    env.store.store_stage_with_sync_state(&fence, &record("One"), DbSync::Synced).await.unwrap();
    assert!(!env.manifest().stages[&Stage::InputProcessing].pending_database);
    assert_eq!(env.store.unsynced().await.unwrap().runs, 0);
    let end = End::Failed(&failure());
    env.store.finish_with_sync_state(&fence, end, AT.parse().unwrap(), DbSync::Pending).await.unwrap();
    // The client repeats a call whose answer was lost.
    env.store.finish_with_sync_state(&fence, end, AT.parse().unwrap(), DbSync::Pending).await.unwrap();
    assert_eq!(env.store.unsynced().await.unwrap().runs, 1);
    let snapshot = env.store.load(&env.run).await.unwrap().unwrap();
    let proof = crate::ports::sync::Proof::of(&snapshot, "1".to_owned(), AT.parse().unwrap());
    env.store.keep_proof(&proof).await.unwrap();
    assert_eq!(env.store.unsynced().await.unwrap().runs, 0);
}

#[tokio::test]
async fn of_many_acceptances_at_once_one_is_new() {
    let env = Fixture::new();
    let new = new_run("doc", "acme");
    let all: Vec<_> = (0..20)
        .map(|_| {
            let (store, new) = (env.other(), new.clone());
            tokio::spawn(async move { store.accept(&new, None).await.unwrap() })
        })
        .collect();
    let mut new_count = 0;
    for one in all {
        match one.await.unwrap() {
            Acceptance::New(_) => new_count += 1,
            Acceptance::Existing(status) => assert_eq!(status, RunStatus::Processing),
            other @ (Acceptance::RequestMismatch | Acceptance::Deleted) => {
                panic!("the same request: {other:?}")
            }
        }
    }
    assert_eq!(new_count, 1);
    let other = env.store.accept(&new_run("other", "acme"), None).await.unwrap();
    assert_eq!(other, Acceptance::RequestMismatch);
}

#[tokio::test]
async fn a_repeated_acceptance_knows_its_own() {
    let env = Fixture::new();
    let accept = |accepted_at: &str, again| {
        let new = RunSubmission { accepted_at: accepted_at.parse().unwrap(), ..new_run("doc", "acme") };
        env.store.files.accept(&new, Some("one"), DbSync::NotTracked, again).unwrap()
    };
    // A clock has nanoseconds, and the manifest milliseconds.
    for again in [false, true] {
        assert!(matches!(accept("2026-11-21T12:00:00.123456789Z", again), Acceptance::New(Some(_))));
    }
    assert!(matches!(accept("2026-11-21T12:00:01Z", true), Acceptance::Existing(_)), "another request");
}

#[tokio::test]
async fn the_spooled_document_stays_until_the_end() {
    let env = Fixture::new();
    let fence = env.open().await;
    assert_eq!(env.store.spooled(&env.run).await.unwrap(), None);
    env.store.spool(&fence, b"%PDF"[..].into()).await.unwrap();
    assert_eq!(env.store.spooled(&env.run).await.unwrap().as_deref(), Some(&b"%PDF"[..]));
    env.store.finish(&fence, End::Failed(&failure()), AT.parse().unwrap()).await.unwrap();
    assert_eq!(env.store.spooled(&env.run).await.unwrap(), None);
}

#[tokio::test]
async fn a_late_worker_spools_no_document() {
    let env = Fixture::new();
    let late = env.open().await;
    env.store.release(&late).await.unwrap();
    let next = env.open().await;
    env.store.spool(&late, b"%PDF"[..].into()).await.unwrap();
    assert_eq!(env.store.spooled(&env.run).await.unwrap(), None, "the run has another owner");
    env.store.finish(&next, End::Failed(&failure()), AT.parse().unwrap()).await.unwrap();
    env.store.spool(&next, b"%PDF"[..].into()).await.unwrap();
    assert_eq!(env.store.spooled(&env.run).await.unwrap(), None, "the run has ended");
}

#[tokio::test]
async fn leftovers_of_a_killed_process_are_swept() {
    let env = Fixture::new();
    let fence = env.open().await;
    env.store.store_stage(&fence, &record("One")).await.unwrap();
    env.store.release(&fence).await.unwrap();
    let left = env.path("stage1/.inspirations.json.4711-0.tmp");
    fs::write(&left, "half a rec").unwrap();
    env.open().await;
    assert!(!left.exists());
}

#[tokio::test]
async fn leftovers_of_an_ended_run_are_swept() {
    let env = Fixture::new();
    let fence = env.open().await;
    env.store.finish(&fence, End::Failed(&failure()), AT.parse().unwrap()).await.unwrap();
    let left = [env.path(".run.json.4711-0.tmp"), env.path("stage1/.inspirations.json.4711-1.tmp")];
    for left in &left {
        fs::create_dir_all(left.parent().unwrap()).unwrap();
        fs::write(left, "half").unwrap();
    }
    env.store.sweep_leftovers(&env.run).await.unwrap();
    assert!(left.iter().all(|left| !left.exists()));
    assert!(env.path("run.json").exists());
}

#[tokio::test]
async fn leftovers_of_an_unfinished_acceptance_are_swept() {
    let env = Fixture::new();
    // The process is killed between marker and manifest.
    let (mark, torn) = (env.path("../.open/run-1"), env.path(".run.json.4711-0.tmp"));
    for left in [&mark, &torn] {
        fs::create_dir_all(left.parent().unwrap()).unwrap();
        fs::write(left, "").unwrap();
    }
    let lease = Lease { owner: "one".into(), duration: Duration::from_secs(15) };
    assert_eq!(claim(&env.store, &lease, &HashSet::new()).await, []);
    assert!(!mark.exists() && !torn.exists());
    let accepted = env.store.accept(&new_run("doc", "acme"), None).await.unwrap();
    assert_eq!(accepted, Acceptance::New(None));
    assert_eq!(claim(&env.store, &lease, &HashSet::new()).await.len(), 1, "its id is as good as new");
}

#[tokio::test]
async fn open_markers_of_ended_runs_are_swept() {
    let env = Fixture::new();
    let fence = env.open().await;
    env.store.finish(&fence, End::Failed(&failure()), AT.parse().unwrap()).await.unwrap();
    // The process is killed after it wrote the manifest.
    let (mark, document) = (env.path("../.open/run-1"), env.path("document"));
    for left in [&mark, &document] {
        fs::create_dir_all(left.parent().unwrap()).unwrap();
        fs::write(left, "").unwrap();
    }
    let lease = Lease { owner: "one".into(), duration: Duration::from_secs(15) };
    assert_eq!(claim(&env.store, &lease, &HashSet::new()).await, []);
    assert!(!mark.exists() && !document.exists());
}

#[tokio::test]
async fn a_reopened_run_is_marked_as_open() {
    let env = Fixture::new();
    let fence = env.open().await;
    env.store.finish(&fence, End::Failed(&failure()), AT.parse().unwrap()).await.unwrap();
    // The retry reached the row alone.
    let retried = Fence { generation: fence.generation + 1, epoch: fence.epoch + 1, ..fence };
    env.store.store_stage(&retried, &record("A case")).await.unwrap();
    assert!(!env.manifest().has_ended());
    assert!(env.path("../.open/run-1").exists(), "a search finds it");
}

#[tokio::test]
async fn a_newer_manifest_is_left_alone() {
    let env = Fixture::new();
    let fence = env.open().await;
    env.store.release(&fence).await.unwrap();
    let path = env.path(MANIFEST_FILE);
    let newer = fs::read_to_string(&path).unwrap().replace("\"version\": 1", "\"version\": 2");
    fs::write(&path, &newer).unwrap();
    let error = env.store.open(&new_run("doc", "acme"), "one").await.unwrap_err();
    assert!(error.to_string().contains("newer version"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), newer);
}

#[tokio::test]
async fn an_unusable_folder_reports_its_errno() {
    let env = Fixture::new();
    fs::write(env.folder.path().join("runs"), "a file").unwrap();
    let error = env.store.open(&new_run("doc", "acme"), "one").await.unwrap_err().to_string();
    assert!(error.contains("runs") && error.contains("os error"), "{error}");
    let error = env.store.probe().await.unwrap_err();
    assert!(error.message.contains("os error"), "{error}");
}

/// A folder outside of the store, with a file in it.
fn victim(env: &Fixture) -> PathBuf {
    let victim = env.folder.path().join("victim");
    fs::create_dir(&victim).unwrap();
    fs::write(victim.join("file"), "precious").unwrap();
    victim
}

#[tokio::test]
async fn a_deleted_run_leaves_the_target_of_a_link() {
    let env = Fixture::new();
    let victim = victim(&env);
    let fence = env.open().await;
    env.store.store_stage(&fence, &record("One")).await.unwrap();
    env.store.finish(&fence, End::Failed(&failure()), AT.parse().unwrap()).await.unwrap();
    std::os::unix::fs::symlink(&victim, env.path("stage2")).unwrap();
    std::os::unix::fs::symlink(victim.join("file"), env.path("stage1/linked.json")).unwrap();
    env.store.create_tombstone(&env.run, &Principal::environment(), None).await.unwrap();
    env.store.remove(&env.run).await.unwrap();
    assert!(!env.path("stage1").exists() && !env.path("stage2").is_symlink());
    assert_eq!(fs::read_to_string(victim.join("file")).unwrap(), "precious");
}

#[tokio::test]
async fn no_write_follows_a_planted_link() {
    for planted in ["", "stage1", "run.json", "stage1/inspirations.json"] {
        let env = Fixture::new();
        let victim = victim(&env);
        let link = if planted.is_empty() { env.folder.path().join("runs/run-1") } else { env.path(planted) };
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        let target = if planted.ends_with("json") { victim.join("file") } else { victim.clone() };
        std::os::unix::fs::symlink(target, &link).unwrap();
        let stored = async {
            let (fence, _) = env.store.open(&new_run("doc", "acme"), "one").await.map_err(|_| ())?;
            env.store.store_stage(&fence, &record("One")).await.map_err(|_| ())
        };
        assert!(stored.await.is_err(), "{planted:?}");
        assert_eq!(fs::read_to_string(victim.join("file")).unwrap(), "precious", "{planted:?}");
        assert_eq!(fs::read_dir(&victim).unwrap().count(), 1, "{planted:?}");
    }
}

#[tokio::test]
async fn a_changed_report_fails_its_digest() {
    let env = Fixture::new();
    let fence = env.open().await;
    env.store.store_stage(&fence, &record("One")).await.unwrap();
    let end = End::Completed { records: &[], report: "# One\n" };
    env.store.finish(&fence, end, AT.parse().unwrap()).await.unwrap();
    let snapshot = env.store.load(&env.run).await.unwrap().unwrap();
    assert_eq!(snapshot.status, RunStatus::Completed);
    assert_eq!(snapshot.report.as_deref(), Some("# One\n"));
    assert_eq!(snapshot.finished_at, Some(AT.parse().unwrap()));
    assert!(!snapshot.is_leased);
    fs::write(env.path("report.md"), "# Two\n").unwrap();
    assert_eq!(env.store.load(&env.run).await.unwrap().unwrap().report, None);
}
