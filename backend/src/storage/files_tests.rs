//! The file store, against a real file system and with real faults.

use std::sync::{Arc, Mutex};

use pipeline::{
    analyst::Provenance,
    brand::BrandId,
    clock::Timestamp,
    grounding::StageGrounding,
    llm::Usage,
    record::Circumstances,
    stages::{Evidence, InputProcessing, Inspiration, StageOutput},
};

use super::*;

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

fn request(document: &str, brand: &str) -> Request {
    Request {
        source: "a.pdf".into(),
        document_sha256: sha256_hex(document.as_bytes()),
        brand_id: BrandId::parse(brand).unwrap(),
    }
}

struct Fixture {
    folder: tempfile::TempDir,
    store: FileStore,
    run: RunId,
}

fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let store = FileStore::new(folder.path().join("runs"), HandClock::at("2026-11-21T12:00:00.5Z"));
    Fixture { folder, store, run: RunId::parse("run-1").unwrap() }
}

#[tokio::test]
async fn a_stage_comes_back_as_it_was_stored() {
    let Fixture { store, run, folder: _folder } = fixture();
    let _open = store.open_run(&run, request("doc", "acme")).await.unwrap();
    assert_eq!(store.load_stage(&run, Stage::InputProcessing).await.unwrap(), None);
    let record = record("One");
    store.store_stage(&run, &record).await.unwrap();
    assert_eq!(store.load_stage(&run, Stage::InputProcessing).await.unwrap(), Some(record.clone()));
    // Storing the same again is success, not a conflict.
    store.store_stage(&run, &record).await.unwrap();
    let manifest = store.read_manifest(&run).unwrap().unwrap();
    let stored = &manifest.stages[&Stage::InputProcessing];
    assert_eq!(stored.record_sha256, record.sha256().unwrap());
    assert_eq!(stored.file, "stage1/inspirations.json");
}

#[tokio::test]
async fn a_different_record_is_a_conflict_and_replaces_nothing() {
    let Fixture { store, run, folder: _folder } = fixture();
    let _open = store.open_run(&run, request("doc", "acme")).await.unwrap();
    store.store_stage(&run, &record("One")).await.unwrap();
    let error = store.store_stage(&run, &record("Two")).await.unwrap_err();
    assert_eq!(error.disposition, StoreDisposition::Fail);
    assert!(error.message.contains("different record"), "{error}");
    assert_eq!(store.load_stage(&run, Stage::InputProcessing).await.unwrap(), Some(record("One")));
}

#[tokio::test]
async fn a_damaged_stage_is_set_aside_and_counts_as_missing() {
    for damage in ["", "{", "{\"inspirations\":[],\"meta\":{}}"] {
        let Fixture { store, run, folder: _folder } = fixture();
        let _open = store.open_run(&run, request("doc", "acme")).await.unwrap();
        store.store_stage(&run, &record("One")).await.unwrap();
        let path = store.folder(&run).join("stage1/inspirations.json");
        fs::write(&path, damage).unwrap();
        assert_eq!(store.load_stage(&run, Stage::InputProcessing).await.unwrap(), None, "{damage:?}");
        let aside = store.folder(&run).join("stage1/inspirations.json.corrupt-20261121T120000500Z");
        assert_eq!(fs::read_to_string(aside).unwrap(), damage);
        // Its place is free again, also for a record that differs from the lost one.
        store.store_stage(&run, &record("Two")).await.unwrap();
    }
}

#[tokio::test]
async fn a_changed_word_or_a_changed_meta_is_noticed() {
    for (old, new) in [("One", "Eno"), ("\"attempts\": 1", "\"attempts\": 2")] {
        let Fixture { store, run, folder: _folder } = fixture();
        let _open = store.open_run(&run, request("doc", "acme")).await.unwrap();
        store.store_stage(&run, &record("One")).await.unwrap();
        let path = store.folder(&run).join("stage1/inspirations.json");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(old));
        fs::write(&path, text.replace(old, new)).unwrap();
        assert_eq!(store.load_stage(&run, Stage::InputProcessing).await.unwrap(), None, "{old} → {new}");
    }
}

#[tokio::test]
async fn a_crash_between_stage_and_manifest_loses_nothing() {
    let Fixture { store, run, folder: _folder } = fixture();
    let _open = store.open_run(&run, request("doc", "acme")).await.unwrap();
    let path = store.folder(&run).join(MANIFEST_FILE);
    let before = fs::read(&path).unwrap();
    store.store_stage(&run, &record("One")).await.unwrap();
    // The state a SIGKILL leaves between the two writes.
    fs::write(&path, before).unwrap();
    assert_eq!(store.load_stage(&run, Stage::InputProcessing).await.unwrap(), Some(record("One")));
}

#[tokio::test]
async fn one_run_has_one_writer_and_one_request() {
    let Fixture { store, run, folder: _folder } = fixture();
    let open = store.open_run(&run, request("doc", "acme")).await.unwrap();
    assert!(matches!(store.open_run(&run, request("doc", "acme")).await, Err(OpenError::Busy(_))));
    drop(open);
    let other = store.open_run(&run, request("other", "acme")).await.unwrap_err();
    assert!(other.to_string().contains("another document"), "{other}");
    let other = store.open_run(&run, request("doc", "zenith")).await.unwrap_err();
    assert!(other.to_string().contains("another brand"), "{other}");
    store.open_run(&run, request("doc", "acme")).await.unwrap();
}

#[tokio::test]
async fn what_a_killed_process_left_is_cleared_away() {
    let Fixture { store, run, folder: _folder } = fixture();
    drop(store.open_run(&run, request("doc", "acme")).await.unwrap());
    let left = store.folder(&run).join("stage1/.inspirations.json.4711-0.tmp");
    fs::write(&left, "half a rec").unwrap();
    drop(store.open_run(&run, request("doc", "acme")).await.unwrap());
    assert!(!left.exists());
}

#[tokio::test]
async fn a_newer_manifest_is_left_alone() {
    let Fixture { store, run, folder: _folder } = fixture();
    drop(store.open_run(&run, request("doc", "acme")).await.unwrap());
    let path = store.folder(&run).join(MANIFEST_FILE);
    let newer = fs::read_to_string(&path).unwrap().replace("\"version\": 1", "\"version\": 2");
    fs::write(&path, &newer).unwrap();
    let error = store.open_run(&run, request("doc", "acme")).await.unwrap_err();
    assert!(error.to_string().contains("newer version"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), newer);
}

#[tokio::test]
async fn a_place_that_is_no_folder_is_named_with_its_errno() {
    let Fixture { store, run, folder } = fixture();
    fs::write(folder.path().join("runs"), "a file").unwrap();
    let error = store.open_run(&run, request("doc", "acme")).await.unwrap_err().to_string();
    assert!(error.contains("runs") && error.contains("os error"), "{error}");
}

#[tokio::test]
async fn the_report_is_replaced_and_its_digest_kept() {
    let Fixture { store, run, folder: _folder } = fixture();
    let _open = store.open_run(&run, request("doc", "acme")).await.unwrap();
    store.store_report(&run, "# One\n").await.unwrap();
    store.store_report(&run, "# Two\n").await.unwrap();
    assert_eq!(fs::read_to_string(store.report_path(&run)).unwrap(), "# Two\n");
    let manifest = store.read_manifest(&run).unwrap().unwrap();
    assert_eq!(manifest.report.unwrap().sha256, sha256_hex(b"# Two\n"));
}

#[tokio::test]
async fn a_stage_whose_file_came_before_a_crash_is_named_by_the_manifest_again() {
    let Fixture { store, run, folder: _folder } = fixture();
    let _open = store.open_run(&run, request("doc", "acme")).await.unwrap();
    store.store_stage(&run, &record("One")).await.unwrap();
    // As a kill between the two writes leaves it.
    store.update(&run, |manifest| manifest.stages.clear()).await.unwrap();
    assert_eq!(store.load_stage(&run, Stage::InputProcessing).await.unwrap(), Some(record("One")));
    let manifest = store.read_manifest(&run).unwrap().unwrap();
    assert_eq!(manifest.stages[&Stage::InputProcessing].record_sha256, record("One").sha256().unwrap());
}
