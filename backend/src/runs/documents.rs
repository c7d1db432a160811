//! The kept document of a run, and its pages as pictures.

use pipeline::{
    document::{DocumentError, Format, RENDERER},
    record::StageRecord,
    report::{ReportInput, ReportQuote, quotes},
    run::RunId,
};
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

use super::{
    query::{QueryError, RunView},
    service::Runs,
};
use crate::{
    access::Scope,
    documents::pictures::{Picture, PictureError, PictureKey},
};
use storage::{StorageError, files::KeptDocument};

/// Why there is no document, or no picture of a page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentQueryError {
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error("the document of run {0} is not kept here; the report has its quotes and pages")]
    NotKept(RunId),
    #[error("the document has no page {0}")]
    NoSuchPage(u32),
    #[error("only pages of a PDF can be shown as pictures")]
    NoPictures,
    /// The page or the document cannot be drawn.
    #[error("the page cannot be shown as a picture: {0}")]
    NotDrawable(DocumentError),
    #[error("too many pages or documents are asked for at the moment; try again")]
    Busy,
}

impl From<StorageError> for DocumentQueryError {
    fn from(error: StorageError) -> Self {
        Self::Query(QueryError::Unavailable(error))
    }
}

/// A document on its way to a client.
#[derive(Debug)]
pub struct SentDocument {
    pub bytes: Vec<u8>,
    /// Held until the client has it.
    pub permit: OwnedSemaphorePermit,
}

impl Runs {
    /// As [`Runs::view`], and also says until when the document is kept.
    ///
    /// # Errors
    ///
    /// As [`Runs::view`].
    pub async fn view_with_document(&self, run_id: &RunId, scope: &Scope) -> Result<RunView, QueryError> {
        let mut view = self.view(run_id, scope).await?;
        if view.finished_at.is_some() {
            // A place that cannot say whether it has the document shows none.
            let kept = self.router.files().kept_document(run_id).await.ok().flatten();
            view.kept_until = kept.map(|kept| kept.until);
        }
        Ok(view)
    }

    /// The run with the facts about its kept document.
    ///
    /// # Errors
    ///
    /// [`DocumentQueryError::NotKept`] if it is not kept here. [`DocumentQueryError::Query`] as [`Runs::view`].
    pub async fn kept_document(
        &self,
        run_id: &RunId,
        scope: &Scope,
    ) -> Result<(RunView, KeptDocument), DocumentQueryError> {
        let view = self.view(run_id, scope).await?;
        Ok((view, self.document_here(run_id).await?))
    }

    /// The facts about the kept document of a run that the caller has seen.
    ///
    /// # Errors
    ///
    /// [`DocumentQueryError::NotKept`] if it is not kept here. [`DocumentQueryError::Query`] if storage fails.
    pub async fn document_here(&self, run_id: &RunId) -> Result<KeptDocument, DocumentQueryError> {
        let kept = self.router.files().kept_document(run_id).await?;
        kept.ok_or_else(|| DocumentQueryError::NotKept(run_id.clone()))
    }

    /// Reads the kept document for a client.
    ///
    /// # Errors
    ///
    /// [`DocumentQueryError::Busy`] if too many clients read documents. Otherwise as [`Runs::kept_document`].
    pub async fn send_document(&self, run_id: &RunId) -> Result<SentDocument, DocumentQueryError> {
        let permit = self.sending.clone().try_acquire_owned().map_err(|_| DocumentQueryError::Busy)?;
        Ok(SentDocument { bytes: self.read_document(run_id).await?, permit })
    }

    async fn read_document(&self, run_id: &RunId) -> Result<Vec<u8>, DocumentQueryError> {
        let read = self.router.files().read_document(run_id).await?;
        read.ok_or_else(|| DocumentQueryError::NotKept(run_id.clone()))
    }

    /// The picture of a page of a kept document.
    ///
    /// # Errors
    ///
    /// [`DocumentQueryError::NoPictures`], [`DocumentQueryError::NoSuchPage`] or [`DocumentQueryError::NotDrawable`] if
    /// there is no picture. [`DocumentQueryError::Busy`] if too many pages are asked for. Otherwise as
    /// [`Runs::kept_document`].
    pub async fn page_picture(
        &self,
        run_id: &RunId,
        kept: &KeptDocument,
        page: u32,
    ) -> Result<Picture, DocumentQueryError> {
        if kept.format != Format::Pdf {
            return Err(DocumentQueryError::NoPictures);
        }
        let key = PictureKey { sha256: kept.sha256.clone(), page };
        let drawn =
            self.pictures.get(&key, async { self.read_document(run_id).await.map_err(Drawing::Query) });
        drawn.await.map_err(|error| match error {
            Drawing::Query(error) => error,
            Drawing::Picture(PictureError::NoSuchPage(_)) => DocumentQueryError::NoSuchPage(page),
            Drawing::Picture(PictureError::Document(error)) if !error.can_retry() => {
                DocumentQueryError::NotDrawable(error)
            }
            Drawing::Picture(PictureError::Document(_) | PictureError::Busy) => DocumentQueryError::Busy,
        })
    }
}

/// Why a page could not be drawn: the document could not be read, or the page could not be drawn.
enum Drawing {
    Query(DocumentQueryError),
    Picture(PictureError),
}

impl From<PictureError> for Drawing {
    fn from(error: PictureError) -> Self {
        Self::Picture(error)
    }
}

/// Names the content of a page's picture: the document, the page, and the renderer's version.
#[must_use]
pub fn picture_tag(kept: &KeptDocument, page: u32) -> String {
    format!("\"{}-{page}-{RENDERER}\"", kept.sha256)
}

/// The quotes of a run's report, in its order. None before the last stage is stored.
#[must_use]
pub fn quotes_of(view: &RunView) -> Option<Vec<ReportQuote>> {
    let outputs = view.stages.iter().filter_map(|stage| stage.output.clone());
    // A record of another release that this one cannot read has no quotes for it.
    let records: Vec<StageRecord> =
        outputs.filter_map(|output| serde_json::from_value(Value::Object(output)).ok()).collect();
    let input = ReportInput::of_records(&view.run_id, &records)?;
    quotes(&input).ok()
}

/// The quote of a run's report with this label, such as `E12`.
#[must_use]
pub fn quote_of(view: &RunView, label: &str) -> Option<ReportQuote> {
    quotes_of(view)?.into_iter().find(|quote| quote.label == label)
}
