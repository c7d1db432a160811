//! The documents of ended runs on a disk, from the end of the run to the end of their retention.

use pipeline::{document::Format, record::sha256_hex, testing::ManualClock};

use super::*;
use crate::files::{DocumentSweep, manifest::DocumentSummary};

const BYTES: &[u8] = b"%PDF-1.7 of a test";
const DAY: Duration = Duration::from_secs(24 * 3600);
const END: &str = "2026-11-21T12:30:00Z";

struct Kept {
    env: Fixture,
    clock: Arc<ManualClock>,
    store: FileStore,
}

impl Kept {
    /// Documents are kept for ten days.
    fn new() -> Self {
        let (env, clock) = (Fixture::new(), Arc::new(ManualClock::at(END.parse().unwrap())));
        let store = FileStore::new(env.folder.path().join("runs"), clock.clone());
        Self { env, clock, store: store.with_document_retention(Some(10 * DAY)) }
    }

    /// A run that has read its document.
    async fn run(&self, has_stage: bool) -> Fence {
        let fence = self.store.open(&new_run("doc", "acme"), "one").await.unwrap().0;
        self.store.spool(&fence, BYTES.into()).await.unwrap();
        let sha256 = sha256_hex(BYTES);
        let summary = DocumentSummary { format: Format::Pdf, title: None, pages: 1, sha256 };
        self.store.note_document(&fence.run, summary);
        if has_stage {
            self.store.store_stage(&fence, &record("one")).await.unwrap();
        }
        fence
    }

    async fn end(&self, fence: &Fence) {
        let end = End::Failed(&failure());
        self.store.finish(fence, end, END.parse().unwrap()).await.unwrap();
    }

    async fn sweep(&self) -> DocumentSweep {
        self.store.sweep_document(&self.env.run).await.unwrap()
    }

    async fn marked(&self) -> Vec<RunId> {
        self.store.marked_documents().await.unwrap()
    }
}

#[tokio::test]
async fn a_kept_document_goes_after_its_retention() {
    let kept = Kept::new();
    let fence = kept.run(true).await;
    assert_eq!(kept.store.kept_document(&kept.env.run).await.unwrap(), None, "the run has not ended");
    kept.end(&fence).await;
    let facts = kept.store.kept_document(&kept.env.run).await.unwrap().unwrap();
    let until: Timestamp = "2026-12-01T12:30:00Z".parse().unwrap();
    assert_eq!((facts.until, facts.format, facts.sha256), (until, Format::Pdf, sha256_hex(BYTES)));
    assert_eq!(kept.store.read_document(&kept.env.run).await.unwrap().as_deref(), Some(BYTES));
    assert_eq!(kept.marked().await, std::slice::from_ref(&kept.env.run));
    assert_eq!(kept.sweep().await, DocumentSweep::Kept(Some(until)));
    kept.clock.advance(10 * DAY);
    assert_eq!(kept.store.kept_document(&kept.env.run).await.unwrap(), None, "before any sweep");
    assert_eq!(kept.store.read_document(&kept.env.run).await.unwrap(), None);
    assert_eq!(kept.sweep().await, DocumentSweep::Removed);
    assert!(!kept.env.path("document").exists() && kept.marked().await.is_empty());
    assert!(kept.env.path(MANIFEST_FILE).exists(), "the run stays");
}

#[tokio::test]
async fn without_retention_the_sweep_removes_all() {
    let kept = Kept::new();
    let fence = kept.run(true).await;
    kept.end(&fence).await;
    let later = kept.env.other();
    assert_eq!(later.kept_document(&kept.env.run).await.unwrap(), None);
    assert_eq!(later.sweep_document(&kept.env.run).await.unwrap(), DocumentSweep::Removed);
    assert!(!kept.env.path("document").exists());
}

#[tokio::test]
async fn a_run_without_stages_keeps_no_document() {
    let kept = Kept::new();
    let fence = kept.run(false).await;
    kept.end(&fence).await;
    assert!(!kept.env.path("document").exists() && kept.marked().await.is_empty());
}

#[tokio::test]
async fn a_deletion_removes_the_document_at_once() {
    let kept = Kept::new();
    let fence = kept.run(true).await;
    kept.end(&fence).await;
    kept.store.create_tombstone(&kept.env.run, &Principal::environment(), None).await.unwrap();
    assert_eq!(kept.store.read_document(&kept.env.run).await.unwrap(), None, "the tombstone says so");
    kept.store.remove(&kept.env.run).await.unwrap();
    assert!(!kept.env.path("document").exists());
    assert_eq!(kept.sweep().await, DocumentSweep::Removed);
    assert_eq!(kept.marked().await.len(), 1, "a late copy may still come");
    kept.clock.advance(DAY);
    assert_eq!(kept.sweep().await, DocumentSweep::Removed);
    assert!(kept.marked().await.is_empty() && kept.store.is_deleted(&kept.env.run).await.unwrap());
}

#[tokio::test]
async fn another_document_in_its_place_counts_as_none() {
    let kept = Kept::new();
    let fence = kept.run(true).await;
    kept.end(&fence).await;
    fs::write(kept.env.path("document"), b"another").unwrap();
    assert_eq!(kept.store.read_document(&kept.env.run).await.unwrap(), None);
}

#[tokio::test]
async fn a_retried_run_finds_its_document() {
    let kept = Kept::new();
    let fence = kept.run(true).await;
    kept.end(&fence).await;
    assert_eq!(kept.store.retry(&kept.env.run, 1, None).await.unwrap(), Some(2));
    assert_eq!(kept.store.spooled(&kept.env.run).await.unwrap().as_deref(), Some(BYTES));
    kept.clock.advance(20 * DAY);
    assert_eq!(kept.sweep().await, DocumentSweep::Kept(None), "the run needs it");
}
