//! One run, from its document to its end.

use pipeline::{
    brand::BrandProfile,
    document::Document,
    engine::{Event, Finished, Job},
    failure::{FailureCode, RunFailure},
    record::sha256_hex,
};
use tokio::{
    fs::File,
    io::{AsyncReadExt as _, AsyncSeekExt as _},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{Inner, Tools};
use crate::{
    documents::isolate,
    storage::{
        End, Fence, NewRun, Snapshot, StorageError, StorageErrorKind, Store as _,
        files::manifest::DocumentSummary, leased::LeasedRun, router::Router,
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

/// Works on a run and writes its end. Never panics, never returns an error: a run's trouble is the run's.
pub(super) async fn work(inner: &Inner, fence: &Fence, lost: &CancellationToken) {
    let Inner { router, tools, stopping, .. } = inner;
    let run_id = &fence.run;
    match router.heal(fence).await {
        Ok(true) => {
            tracing::info!("[{run_id}] had ended in files; the database knows it now");
            return;
        }
        Ok(false) => {}
        Err(error) if error.kind == StorageErrorKind::Fenced => return,
        // The run goes on with what is there; what is missing is marked.
        Err(error) => tracing::warn!(%error, "[{run_id}] the stores could not be brought together"),
    }
    tracing::info!(epoch = fence.epoch, "[{run_id}] started");
    match outcome(router, tools, fence, lost, stopping).await {
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
            if let Err(error) = router.follow_database(fence).await {
                tracing::warn!(%error, "[{run_id}] its end could not be noted in files");
            }
        }
        Outcome::Stopped => match router.release(fence).await {
            Ok(()) => tracing::info!("[{run_id}] given back"),
            Err(error) => tracing::warn!(%error, "[{run_id}] could not be given back; its lease will end"),
        },
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
                if let Err(error) = router.follow_database(fence).await {
                    tracing::warn!(%error, "[{run_id}] its end could not be noted in files");
                }
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

async fn outcome(
    router: &Router,
    tools: &Tools,
    fence: &Fence,
    lost: &CancellationToken,
    stopping: &CancellationToken,
) -> Outcome {
    let cancel = CancellationToken::new();
    let store = LeasedRun::new(router, fence);
    let execution = execute(router, tools, fence, &store, &cancel);
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
    cancel: &CancellationToken,
) -> Result<Finished, RunFailure> {
    let unavailable = |error: StorageError| RunFailure::from_store(None, &error.into());
    let snapshot = router.load(&fence.run).await.map_err(unavailable)?;
    let internal = |what: &str| RunFailure::new(FailureCode::Internal, None, what, false);
    let Snapshot { request, accepted_at, lost_usd, .. } =
        snapshot.ok_or_else(|| internal("the run's record has gone"))?;
    let request = request.ok_or_else(|| internal("the run's record does not say what was asked"))?;
    let brand = tools.brands.load(&request.brand_id)?;
    let new = NewRun {
        id: fence.run.clone(),
        request: request.clone(),
        accepted_at: accepted_at.unwrap_or_default(),
    };
    router.remember(fence, new);
    let url = request.document_url.ok_or_else(|| internal("the run's record names no document"))?;
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
