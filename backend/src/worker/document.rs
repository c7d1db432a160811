//! A run's first step: its document, fetched or found spooled, and read in isolation.

use pipeline::{
    document::Document,
    failure::{FailureCode, RunFailure},
    record::sha256_hex,
};
use tokio::{
    fs::File,
    io::{AsyncReadExt as _, AsyncSeekExt as _},
    sync::Semaphore,
};
use url::Url;

use super::Tools;
use crate::{
    crash,
    documents::isolate,
    storage::{Fence, files::manifest::DocumentSummary, router::Router},
};

/// How many documents are in memory as bytes at once, each of at most 25 MiB.
const DOCUMENTS_MAX: usize = 8;

/// How many documents are on their way at once: at most 1.6 GB of temporary files, whatever the blob stores do.
const DOWNLOADS_MAX: usize = 64;

static DOWNLOADS: Semaphore = Semaphore::const_new(DOWNLOADS_MAX);

static DOCUMENTS: Semaphore = Semaphore::const_new(DOCUMENTS_MAX);

/// The spooled document, or the fetched one, spooled; then its pages.
pub(super) async fn read(
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
            crash::point("document-fetched");
            let bytes = read_all(file).await?;
            if has_files {
                spool(router, fence, &bytes).await;
                crash::point("document-spooled");
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
