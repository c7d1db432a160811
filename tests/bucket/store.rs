//! The file store over a bucket.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use backend::config::{StorageConfig, StoragePlace};
use foundation::clock::SystemClock;
use futures_util::{StreamExt as _, future::join_all, stream};
use object_store::{
    Error, ObjectStore, ObjectStoreExt as _, PutMode, UpdateVersion, aws::AmazonS3Builder, path::Path,
};
use pipeline::{
    clock::{Clock, Timestamp},
    document::Format,
    record::sha256_hex,
    run::{RunId, Stage},
    testing::ManualClock,
};
use storage::{
    Acceptance, Claim, End, Expiry, Lease, Listing, PageStart, StorageErrorKind, Store, WaitingRuns,
    contract::{Place, accepted, at, failure, holds, new_run, record},
    control_plane::{AuditRecord, Principal},
    files::{DocumentSweep, FileStore, manifest::DocumentSummary},
    prelude::*,
};

use crate::support::{
    proxy::Proxy,
    s3::{BUCKET, S3},
    wait::eventually,
};

const DOCUMENT: &[u8] = b"%PDF-1.7 of a test";
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Long enough for a beat to come in time, short enough for a death to be waited for.
pub(super) const LEASE: Duration = Duration::from_secs(1);

pub(super) fn store(server: &S3) -> FileStore {
    store_at(&server.url(), LEASE, Arc::new(SystemClock::default()))
}

pub(super) fn store_at(url: &str, lease: Duration, clock: Arc<dyn Clock>) -> FileStore {
    let place = StoragePlace::Bucket(Box::new(S3::config(url)));
    let local = std::env::temp_dir().join("no-documents-are-spooled-here");
    FileStore::of(
        &StorageConfig {
            place,
            retention: None,
            tombstone_retention: Duration::MAX,
            document_retention: None,
            local,
        },
        lease,
        clock,
    )
    .unwrap()
}

/// A store for each process, and the bucket for all.
struct InBucket(S3);

#[async_trait]
impl Place for InBucket {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(store(&self.0))
    }

    async fn audit(&self) -> Vec<AuditRecord> {
        store(&self.0).newest_audit(1_000).await.unwrap().records
    }

    /// The server of these tests is one Python process, which answers a few hundred requests a second.
    fn callers(&self) -> usize {
        16
    }
}

#[tokio::test]
async fn a_bucket_keeps_the_contract() {
    holds(&InBucket(S3::start())).await;
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn of_many_conditional_puts_at_once_one_wins() {
    foundation::tls::install_crypto();
    let server = S3::start();
    let bucket: Arc<dyn ObjectStore> = Arc::new(
        AmazonS3Builder::new()
            .with_bucket_name(BUCKET)
            .with_endpoint(server.url().trim_end_matches('/'))
            .with_allow_http(true)
            .with_access_key_id("test")
            .with_secret_access_key("test-secret")
            .build()
            .unwrap(),
    );
    for round in 0..50 {
        let path = Path::from(format!("round-{round}"));
        let created = join_all((0..8).map(|n| {
            let (bucket, path) = (bucket.clone(), path.clone());
            tokio::spawn(async move {
                bucket.put_opts(&path, format!("{n}").into(), PutMode::Create.into()).await
            })
        }))
        .await;
        let (mut won, mut lost) = (Vec::new(), 0);
        for result in created {
            match result.unwrap() {
                Ok(put) => won.push(put.e_tag),
                Err(Error::AlreadyExists { .. }) => lost += 1,
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!((won.len(), lost), (1, 7), "round {round}");
        let seen = UpdateVersion { e_tag: won.remove(0), version: None };
        let changed = join_all((0..8).map(|n| {
            let (bucket, path, seen) = (bucket.clone(), path.clone(), seen.clone());
            tokio::spawn(async move {
                bucket.put_opts(&path, format!("new {n}").into(), PutMode::Update(seen).into()).await
            })
        }))
        .await;
        let won = changed.iter().filter(|result| result.as_ref().unwrap().is_ok()).count();
        assert_eq!(won, 1, "round {round}");
        let stale = bucket.put_opts(&path, "stale".into(), PutMode::Update(seen).into()).await;
        assert!(matches!(stale, Err(Error::Precondition { .. })), "{stale:?}");
        assert!(bucket.get(&path).await.unwrap().bytes().await.unwrap().starts_with(b"new "));
    }
    let store = store(&server);
    assert!(!store.has_shared_create_if_absent(), "not before it is known");
    assert!(store.check_create_if_absent().await.unwrap() && store.has_shared_create_if_absent());
    assert!(!format!("{store:?}").contains("test-secret"));
}

#[tokio::test]
async fn concurrent_acceptances_of_many_processes_have_one_winner() {
    let server = S3::start();
    let new = new_run("run-1", "https://a/1");
    let all = join_all((0..12).map(|n| {
        let (store, new) = (store(&server), new.clone());
        tokio::spawn(async move {
            let lease = Lease { owner: format!("owner-{n}"), duration: LEASE };
            store.accept(&new, Some(&lease)).await.unwrap()
        })
    }))
    .await;
    let new = all.iter().filter(|one| matches!(one.as_ref().unwrap(), Acceptance::New(_))).count();
    assert_eq!(new, 1, "{all:?}");
}

/// The system's clock, some time later.
#[derive(Debug, Default)]
struct LaterClock(SystemClock, AtomicU64);

impl Clock for LaterClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic() + Duration::from_secs(self.1.load(Ordering::SeqCst))
    }
}

#[tokio::test]
async fn an_orphaned_marker_goes_after_a_while() {
    let server = S3::start();
    // The process is killed between marker and manifest.
    server.put(&format!("PUT /{BUCKET}/outputs/.open/run-1 HTTP/1.1\r\nContent-Length: 0"), b"");
    let clock = Arc::new(LaterClock::default());
    let store = store_at(&server.url(), LEASE, clock.clone());
    let lease = Lease { owner: "one".into(), duration: LEASE };
    for (later, left) in [(0, 1), (25, 1), (60, 0)] {
        clock.1.store(later, Ordering::SeqCst);
        let held = HashSet::new();
        let claim = Claim { lease: &lease, limit: 1, held: &held, expired: true, waiting: WaitingRuns::Due };
        assert_eq!(store.claim(claim).await.unwrap(), []);
        assert_eq!(server.names("outputs/.open/").len(), left, "after {later} s");
    }
    let accepted = store.accept(&new_run("run-1", "https://a/1"), None).await.unwrap();
    assert_eq!(accepted, Acceptance::New(None), "its id is as good as new");
}

#[tokio::test]
async fn an_unreleased_run_is_claimed_again() {
    let server = S3::start();
    let mut network = Proxy::start(server.address).await;
    // Longer than the test: its owner lives.
    let minute = Duration::from_secs(60);
    let store = store_at(&network.url(&server.url()), minute, Arc::new(SystemClock::default()));
    let lease = Lease { owner: "one".into(), duration: minute };
    let held = HashSet::new();
    let claim = || Claim { lease: &lease, limit: 1, held: &held, expired: true, waiting: WaitingRuns::Due };
    store.accept(&new_run("run-1", "https://a/1"), None).await.unwrap();
    let fence = store.claim(claim()).await.unwrap().remove(0);
    network.refuse().await;
    assert!(store.release(&fence).await.unwrap_err().is_outage());
    network.mend().await;
    let again = eventually("the run is claimed", async || store.claim(claim()).await.ok()?.pop()).await;
    assert_eq!((again.run, again.epoch), (fence.run, fence.epoch + 1));
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn markers_beyond_one_page_are_found() {
    let server = S3::start();
    let names =
        (0..1_100).map(|n| format!("PUT /{BUCKET}/outputs/.unsynced/run-{n} HTTP/1.1\r\nContent-Length: 0"));
    stream::iter(names)
        .for_each_concurrent(4, |head| {
            let server = &server;
            async move {
                assert!(server.ask(&head).starts_with("HTTP/1.1 200"));
            }
        })
        .await;
    let runs: HashSet<RunId> = store(&server).unsynced_runs().await.unwrap().into_iter().collect();
    assert_eq!(runs.len(), 1_100);
    assert_eq!(store(&server).open_count().await.unwrap(), 0);
}

#[tokio::test]
async fn the_newest_runs_are_listed_first_in_pages() {
    let server = S3::start();
    let store = store(&server);
    for n in 0..5 {
        let mut new = new_run(&format!("run-{n}"), "https://a/1");
        new.accepted_at = at(&format!("2026-11-21T1{n}:00:00Z"));
        store.accept(&new, None).await.unwrap();
    }
    let listing = |start| Listing { status: None, brand_id: None, principal: None, start, limit: 2 };
    let page = store.list(&listing(PageStart::Offset(0))).await.unwrap();
    let names: Vec<&str> = page.runs.iter().map(|run| run.id.as_str()).collect();
    assert_eq!((names.as_slice(), page.has_next, page.total), (&["run-4", "run-3"][..], true, 5));
    let after = PageStart::After(page.runs[1].position());
    let page = store.list(&listing(after)).await.unwrap();
    let names: Vec<&str> = page.runs.iter().map(|run| run.id.as_str()).collect();
    assert_eq!((names.as_slice(), page.has_next), (&["run-2", "run-1"][..], true));
    assert_eq!(store.runs().await.unwrap().len(), 5);
}

#[tokio::test]
async fn a_fenced_writers_leftovers_are_unreferenced() {
    let server = S3::start();
    let (late, now) = (store(&server), store(&server));
    let fence = accepted(&late, &new_run("run-1", "https://a/1"), "late").await;
    // Its stage file came to be; the manifest that would name it did not.
    let orphan = serde_json::to_vec(&record(Stage::InputProcessing, "orphan")).unwrap();
    let mut put = format!(
        "PUT /{BUCKET}/outputs/run-1/stage1/inspirations.json HTTP/1.1\r\nContent-Length: {}",
        orphan.len()
    );
    late.release(&fence).await.unwrap();
    let lease = Lease { owner: "now".into(), duration: LEASE };
    let claim =
        Claim { lease: &lease, limit: 1, held: &HashSet::new(), expired: true, waiting: WaitingRuns::Due };
    let fence = now.claim(claim).await.unwrap().remove(0);
    put.push_str("\r\nContent-Type: application/json");
    server.put(&put, &orphan);
    let own = record(Stage::InputProcessing, "own");
    now.store_stage(&fence, &own).await.unwrap();
    let snapshot = now.load(&fence.run).await.unwrap().unwrap();
    assert_eq!(snapshot.stages[&Stage::InputProcessing].record, own);
    let other = now.store_stage(&fence, &record(Stage::InputProcessing, "other")).await.unwrap_err();
    assert_eq!(other.kind, StorageErrorKind::Conflict);
    now.finish(&fence, End::Failed(&failure()), at("2026-11-21T12:00:00Z")).await.unwrap();
}

#[tokio::test]
async fn a_damaged_stage_is_quarantined() {
    let server = S3::start();
    let store = store(&server);
    let fence = accepted(&store, &new_run("run-1", "https://a/1"), "one").await;
    store.store_stage(&fence, &record(Stage::InputProcessing, "one")).await.unwrap();
    let name = "outputs/run-1/stage1/inspirations.json";
    server.put(&format!("PUT /{BUCKET}/{name} HTTP/1.1\r\nContent-Length: 5"), b"torn!");
    assert!(store.load(&fence.run).await.unwrap().unwrap().stages.is_empty());
    let again = record(Stage::InputProcessing, "two");
    store.store_stage(&fence, &again).await.unwrap();
    let snapshot = store.load(&fence.run).await.unwrap().unwrap();
    assert_eq!(snapshot.stages[&Stage::InputProcessing].record, again);
    let listing = server.ask(&format!("GET /{BUCKET}?list-type=2&prefix={name}.corrupt HTTP/1.1"));
    assert!(listing.contains("inspirations.json.corrupt-"), "{listing}");
}

#[tokio::test]
async fn a_missing_bucket_error_hides_address_and_keys() {
    let server = S3::start();
    let mut config = S3::config(&server.url());
    config.bucket = "another".to_owned();
    let local = std::env::temp_dir();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let config = StorageConfig {
        place: StoragePlace::Bucket(Box::new(config)),
        retention: None,
        tombstone_retention: Duration::MAX,
        document_retention: None,
        local,
    };
    let error = FileStore::of(&config, LEASE, clock).unwrap().probe().await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("s3://another/outputs/"), "{text}");
    assert!(!text.contains("127.0.0.1") && !text.contains("test-secret"), "{text}");
}

/// A store that keeps documents for a day, and a run with its document.
async fn with_document(server: &S3, clock: Arc<dyn Clock>) -> (FileStore, storage::Fence) {
    let store = store_at(&server.url(), LEASE, clock).with_document_retention(Some(DAY));
    let fence = accepted(&store, &new_run("run-1", "https://a/1"), "one").await;
    let sha256 = sha256_hex(DOCUMENT);
    store.note_document(&fence.run, DocumentSummary { format: Format::Pdf, title: None, pages: 1, sha256 });
    store.store_stage(&fence, &record(Stage::InputProcessing, "one")).await.unwrap();
    (store, fence)
}

#[tokio::test]
async fn every_replica_reads_a_kept_document() {
    let server = S3::start();
    let clock = Arc::new(ManualClock::at(at("2026-11-21T12:00:00Z")));
    let (store, fence) = with_document(&server, clock.clone()).await;
    assert!(store.needs_document_copy());
    assert!(store.copy_document(&fence, DOCUMENT.into()).await.unwrap());
    assert_eq!(store.read_document(&fence.run).await.unwrap(), None, "the run has not ended");
    store.finish(&fence, End::Failed(&failure()), at("2026-11-21T12:00:00Z")).await.unwrap();
    let other = store_at(&server.url(), LEASE, clock.clone()).with_document_retention(Some(DAY));
    let kept = other.kept_document(&fence.run).await.unwrap().unwrap();
    assert_eq!(kept.until, at("2026-11-22T12:00:00Z"));
    assert_eq!(other.read_document(&fence.run).await.unwrap().as_deref(), Some(DOCUMENT));
    assert_eq!(other.sweep_document(&fence.run).await.unwrap(), DocumentSweep::Kept(Some(kept.until)));
    clock.advance(DAY);
    assert_eq!(other.marked_documents().await.unwrap(), std::slice::from_ref(&fence.run));
    assert_eq!(other.sweep_document(&fence.run).await.unwrap(), DocumentSweep::Removed);
    let listing = server.ask(&format!("GET /{BUCKET}?list-type=2&prefix=outputs HTTP/1.1"));
    assert!(!listing.contains("/document") && !listing.contains(".documents"), "{listing}");
    assert!(listing.contains("outputs/run-1/run.json"), "{listing}");
}

#[tokio::test]
async fn a_late_worker_copies_no_document() {
    let server = S3::start();
    let (store, fence) = with_document(&server, Arc::new(SystemClock::default())).await;
    store.release(&fence).await.unwrap();
    let next = accepted(&store, &new_run("run-2", "https://a/2"), "one").await;
    let later = storage::Fence { epoch: fence.epoch - 1, ..fence.clone() };
    assert!(!store.copy_document(&later, DOCUMENT.into()).await.unwrap(), "another claim");
    store.finish(&next, End::Failed(&failure()), at("2026-11-21T12:00:00Z")).await.unwrap();
    store.create_tombstone(&next.run, &Principal::environment(), None).await.unwrap();
    store.remove(&next.run).await.unwrap();
    assert!(!store.copy_document(&next, DOCUMENT.into()).await.unwrap(), "the run is deleted");
    let listing = server.ask(&format!("GET /{BUCKET}?list-type=2&prefix=outputs HTTP/1.1"));
    assert!(!listing.contains("/document"), "{listing}");
}

#[tokio::test]
async fn expired_runs_and_tombstones_are_removed() {
    let server = S3::start();
    let store = store(&server);
    let ended = at("2026-11-21T12:00:00Z");
    for name in ["kept", "deleted", "open"] {
        let fence = accepted(&store, &new_run(name, "https://a/1"), "one").await;
        store.store_stage(&fence, &record(Stage::InputProcessing, "one")).await.unwrap();
        if name != "open" {
            store.finish(&fence, End::Failed(&failure()), ended).await.unwrap();
        }
    }
    let deleted = RunId::parse("deleted").unwrap();
    store.create_tombstone(&deleted, &Principal::environment(), None).await.unwrap();
    store.remove(&deleted).await.unwrap();
    assert!(store.is_deleted(&deleted).await.unwrap());
    // The tombstone is of now, by this machine's clock.
    let later = at("2999-01-01T00:00:00Z");
    assert_eq!(store.unchanged_since(at("2026-11-21T11:00:00Z")).await.unwrap(), []);
    for run in store.unchanged_since(later).await.unwrap() {
        assert_eq!(
            store.expire(&run, Expiry { ended_before: later, deleted_before: later }).await.unwrap(),
            run.as_str() != "open",
            "{run}"
        );
    }
    assert!(!store.is_deleted(&deleted).await.unwrap());
    let listing = server.ask(&format!("GET /{BUCKET}?list-type=2&prefix=outputs HTTP/1.1"));
    assert!(listing.contains("outputs/open/run.json"));
    assert!(!listing.contains("outputs/kept") && !listing.contains("outputs/deleted"), "{listing}");
    assert_eq!(listing.matches("outputs/.runs/").count(), 1, "{listing}");
}

#[tokio::test]
async fn a_row_only_run_is_imported_whole() {
    let server = S3::start();
    let (one, other) = (store(&server), store(&server));
    let fence = accepted(&one, &new_run("run-1", "https://a/1"), "one").await;
    one.store_stage(&fence, &record(Stage::InputProcessing, "one")).await.unwrap();
    one.finish(&fence, End::Failed(&failure()), at("2026-11-21T12:00:00Z")).await.unwrap();
    let mut row = one.load(&fence.run).await.unwrap().unwrap();
    row.id = RunId::parse("run-2").unwrap();
    other.import(&row).await.unwrap();
    let entered = one.load(&row.id).await.unwrap().unwrap();
    assert_eq!((entered.status, entered.stages.len()), (row.status, 1));
    let listing =
        Listing { status: None, brand_id: None, principal: None, start: PageStart::Offset(0), limit: 9 };
    assert_eq!(one.list(&listing).await.unwrap().runs.len(), 2);
}
