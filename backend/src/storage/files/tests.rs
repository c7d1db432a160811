//! The file store, against a real file system and with real faults.

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
    grounding::StageGrounding,
    llm::Usage,
    record::Circumstances,
    run::RunStatus,
    stages::{Evidence, InputProcessing, Inspiration, StageOutput},
};

use super::{super::RunRequest, run_files::MANIFEST_FILE, *};

/// A clock that is set by hand.
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
        evidence: vec![Evidence { quote: "A quote “with” marks.".into(), page: 1, status: None }],
    };
    let output = StageOutput::InputProcessing(InputProcessing { inspirations: vec![inspiration] });
    let provenance = Provenance {
        provider: "test".into(),
        model: "test".into(),
        prompt_version: "1".into(),
        usage: Usage { cost_usd: 0.1, ..Usage::default() },
        attempts: 1,
        structured_output: None,
    };
    let at = "2026-11-21T10:00:00Z".parse().unwrap();
    let circumstances = Circumstances {
        started_at: at,
        finished_at: at,
        mode: "FILE_ONLY".into(),
        flags_revision: 0,
        warnings: vec![],
        grounding: StageGrounding::default(),
    };
    StageRecord::new(&output, &provenance, circumstances).unwrap()
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

    /// Another process on the same disk.
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
    let world = Fixture::new();
    let fence = world.open().await;
    assert_eq!(world.stage_1().await, None);
    let record = record("One");
    world.store.store_stage(&fence, &record).await.unwrap();
    assert_eq!(world.stage_1().await, Some(record.clone()));
    // Storing the same again is success, not a conflict.
    world.store.store_stage(&fence, &record).await.unwrap();
    let stored = &world.manifest().stages[&Stage::InputProcessing];
    assert_eq!(stored.record_sha256, record.sha256().unwrap());
    assert_eq!(stored.file, "stage1/inspirations.json");
}

#[tokio::test]
async fn a_different_record_is_a_conflict_and_replaces_nothing() {
    let world = Fixture::new();
    let fence = world.open().await;
    world.store.store_stage(&fence, &record("One")).await.unwrap();
    let error = world.store.store_stage(&fence, &record("Two")).await.unwrap_err();
    assert_eq!(error.kind, StorageErrorKind::Conflict);
    assert!(error.message.contains("different record"), "{error}");
    assert_eq!(world.stage_1().await, Some(record("One")));
}

#[tokio::test]
async fn a_damaged_stage_is_set_aside_and_its_place_is_free() {
    for damage in ["", "{", "{\"meta\": 1}", "not json"] {
        let world = Fixture::new();
        let fence = world.open().await;
        world.store.store_stage(&fence, &record("One")).await.unwrap();
        let path = world.path("stage1/inspirations.json");
        fs::write(&path, damage).unwrap();
        assert_eq!(world.stage_1().await, None, "{damage:?}");
        // Also for a record that differs from the lost one.
        world.store.store_stage(&fence, &record("Two")).await.unwrap();
        let aside = world.path("stage1/inspirations.json.corrupt-20261121T120000500Z");
        assert_eq!(fs::read_to_string(aside).unwrap(), damage);
        assert_eq!(world.stage_1().await, Some(record("Two")));
    }
}

#[tokio::test]
async fn a_changed_word_or_a_changed_meta_is_noticed() {
    for (old, new) in [("One", "Eno"), ("\"attempts\": 1", "\"attempts\": 2")] {
        let world = Fixture::new();
        let fence = world.open().await;
        world.store.store_stage(&fence, &record("One")).await.unwrap();
        let path = world.path("stage1/inspirations.json");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(old));
        fs::write(&path, text.replace(old, new)).unwrap();
        assert_eq!(world.stage_1().await, None, "{old} → {new}");
        world.store.release(&fence).await.unwrap();
        world.open().await;
        assert!(!path.exists(), "who takes the run over clears its place");
    }
}

#[tokio::test]
async fn a_crash_between_stage_and_manifest_loses_nothing() {
    let world = Fixture::new();
    let fence = world.open().await;
    let path = world.path(MANIFEST_FILE);
    let before = fs::read(&path).unwrap();
    world.store.store_stage(&fence, &record("One")).await.unwrap();
    // The state a SIGKILL leaves between the two writes.
    fs::write(&path, before).unwrap();
    assert_eq!(world.stage_1().await, Some(record("One")));
    world.store.release(&fence).await.unwrap();
    world.open().await;
    let named = &world.manifest().stages[&Stage::InputProcessing];
    assert_eq!(named.record_sha256, record("One").sha256().unwrap());
}

#[tokio::test]
async fn one_run_has_one_writer_and_one_request() {
    let world = Fixture::new();
    let fence = world.open().await;
    let other = world.other();
    let busy = other.open(&new_run("doc", "acme"), "two").await;
    assert!(matches!(busy, Err(OpenError::Busy(_))), "{busy:?}");
    world.store.release(&fence).await.unwrap();
    let error = other.open(&new_run("other", "acme"), "two").await.unwrap_err();
    assert!(error.to_string().contains("another document"), "{error}");
    let error = other.open(&new_run("doc", "zenith"), "two").await.unwrap_err();
    assert!(error.to_string().contains("another brand"), "{error}");
    let (second, _) = other.open(&new_run("doc", "acme"), "two").await.unwrap();
    assert!(second.epoch > fence.epoch);
    // Whoever had it before may write no more.
    let error = world.store.store_stage(&fence, &record("One")).await.unwrap_err();
    assert_eq!(error.kind, StorageErrorKind::Fenced);
    let error = world.store.finish(&fence, End::Failed(&failure()), AT.parse().unwrap()).await.unwrap_err();
    assert_eq!(error.kind, StorageErrorKind::Fenced);
    other.store_stage(&second, &record("Two")).await.unwrap();
}

async fn claim(store: &FileStore, lease: &Lease, held: &HashSet<RunId>) -> Vec<Fence> {
    // An owner is dead or not, whatever the time.
    store.claim(Claim { lease, limit: 9, held, expired: false }).await.unwrap()
}

#[tokio::test]
async fn a_run_of_a_process_that_died_is_claimed_at_once_and_of_a_living_one_never() {
    let world = Fixture::new();
    let lease = |owner: &str| Lease { owner: owner.into(), duration: Duration::from_secs(15) };
    let none = HashSet::new();
    let first = world.other();
    let accepted = first.accept(&new_run("doc", "acme"), Some(&lease("first"))).await.unwrap();
    assert!(matches!(accepted, Acceptance::New(Some(_))), "{accepted:?}");
    assert_eq!(claim(&world.store, &lease("second"), &none).await, []);
    // Its lock goes with the process.
    drop(first);
    let held = HashSet::from([world.run.clone()]);
    assert_eq!(claim(&world.store, &lease("second"), &held).await, []);
    let claimed = claim(&world.store, &lease("second"), &none).await;
    assert_eq!(claimed.len(), 1);
    assert_eq!((claimed[0].epoch, claimed[0].generation), (2, 1));
    assert_eq!(world.store.open_count().await.unwrap(), 1);
    world.store.finish(&claimed[0], End::Failed(&failure()), AT.parse().unwrap()).await.unwrap();
    assert_eq!(claim(&world.store, &lease("third"), &none).await, []);
    assert_eq!(world.store.open_count().await.unwrap(), 0);
}

#[tokio::test]
async fn what_the_database_lacks_is_marked_and_counted() {
    let world = Fixture::new();
    let new = new_run("doc", "acme");
    let lease = Lease { owner: "one".into(), duration: Duration::from_secs(15) };
    let accepted = world.store.accept_with_sync_state(&new, Some(&lease), DbSync::Synced).await.unwrap();
    let Acceptance::New(Some(fence)) = accepted else { panic!("{accepted:?}") };
    assert!(world.manifest().has_row() && !fence.owns_row, "its row is still to be taken");
    world.store.store_stage_with_sync_state(&fence, &record("One"), DbSync::Pending).await.unwrap();
    assert!(world.manifest().stages[&Stage::InputProcessing].unsynced);
    world.store.store_stage_with_sync_state(&fence, &record("One"), DbSync::Synced).await.unwrap();
    assert!(!world.manifest().stages[&Stage::InputProcessing].unsynced);
    assert_eq!(world.store.unsynced().await.unwrap().runs, 0);
    let end = End::Failed(&failure());
    world.store.finish_with_sync_state(&fence, end, AT.parse().unwrap(), DbSync::Pending).await.unwrap();
    // An answer that was lost is asked for again.
    world.store.finish_with_sync_state(&fence, end, AT.parse().unwrap(), DbSync::Pending).await.unwrap();
    assert_eq!(world.store.unsynced().await.unwrap().runs, 1);
    let snapshot = world.store.load(&world.run).await.unwrap().unwrap();
    let proof = crate::storage::proof::Proof::of(&snapshot, "1".to_owned(), AT.parse().unwrap());
    world.store.keep_proof(&proof).await.unwrap();
    assert_eq!(world.store.unsynced().await.unwrap().runs, 0);
}

#[tokio::test]
async fn of_many_acceptances_at_once_one_is_new() {
    let world = Fixture::new();
    let new = new_run("doc", "acme");
    let all: Vec<_> = (0..20)
        .map(|_| {
            let (store, new) = (world.other(), new.clone());
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
    let other = world.store.accept(&new_run("other", "acme"), None).await.unwrap();
    assert_eq!(other, Acceptance::RequestMismatch);
}

#[tokio::test]
async fn the_spooled_document_stays_until_the_end() {
    let world = Fixture::new();
    let fence = world.open().await;
    assert_eq!(world.store.spooled(&world.run).await.unwrap(), None);
    world.store.spool(&world.run, b"%PDF"[..].into()).await.unwrap();
    assert_eq!(world.store.spooled(&world.run).await.unwrap().as_deref(), Some(&b"%PDF"[..]));
    world.store.finish(&fence, End::Failed(&failure()), AT.parse().unwrap()).await.unwrap();
    assert_eq!(world.store.spooled(&world.run).await.unwrap(), None);
}

#[tokio::test]
async fn what_a_killed_process_left_is_cleared_away() {
    let world = Fixture::new();
    let fence = world.open().await;
    world.store.store_stage(&fence, &record("One")).await.unwrap();
    world.store.release(&fence).await.unwrap();
    let left = world.path("stage1/.inspirations.json.4711-0.tmp");
    fs::write(&left, "half a rec").unwrap();
    world.open().await;
    assert!(!left.exists());
}

#[tokio::test]
async fn what_is_left_of_a_run_that_was_never_accepted_is_cleared_away() {
    let world = Fixture::new();
    // Killed between the mark and the manifest.
    let (mark, torn) = (world.path("../.open/run-1"), world.path(".run.json.4711-0.tmp"));
    for left in [&mark, &torn] {
        fs::create_dir_all(left.parent().unwrap()).unwrap();
        fs::write(left, "").unwrap();
    }
    let lease = Lease { owner: "one".into(), duration: Duration::from_secs(15) };
    assert_eq!(claim(&world.store, &lease, &HashSet::new()).await, []);
    assert!(!mark.exists() && !torn.exists());
    let accepted = world.store.accept(&new_run("doc", "acme"), None).await.unwrap();
    assert_eq!(accepted, Acceptance::New(None));
    assert_eq!(claim(&world.store, &lease, &HashSet::new()).await.len(), 1, "its id is as good as new");
}

#[tokio::test]
async fn what_is_left_of_a_run_being_open_is_cleared_away_once_it_has_ended() {
    let world = Fixture::new();
    let fence = world.open().await;
    world.store.finish(&fence, End::Failed(&failure()), AT.parse().unwrap()).await.unwrap();
    // Killed between the manifest and what comes after it.
    let (mark, document) = (world.path("../.open/run-1"), world.path("document"));
    for left in [&mark, &document] {
        fs::create_dir_all(left.parent().unwrap()).unwrap();
        fs::write(left, "").unwrap();
    }
    let lease = Lease { owner: "one".into(), duration: Duration::from_secs(15) };
    assert_eq!(claim(&world.store, &lease, &HashSet::new()).await, []);
    assert!(!mark.exists() && !document.exists());
}

#[tokio::test]
async fn a_newer_manifest_is_left_alone() {
    let world = Fixture::new();
    let fence = world.open().await;
    world.store.release(&fence).await.unwrap();
    let path = world.path(MANIFEST_FILE);
    let newer = fs::read_to_string(&path).unwrap().replace("\"version\": 1", "\"version\": 2");
    fs::write(&path, &newer).unwrap();
    let error = world.store.open(&new_run("doc", "acme"), "one").await.unwrap_err();
    assert!(error.to_string().contains("newer version"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), newer);
}

#[tokio::test]
async fn a_place_that_is_no_folder_is_named_with_its_errno() {
    let world = Fixture::new();
    fs::write(world.folder.path().join("runs"), "a file").unwrap();
    let error = world.store.open(&new_run("doc", "acme"), "one").await.unwrap_err().to_string();
    assert!(error.contains("runs") && error.contains("os error"), "{error}");
    let error = world.store.probe().await.unwrap_err();
    assert!(error.message.contains("os error"), "{error}");
}

#[tokio::test]
async fn an_end_is_read_back_with_its_report_and_a_changed_report_is_not_believed() {
    let world = Fixture::new();
    let fence = world.open().await;
    world.store.store_stage(&fence, &record("One")).await.unwrap();
    let end = End::Completed { records: &[], report: "# One\n" };
    world.store.finish(&fence, end, AT.parse().unwrap()).await.unwrap();
    let snapshot = world.store.load(&world.run).await.unwrap().unwrap();
    assert_eq!(snapshot.status, RunStatus::Completed);
    assert_eq!(snapshot.report.as_deref(), Some("# One\n"));
    assert_eq!(snapshot.finished_at, Some(AT.parse().unwrap()));
    assert!(!snapshot.is_leased);
    fs::write(world.path("report.md"), "# Two\n").unwrap();
    assert_eq!(world.store.load(&world.run).await.unwrap().unwrap().report, None);
}
