//! One run, from its document to its end.

use std::collections::HashSet;

use pipeline::{
    brand::BrandProfile,
    document::Document,
    engine::{Event, Finished, Job},
    failure::{FailureCode, RunFailure},
    record::{StageRecord, sha256_hex},
};
use tokio::{
    fs::File,
    io::{AsyncReadExt as _, AsyncSeekExt as _},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{Inner, Tools, crash_loop};
use crate::{
    documents::isolate,
    storage::{
        End, Fence, NewRun, Request, Snapshot, StorageErrorKind, Store as _,
        files::manifest::DocumentSummary,
        leased::LeasedRun,
        router::{Resume, Router},
    },
    telemetry::metrics,
};

/// How many documents are in memory as bytes at once, each of at most 25 MiB.
const DOCUMENTS_MAX: usize = 8;

/// How many documents are on their way at once: at most 1.6 GB of temporary files, whatever the blob stores do.
const DOWNLOADS_MAX: usize = 64;

static DOWNLOADS: Semaphore = Semaphore::const_new(DOWNLOADS_MAX);

static DOCUMENTS: Semaphore = Semaphore::const_new(DOCUMENTS_MAX);

/// Between two attempts to write an end that storage did not take.
const END_RETRY: std::time::Duration = std::time::Duration::from_secs(1);

/// How the work on a run came out.
enum Outcome {
    Finished(Finished),
    Failed(RunFailure),
    /// Somebody else has it, or has ended it.
    Lost,
    /// This process stops; the run goes on elsewhere.
    Stopped,
}

/// What the work begins with.
struct Start {
    new: NewRun,
    stored: Vec<StageRecord>,
    lost_usd: f64,
}

/// Works on a run and writes its end. Never panics, never returns an error: a run's trouble is the run's.
pub(super) async fn work(inner: &Inner, fence: &Fence, new: Option<NewRun>, lost: &CancellationToken) {
    let Inner { router, tools, stopping, .. } = inner;
    let run_id = &fence.run;
    let start = match new {
        Some(new) => {
            router.remember(fence, new.clone(), HashSet::new());
            Start { new, stored: Vec::new(), lost_usd: 0.0 }
        }
        None => match resume(router, fence, stopping).await {
            Some(start) => start,
            None => return,
        },
    };
    tracing::info!(epoch = fence.epoch, "[{run_id}] started");
    let outcome = match crash_loop::check(fence, &start.stored) {
        Some(failure) => Outcome::Failed(failure),
        None => outcome(inner, fence, start, lost).await,
    };
    match outcome {
        Outcome::Finished(finished) => {
            let end = End::Completed { records: &finished.records, report: &finished.report };
            write_end(router, tools, fence, end, stopping).await;
        }
        Outcome::Failed(failure) => {
            metrics::llm_cost(failure.usage.cost_usd);
            tracing::warn!(code = %failure.code, stage = failure.stage.map(|stage| stage.number()), "[{run_id}] failed: {}", failure.message);
            inner.unstored().insert(run_id.clone(), failure.clone());
            write_end(router, tools, fence, End::Failed(&failure), stopping).await;
            inner.unstored().remove(run_id);
        }
        Outcome::Lost => {
            tracing::warn!("[{run_id}] is no longer ours; stopped working on it");
            router.let_go(fence).await;
        }
        Outcome::Stopped => give_back(router, fence).await,
    }
}

/// Writes the end until some store has it: a run that has ended must not be run again because nobody knows.
async fn write_end(
    router: &Router,
    tools: &Tools,
    fence: &Fence,
    end: End<'_>,
    stopping: &CancellationToken,
) {
    let run_id = &fence.run;
    let at = tools.clock.now();
    loop {
        match router.finish(fence, end, at).await {
            Ok(()) => {
                let code = match end {
                    End::Failed(failure) => Some(failure.code),
                    End::Completed { .. } => None,
                };
                metrics::run_ended(end.status(), code);
                tracing::info!(status = ?end.status(), "[{run_id}] ended");
                return;
            }
            Err(error) if !error.is_outage() => {
                tracing::error!(%error, "[{run_id}] its end was refused");
                router.let_go(fence).await;
                return;
            }
            Err(error) => tracing::error!(%error, "[{run_id}] its end could not be stored; trying on"),
        }
        tokio::select! {
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(END_RETRY) => {}
        }
    }
}

/// Where a claimed run goes on; nothing where there is nothing to do for us now.
async fn resume(router: &Router, fence: &Fence, stopping: &CancellationToken) -> Option<Start> {
    let run_id = &fence.run;
    let resumed = tokio::select! {
        resumed = router.resume(fence) => resumed,
        () = stopping.cancelled() => {
            give_back(router, fence).await;
            return None;
        }
    };
    match resumed {
        Ok(Resume::At { snapshot, in_row }) => {
            let Snapshot { request, accepted_at, stages, lost_usd, .. } = *snapshot;
            let Some((request, accepted_at)) = request.zip(accepted_at) else {
                tracing::error!("[{run_id}] its record does not say what was asked");
                return None;
            };
            let new = NewRun { id: run_id.clone(), request, accepted_at };
            router.remember(fence, new.clone(), in_row);
            let stored = stages.into_values().map(|held| held.record).collect();
            Some(Start { new, stored, lost_usd })
        }
        Ok(Resume::Ended) => {
            tracing::info!("[{run_id}] had ended in files; the database knows it now");
            None
        }
        Err(error) if error.kind == StorageErrorKind::Fenced => {
            tracing::info!("[{run_id}] somebody else has it");
            router.let_go(fence).await;
            None
        }
        Err(error) => {
            tracing::error!(%error, "[{run_id}] what is stored of it cannot be looked up; given back, to be tried again");
            give_back(router, fence).await;
            None
        }
    }
}

async fn give_back(router: &Router, fence: &Fence) {
    let run_id = &fence.run;
    match router.release(fence).await {
        Ok(()) => tracing::info!("[{run_id}] given back"),
        Err(error) => tracing::warn!(%error, "[{run_id}] could not be given back; its lease will end"),
    }
}

async fn outcome(inner: &Inner, fence: &Fence, start: Start, lost: &CancellationToken) -> Outcome {
    let Inner { router, tools, stopping, .. } = inner;
    let Start { new, stored, lost_usd } = start;
    let cancel = CancellationToken::new();
    let store = LeasedRun::new(router, fence, stored);
    let execution = execute(router, tools, fence, &store, new.request, lost_usd, &cancel);
    tokio::pin!(execution);
    let stop = async {
        tokio::select! {
            () = lost.cancelled() => {}
            () = stopping.cancelled() => {}
        }
    };
    let result = tokio::select! {
        result = &mut execution => result,
        () = stop => {
            cancel.cancel();
            execution.await
        }
    };
    match result {
        Ok(finished) => Outcome::Finished(finished),
        Err(_) if store.is_lost() || lost.is_cancelled() => Outcome::Lost,
        Err(failure) if failure.code == FailureCode::Cancelled && stopping.is_cancelled() => Outcome::Stopped,
        Err(failure) => Outcome::Failed(failure),
    }
}

async fn execute(
    router: &Router,
    tools: &Tools,
    fence: &Fence,
    store: &LeasedRun<'_>,
    request: Request,
    lost_usd: f64,
    cancel: &CancellationToken,
) -> Result<Finished, RunFailure> {
    let brand = tools.brands.load(&request.brand_id)?;
    let url = request.document_url.ok_or_else(|| {
        RunFailure::new(FailureCode::Internal, None, "the run's record names no document", false)
    })?;
    let document = tokio::select! {
        biased;
        () = cancel.cancelled() => return Err(RunFailure::cancelled(None)),
        document = read_document(router, tools, fence, &request.source, &url) => document?,
    };
    answer(tools, fence, store, &document, &brand, lost_usd, cancel).await
}

async fn answer(
    tools: &Tools,
    fence: &Fence,
    store: &LeasedRun<'_>,
    document: &Document,
    brand: &BrandProfile,
    lost_usd: f64,
    cancel: &CancellationToken,
) -> Result<Finished, RunFailure> {
    let run_id = &fence.run;
    let job = Job { run: run_id, store, document, brand, lost_usd };
    let note = |event: Event| match event {
        Event::Reused { meta, .. } => {
            tracing::info!(stage = meta.stage.number(), "[{run_id}] stage is stored already");
        }
        Event::Started { stage } => tracing::info!(stage = stage.number(), "[{run_id}] stage started"),
        Event::Stored { meta, elapsed, .. } => {
            metrics::llm_cost(meta.usage.cost_usd);
            tracing::info!(
                stage = meta.stage.number(),
                provider = meta.provider,
                model = meta.model,
                cost_usd = meta.usage.cost_usd,
                elapsed_ms = elapsed.as_millis(),
                "[{run_id}] stage stored"
            );
        }
    };
    tools.engine.run(job, &note, cancel).await
}

/// The spooled document, or the fetched one, spooled; then its pages.
async fn read_document(
    router: &Router,
    tools: &Tools,
    fence: &Fence,
    source_name: &str,
    url: &str,
) -> Result<Document, RunFailure> {
    let has_files = router.flags().mode().has_files();
    let is_spooled = has_files && router.files().is_spooled(&fence.run);
    let fetched = if is_spooled { None } else { Some(fetch(tools, url).await?) };

    // Only now is it in memory, and only of so many runs at once. The semaphore is never closed.
    let _permit = DOCUMENTS.acquire().await;
    let bytes = match fetched {
        Some(file) => {
            let bytes = read_all(file).await?;
            if has_files {
                spool(router, fence, &bytes).await;
            }
            bytes
        }
        None => router
            .files()
            .spooled(&fence.run)
            .await
            .map_err(|error| RunFailure::from_store(None, &error.into()))?
            .ok_or_else(|| not_kept(&std::io::ErrorKind::NotFound.into()))?,
    };
    let sha256 = sha256_hex(&bytes);
    let document = isolate::extract(source_name, bytes).await?;
    if has_files {
        describe(router, fence, &document, sha256).await;
    }
    Ok(document)
}

/// Downloads into a temporary file, which has no name and goes with its handle.
async fn fetch(tools: &Tools, url: &str) -> Result<File, RunFailure> {
    // Never closed, as below.
    let _permit = DOWNLOADS.acquire().await;
    let url: Url = tools
        .fetcher
        .check(url)
        .map_err(|error| RunFailure::new(FailureCode::DocumentUnavailable, None, error.to_string(), false))?;
    let file = tokio::task::spawn_blocking(tempfile::tempfile).await;
    let file = file.map_err(std::io::Error::other).and_then(|file| file).map_err(|error| not_kept(&error))?;
    let mut file = File::from_std(file);
    tools.fetcher.fetch_into(&url, &mut file).await?;
    Ok(file)
}

async fn read_all(mut file: File) -> Result<Vec<u8>, RunFailure> {
    let mut bytes = Vec::new();
    file.rewind().await.map_err(|error| not_kept(&error))?;
    file.read_to_end(&mut bytes).await.map_err(|error| not_kept(&error))?;
    Ok(bytes)
}

fn not_kept(error: &std::io::Error) -> RunFailure {
    let message = format!("the document could not be kept in a temporary file: {error}");
    RunFailure::new(FailureCode::StorageUnavailable, None, message, true)
}

/// Keeps the document for a resumed run. Without it, a resumed run fetches again.
async fn spool(router: &Router, fence: &Fence, bytes: &[u8]) {
    if let Err(error) = router.files().spool(&fence.run, bytes.into()).await {
        tracing::warn!(%error, "[{}] the document could not be spooled", fence.run);
    }
}

async fn describe(router: &Router, fence: &Fence, document: &Document, sha256: String) {
    let summary = DocumentSummary {
        format: document.format,
        title: document.title.clone(),
        pages: document.pages.len(),
        sha256,
    };
    if let Err(error) = router.files().describe_document(fence, summary).await {
        tracing::warn!(%error, "[{}] the document could not be described in the manifest", fence.run);
    }
}
