//! A run's first step: fetches the document or finds it spooled, and has it read in a confined child.

use std::sync::Arc;

use pipeline::{
    document::{CompressedDocument, Document, Page},
    failure::{FailureCode, RunFailure},
    record::sha256_hex,
};
use tracing::Instrument as _;
use url::Url;

use super::{download::Kept, settings::WorkerDeps};
use crate::{
    documents::{
        fetch::Download,
        name,
        readers::{ReadingMethod, Requester},
        sample,
    },
    flags::definitions::EXTRACTION_POOL,
    telemetry::{metrics, traces},
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
    // Nobody has spooled the document of a run that begins.
    let may_be_spooled = has_files && fence.epoch > 1;
    let is_spooled = is_sample || (may_be_spooled && router.files().is_spooled(&fence.run));
    // Every log line of the download names the run.
    let span = tracing::error_span!("document", run_id = %fence.run);
    let fetched = if is_spooled { None } else { Some(fetch(deps, url).instrument(span).await?) };

    // The bytes enter memory only here, for a limited number of runs at once.
    let requester = Requester::of_user(request.user_id.as_deref());
    let in_memory = Some(deps.readers.admit(&requester).await);
    let mut is_new = fetched.is_some();
    let mut server_name = None;
    let kept = match fetched {
        Some(Fetched::Kept(kept, download)) => {
            failpoints::hit("document-fetched");
            server_name = download.name;
            Some(kept.into_bytes().await.map_err(|error| not_kept(&error))?)
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
    let extraction = async {
        let began = deps.clock.monotonic();
        let read = deps.readers.extract_held(&requester, in_memory, method, source_name, &bytes).await;
        let took = deps.clock.monotonic().saturating_sub(began);
        metrics::document_read(read.is_ok(), took);
        traces::document_read(read.is_ok(), took);
        read
    };
    let (document, ()) = tokio::join!(extraction, spooling);
    let document = document?;
    if is_new && has_files {
        compare(router, fence, &sha256).await?;
    }
    if has_files && router.files().needs_document_copy() {
        keep(router.files().clone(), fence.clone(), bytes);
    }
    router.files().note_document(&fence.run, DocumentSummary::new(&document, sha256));
    pack(document).await
}

/// Packs the document for the time in which models think.
async fn pack(document: Document) -> Result<CompressedDocument, RunFailure> {
    /// Packing more would block the other tasks of this thread; this much takes less than a millisecond.
    const PACKED_AT_ONCE_MAX: usize = 64 * 1024;
    let packed = if packed_bytes(&document) <= PACKED_AT_ONCE_MAX {
        CompressedDocument::new(document)
    } else {
        let packed = tokio::task::spawn_blocking(|| CompressedDocument::new(document)).await;
        packed.unwrap_or_else(|panic| Err(std::io::Error::other(panic).into()))
    };
    packed.map_err(|error| RunFailure::from_compression(None, &error))
}

/// About as many bytes as are packed. A stranger may have put most of them where no reader sees them.
fn packed_bytes(document: &Document) -> usize {
    /// The bytes of a page, a mark or a passage beside its text.
    const FIELDS_BYTES: usize = 128;
    let of_page = |page: &Page| {
        let facts = 1 + page.marks.len() + page.running_header_lines.len();
        page.text.len() + page.label.as_ref().map_or(0, String::len) + facts * FIELDS_BYTES
    };
    let pages: usize = document.pages.iter().map(of_page).sum();
    let hidden: usize = document.hidden.iter().map(|hidden| hidden.text.len() + FIELDS_BYTES).sum();
    let warnings: usize = document.warnings.iter().map(String::len).sum();
    pages + hidden + warnings + document.title.as_ref().map_or(0, String::len)
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
    Kept(Kept, Download),
    /// The disk failed for this reason, which is not the document's fault.
    NotKept(String),
}

async fn fetch(deps: &WorkerDeps, url: &str) -> Result<Fetched, RunFailure> {
    let url = check(deps, url)?;
    let mut keeping = deps.downloads.keep();
    let fetched = deps.fetcher.fetch_into(&url, &mut keeping).await;
    match keeping.into_kept() {
        Err(reason) => Ok(Fetched::NotKept(reason)),
        Ok(kept) => fetched.map(|download| Fetched::Kept(kept, download)).map_err(RunFailure::from),
    }
}

fn check(deps: &WorkerDeps, url: &str) -> Result<Url, RunFailure> {
    deps.fetcher
        .check(url)
        .map_err(|error| RunFailure::new(FailureCode::DocumentUnavailable, None, error.to_string(), false))
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

#[cfg(test)]
mod tests {
    use pipeline::document::{HiddenReason, HiddenText};

    use super::*;

    #[test]
    fn hidden_text_counts_as_packed() {
        let long = "x".repeat(1_000);
        let page = Page { text: long.clone(), label: Some(long.clone()), ..Page::default() };
        let hidden = HiddenText { page: 1, reason: HiddenReason::Marked, text: long };
        let document = Document { pages: vec![page], hidden: vec![hidden], ..Document::default() };
        assert!((3_000..4_000).contains(&packed_bytes(&document)));
    }
}
