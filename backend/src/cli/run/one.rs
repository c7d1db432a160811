//! One run of `innovation run`: one document for one brand.

use std::{
    convert::Infallible,
    ffi::OsStr,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use pipeline::{
    brand::{BrandId, BrandProfile},
    document::{CompressedDocument, Document},
    engine::{Finished, Job, StageEvent},
    failure::{FailureCode, RunFailure},
    record::{StageMeta, sha256_hex},
    run::{RunId, Stage},
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::source::{address, read_file, source_name};
use crate::{app::App, cli::progress::Progress, documents::name, worker::wait_reason};
use storage::{
    End, Fence, RunRequest, RunSubmission,
    files::{
        OpenError,
        manifest::{DocumentSummary, Manifest},
    },
    leased::LeasedRun,
    prelude::*,
};

/// How often the command looks whether the model is paused.
const LOOK: Duration = Duration::from_millis(250);

/// Two pauses end at least this long after each other.
const NEXT_PAUSE: Duration = Duration::from_millis(500);

/// A document that several runs share. It is fetched and read once.
#[derive(Debug, Default)]
pub(super) struct SharedDocument {
    /// The bytes, and the name that a server gives them.
    fetched: Option<(Vec<u8>, Option<String>)>,
    read: Option<(CompressedDocument, DocumentSummary)>,
}

/// One run.
pub(super) struct Command<'a> {
    pub(super) app: &'a App,
    pub(super) source: &'a OsStr,
    pub(super) brand: &'a BrandId,
    pub(super) run_id: &'a RunId,
    pub(super) progress: &'a Progress,
    pub(super) cancel: &'a CancellationToken,
    pub(super) bytes_max: usize,
    /// Whether a later command can continue the run.
    pub(super) has_begun: AtomicBool,
}

impl Command<'_> {
    /// Runs the pipeline. The first run of a document fetches and reads it.
    pub(super) async fn execute(&self, shared: &mut SharedDocument) -> Result<Manifest, RunFailure> {
        let brand = self.app.brands.load(self.brand)?;
        let name = source_name(self.source);
        self.progress.line(&format!(
            "Run {}: {name} for {}, by the {}",
            self.run_id, brand.brand_name, self.app.analyst_name
        ));
        let (bytes, server_name) = match shared.fetched.take() {
            Some(fetched) => shared.fetched.insert(fetched),
            None => shared.fetched.insert(self.read_document().await?),
        };
        let name = name::choose(&name, server_name.as_deref()).to_owned();
        let request = RunRequest::by_document(name.clone(), &sha256_hex(bytes), self.brand.clone())
            .map_err(|error| RunFailure::from_record(None, &error))?;
        let new = RunSubmission { id: self.run_id.clone(), request, accepted_at: self.app.clock.now() };
        let files = self.app.router.files();
        let owner = uuid::Uuid::now_v7().to_string();
        let (fence, manifest) = files.open(&new, &owner).await.map_err(open_failure)?;
        self.has_begun.store(true, Ordering::Relaxed);
        let result =
            self.work(&fence, &name, (bytes.as_slice(), &mut shared.read), &brand, manifest.lost_usd).await;
        let end = match &result {
            Ok(finished) => End::Completed { records: &finished.records, report: &finished.report },
            Err(failure) => End::Failed(failure),
        };
        let closed = self
            .app
            .router
            .finish(&fence, end, self.app.clock.now())
            .await
            .map_err(|error| RunFailure::from_store(None, &error.into()));
        result?;
        closed?;
        let manifest = files.manifest(self.run_id).await;
        manifest.ok().flatten().ok_or_else(|| {
            let what = format!("{}: the manifest has gone", files.place_of(self.run_id));
            RunFailure::new(FailureCode::StorageUnavailable, None, what, true)
        })
    }

    /// The document, and the name that a server gives it.
    async fn read_document(&self) -> Result<(Vec<u8>, Option<String>), RunFailure> {
        let Some(source) = address(self.source) else {
            let bytes = read_file(Path::new(self.source), self.bytes_max).await?;
            return Ok((bytes, None));
        };
        let url = self.app.fetcher.check(source).map_err(|error| {
            RunFailure::new(FailureCode::DocumentUnavailable, None, error.to_string(), false)
        })?;
        self.progress.begin("download");
        let mut bytes = Vec::new();
        let fetched = tokio::select! {
            () = self.cancel.cancelled() => Err(RunFailure::cancelled(None)),
            fetched = self.app.fetcher.fetch_into(&url, &mut bytes) => fetched.map_err(RunFailure::from),
        };
        match &fetched {
            Ok(_) => self.progress.done(&format!("{} bytes", bytes.len())),
            Err(failure) => self.progress.failed(&failure.message),
        }
        fetched.map(|download| (bytes, download.name))
    }

    async fn work(
        &self,
        fence: &Fence,
        name: &str,
        (bytes, read): (&[u8], &mut Option<(CompressedDocument, DocumentSummary)>),
        brand: &BrandProfile,
        lost_usd: f64,
    ) -> Result<Finished, RunFailure> {
        let (document, summary) = match read.take() {
            Some(document) => read.insert(document),
            None => read.insert(self.read(name, bytes).await?),
        };
        let (document, router) = (&*document, &self.app.router);
        router.files().note_document(self.run_id, summary.clone());
        let stored =
            router.load(self.run_id).await.map_err(|error| RunFailure::from_store(None, &error.into()))?;
        let stored = stored.map(|run| run.stages.into_values().map(|held| held.record).collect());
        let store = LeasedRun::new(router, fence, stored.unwrap_or_default());
        let job = Job { run: self.run_id, store: &store, document, brand, answers: None, lost_usd };
        let show = |event: StageEvent| self.show(event);
        let result = tokio::select! {
            result = self.app.engine.run(job, &show, self.cancel) => result,
            never = self.tell_waits() => match never {},
        };
        if let Err(failure) = &result {
            self.progress.failed(&failure.message);
        }
        result
    }

    /// Says what the model is awaited for, and until when it is not asked.
    async fn tell_waits(&self) -> Infallible {
        let mut told = None;
        loop {
            let pause = self.app.gate.as_ref().and_then(|gate| gate.pause());
            if let Some(pause) = pause.filter(|pause| !pause.retry_in.is_zero()) {
                let until = self.app.clock.now() + pause.retry_in;
                // Of one pause, only the rest of the wait changes.
                let is_told =
                    told.is_some_and(|(code, earlier)| code == pause.code && until < earlier + NEXT_PAUSE);
                if !is_told {
                    let reason = wait_reason(pause.code).as_str();
                    self.progress.note(&format!(
                        "  … waits for the model ({reason}) until {}",
                        until.format("%H:%M:%S UTC")
                    ));
                    told = Some((pause.code, until));
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn read(
        &self,
        name: &str,
        bytes: &[u8],
    ) -> Result<(CompressedDocument, DocumentSummary), RunFailure> {
        let sha256 = sha256_hex(bytes);
        let document = self.extract(name, bytes).await?;
        let summary = DocumentSummary::new(&document, sha256);
        let document =
            CompressedDocument::new(document).map_err(|error| RunFailure::from_compression(None, &error))?;
        Ok((document, summary))
    }

    async fn extract(&self, name: &str, bytes: &[u8]) -> Result<Document, RunFailure> {
        self.progress.begin("document");
        let extracted = tokio::select! {
            () = self.cancel.cancelled() => Err(RunFailure::cancelled(None)),
            extracted = self.app.ocr.extract(name, bytes) => extracted.map_err(RunFailure::from),
        };
        match &extracted {
            Ok(document) => {
                let pages = document.pages.len();
                self.progress.done(&format!("{pages} page{}", if pages == 1 { "" } else { "s" }));
                for warning in &document.warnings {
                    self.progress.line(&format!("  ! {warning}"));
                }
            }
            Err(failure) => self.progress.failed(&failure.message),
        }
        extracted
    }

    fn show(&self, event: StageEvent) {
        match event {
            StageEvent::Started { stage } => self.progress.begin(&stage_name(stage)),
            StageEvent::Reused { meta, item_count } => {
                let name = stage_name(meta.stage);
                self.progress.line(&format!("= {name:<32} stored   {}", found(&meta, item_count)));
            }
            StageEvent::Stored { meta, item_count, .. } => {
                self.progress.done(&found(&meta, item_count));
                for warning in &meta.warnings {
                    self.progress.line(&format!("  ! {warning}"));
                }
            }
        }
    }

    /// Whether a later command can continue the run.
    pub(super) fn may_continue(&self) -> bool {
        self.has_begun.load(Ordering::Relaxed)
    }

    /// The result for machines. Field names are stable.
    pub(super) fn result(&self, manifest: Option<&Manifest>, failure: Option<&RunFailure>) -> Value {
        let files = self.app.router.files();
        let status = match failure {
            None => "complete",
            Some(_) => "failed",
        };
        json!({
            "run_id": self.run_id,
            "status": status,
            "brand_id": self.brand,
            "folder": files.place_of(self.run_id),
            "report": manifest.and_then(|manifest| manifest.report.as_ref()).map(|_| files.report_place(self.run_id)),
            "stages": manifest.map(|manifest| &manifest.stages),
            "document": manifest.map(|manifest| &manifest.document),
            "error": failure,
        })
    }
}

fn stage_name(stage: Stage) -> String {
    format!("stage {} {}", stage.number(), stage.title())
}

/// The result of a stage for people.
fn found(meta: &StageMeta, item_count: usize) -> String {
    let items = meta.stage.items();
    let grounding = &meta.grounding;
    if grounding.quotes == 0 {
        return format!("{item_count} {items}");
    }
    format!("{item_count} {items}, {} of {} quotes verified", grounding.verified(), grounding.quotes)
}

fn open_failure(error: OpenError) -> RunFailure {
    match error {
        OpenError::Store(error) => RunFailure::from_store(None, &error.into()),
        busy @ OpenError::Busy(_) => {
            RunFailure::new(FailureCode::StorageUnavailable, None, busy.to_string(), true)
        }
        other @ (OpenError::RequestMismatch { .. } | OpenError::Deleted(_)) => {
            RunFailure::new(FailureCode::StorageUnavailable, None, other.to_string(), false)
        }
    }
}
