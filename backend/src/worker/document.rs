//! A run's first step: fetches the document or finds it spooled, and has it read in a confined child.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use pipeline::{
    document::CompressedDocument,
    failure::{FailureCode, RunFailure},
    record::sha256_hex,
};
use tokio::{
    fs::File,
    io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWrite},
};
use tracing::Instrument as _;
use url::Url;

use super::settings::WorkerDeps;
use crate::{
    documents::{
        fetch::{Download, Sink},
        name,
        readers::{ReadingMethod, Requester},
        sample,
    },
    flags::definitions::EXTRACTION_POOL,
};
use foundation::failpoints;
use storage::{
    Fence, RunRequest,
    files::{FileStore, manifest::DocumentSummary},
    router::Router,
};

/// Reads the spooled document, or fetches it and spools it while the child reads it.
pub(super) async fn read(
    router: &Router,
    deps: &WorkerDeps,
    fence: &Fence,
    request: &RunRequest,
    url: &str,
) -> Result<CompressedDocument, RunFailure> {
    let has_files = router.expects_files();
    let is_sample = sample::is_address(url);
    let is_spooled = is_sample || (has_files && router.files().is_spooled(&fence.run));
    // Every log line of the download names the run.
    let span = tracing::error_span!("document", run_id = %fence.run);
    let fetched = if is_spooled { None } else { Some(fetch(deps, url).instrument(span).await?) };

    // The bytes enter memory only here, for a limited number of runs at once.
    let requester = Requester::of_user(request.user_id.as_deref());
    let in_memory = Some(deps.readers.admit(&requester).await);
    let mut is_new = fetched.is_some();
    let mut server_name = None;
    let kept = match fetched {
        Some(Fetched::Kept(file, download)) => {
            failpoints::hit("document-fetched");
            server_name = download.name;
            Some(read_all(file).await?)
        }
        Some(Fetched::NotKept(reason)) => {
            tracing::warn!(
                event = "temporary_file_unavailable",
                reason,
                "[{}] no temporary file can be written; the document is fetched into memory",
                fence.run
            );
            None
        }
        None if is_sample => Some(sample::BYTES.to_vec()),
        None => spooled(router, fence).await,
    };
    let bytes = match kept {
        Some(bytes) => bytes,
        None => {
            let mut bytes = Vec::new();
            server_name = deps.fetcher.fetch_into(&check(deps, url)?, &mut bytes).await?.name;
            is_new = true;
            bytes
        }
    };
    let sha256 = sha256_hex(&bytes);
    let bytes: Arc<[u8]> = bytes.into();
    let spooling = async {
        if is_new && has_files {
            spool(router, fence, bytes.clone()).await;
            failpoints::hit("document-spooled");
        }
    };
    let source_name = name::choose(&request.source, server_name.as_deref());
    let method = if deps.flags.is_on_for(&EXTRACTION_POOL, fence.run.as_str()) {
        ReadingMethod::ForkServer
    } else {
        ReadingMethod::ProcessPerDocument
    };
    let extraction = deps.readers.extract_held(&requester, in_memory, method, source_name, &bytes);
    let (document, ()) = tokio::join!(extraction, spooling);
    let document = document?;
    if is_new && has_files {
        compare(router, fence, &sha256).await?;
    }
    if has_files && router.files().needs_document_copy() {
        keep(router.files().clone(), fence.clone(), bytes);
    }
    router.files().note_document(&fence.run, DocumentSummary::new(&document, sha256));
    // Packing megabytes of text would block the other tasks of this thread.
    let packed = tokio::task::spawn_blocking(|| CompressedDocument::new(document)).await;
    packed
        .unwrap_or_else(|panic| Err(std::io::Error::other(panic).into()))
        .map_err(|error| RunFailure::from_compression(None, &error))
}

/// The document that an earlier attempt has spooled. None if it has gone since, or cannot be read: its address has it too.
async fn spooled(router: &Router, fence: &Fence) -> Option<Vec<u8>> {
    match router.files().spooled(&fence.run).await {
        Ok(bytes) => bytes,
        Err(error) => {
            tracing::warn!(event = "spooled_document_unreadable", run_id = %fence.run, %error, "the spooled document cannot be read; it is fetched again");
            None
        }
    }
}

/// Checks that a second download returned the document of the stored stages. A run of epoch 1 has no stored
/// stages.
async fn compare(router: &Router, fence: &Fence, sha256: &str) -> Result<(), RunFailure> {
    if fence.epoch <= 1 {
        return Ok(());
    }
    // If the manifest cannot be read now, the comparison is skipped: the claim has read it before.
    let manifest = router.files().manifest(&fence.run).await.ok().flatten();
    let known =
        manifest.filter(|manifest| !manifest.stages.is_empty()).and_then(|manifest| manifest.document);
    if known.is_none_or(|known| known.sha256 == sha256) {
        return Ok(());
    }
    let message = "the document at this address differs from the one that the stored stages were made from";
    Err(RunFailure::new(FailureCode::DocumentUnavailable, None, message, false))
}

/// The result of a download.
enum Fetched {
    /// In a temporary file without a name, which the system removes when the handle closes.
    Kept(File, Download),
    /// The disk failed for this reason, which is not the document's fault.
    NotKept(String),
}

async fn fetch(deps: &WorkerDeps, url: &str) -> Result<Fetched, RunFailure> {
    let url = check(deps, url)?;
    let file = tokio::task::spawn_blocking(tempfile::tempfile).await;
    let file = match file.map_err(std::io::Error::other).and_then(|file| file) {
        Ok(file) => File::from_std(file),
        Err(error) => return Ok(Fetched::NotKept(error.to_string())),
    };
    let mut sink = FileSink { file, error: None };
    let fetched = deps.fetcher.fetch_into(&url, &mut sink).await;
    match sink.error {
        Some(error) => Ok(Fetched::NotKept(error)),
        None => fetched.map(|download| Fetched::Kept(sink.file, download)).map_err(RunFailure::from),
    }
}

fn check(deps: &WorkerDeps, url: &str) -> Result<Url, RunFailure> {
    deps.fetcher
        .check(url)
        .map_err(|error| RunFailure::new(FailureCode::DocumentUnavailable, None, error.to_string(), false))
}

/// A file that remembers why a write failed.
struct FileSink {
    file: File,
    error: Option<String>,
}

impl FileSink {
    fn note<T>(&mut self, polled: Poll<std::io::Result<T>>) -> Poll<std::io::Result<T>> {
        if let Poll::Ready(Err(error)) = &polled {
            self.error = Some(error.to_string());
        }
        polled
    }
}

impl AsyncWrite for FileSink {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let polled = Pin::new(&mut self.file).poll_write(context, bytes);
        self.note(polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let polled = Pin::new(&mut self.file).poll_flush(context);
        self.note(polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let polled = Pin::new(&mut self.file).poll_shutdown(context);
        self.note(polled)
    }
}

impl Sink for FileSink {
    async fn restart(&mut self) -> std::io::Result<()> {
        let emptied = async {
            self.file.set_len(0).await?;
            self.file.rewind().await.map(|_| ())
        };
        let emptied = emptied.await;
        if let Err(error) = &emptied {
            self.error = Some(error.to_string());
        }
        emptied
    }
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

/// Spools the document for a resumed run. Without it, a resumed run downloads the document again.
async fn spool(router: &Router, fence: &Fence, bytes: Arc<[u8]>) {
    if let Err(error) = router.files().spool(fence, bytes).await {
        tracing::warn!(event = "document_spool_failed", %error, "[{}] the document could not be spooled", fence.run);
    }
}

/// Copies the document into the bucket for readers of the report, beside the run: the run does not wait for a slow line, and
/// never fails because of it.
fn keep(files: FileStore, fence: Fence, bytes: Arc<[u8]>) {
    tokio::spawn(async move {
        if let Err(error) = files.copy_document(&fence, bytes).await {
            let run = &fence.run;
            tracing::warn!(event = "document_not_kept", run_id = %run, %error, "[{run}] the document could not be kept for readers of the report");
        }
    });
}
