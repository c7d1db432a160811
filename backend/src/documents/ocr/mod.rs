//! OCR: reads the pages of a document that are pictures, with the program `tesseract` where it is installed.
//!
//! 1. A confined child of this binary draws a page ([`picture`]) and sends its pixels.
//! 2. A second process confines itself and becomes `tesseract` ([`confined`]). It gets the pixels behind a head that the
//!    service writes, so the program parses no format of pictures. Its table is as untrusted as the page ([`engine_run`]).
//! 3. `pipeline::document::recognition` joins what the program read with the rest of the document.
//!
//! Architecture invariant: the service never starts `tesseract` itself for a document, only [`confined`] does.

pub mod confined;
mod engine;
mod engine_run;
pub mod picture;
mod report;

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use pipeline::{
    clock::Clock,
    document::{
        Document, DocumentError,
        recognition::{self, PageReading, Recognition, Scanned},
    },
};
use tokio::sync::OnceCell;

use self::engine::Engine;
pub use self::report::OcrReport;
use super::{
    isolate::Isolation,
    offences::Requester,
    slots::{Slot, Slots},
    wire::Confinement,
};
use crate::config::{OcrConfig, OcrSetting};

/// Reads pictures of pages.
#[derive(Debug, Clone)]
pub struct Ocr(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: OcrConfig,
    isolation: Isolation,
    clock: Arc<dyn Clock>,
    /// Looked for at the first need. The error says what to do.
    engine: OnceCell<Result<Engine, String>>,
    /// The rules for the last process that became the program.
    last: Mutex<Option<Confinement>>,
}

/// The turns of documents. A command reads one document, and needs none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turns<'a>(pub(super) Option<(&'a Slots, &'a Requester)>);

impl Turns<'_> {
    async fn take(self) -> Option<Slot> {
        let (slots, requester) = self.0?;
        slots.take(requester).await
    }
}

/// A document after OCR.
#[derive(Debug)]
pub(super) struct Completed {
    pub(super) result: Result<Document, DocumentError>,
    /// Whether a page ended or exhausted a process.
    pub(super) is_offence: bool,
}

impl Ocr {
    #[must_use]
    pub fn new(config: OcrConfig, isolation: Isolation, clock: Arc<dyn Clock>) -> Self {
        let (engine, last) = (OnceCell::new(), Mutex::default());
        Self(Arc::new(Inner { config, isolation, clock, engine, last }))
    }

    /// Reads a document in a confined child, as a command does.
    ///
    /// # Errors
    ///
    /// As [`Isolation::extract`].
    pub async fn extract(&self, source_name: &str, bytes: &[u8]) -> Result<Document, DocumentError> {
        let scanned = self.0.isolation.extract_scanned(source_name, bytes).await?;
        self.complete(scanned, bytes, Turns(None)).await.result
    }

    /// Looks for the program, and tries it in its sandbox. Logs the result once.
    pub async fn probe(&self) {
        if self.0.config.setting == OcrSetting::Auto {
            self.engine().await.ok();
        }
    }

    /// The facts about the program so far.
    #[must_use]
    pub fn report(&self) -> OcrReport {
        OcrReport::of(self.0.config.setting, self.0.engine.get(), *self.0.last.lock())
    }

    /// Reads the document's scans, and completes it.
    pub(super) async fn complete(&self, scanned: Scanned, bytes: &[u8], turns: Turns<'_>) -> Completed {
        if scanned.scans.is_empty() {
            return Completed { result: Ok(scanned.document), is_offence: false };
        }
        if self.0.config.setting == OcrSetting::Off {
            return finished(move || recognition::without(scanned, recognition::OFF), false).await;
        }
        let engine = match self.engine().await {
            Ok(engine) => engine,
            Err(advice) => {
                let advice = advice.clone();
                return finished(move || recognition::without(scanned, &advice), false).await;
            }
        };
        let Reading { pages, is_offence } = match self.read(engine, &scanned, bytes, turns).await {
            Ok(reading) => reading,
            Err(error) => return Completed { result: Err(error), is_offence: false },
        };
        let pages_max = self.0.config.pages_max;
        let recognition = Recognition { engine: engine.name.clone(), pages, pages_max };
        finished(move || recognition::join(scanned, recognition), is_offence).await
    }

    /// Reads one page after the other, each in its turn.
    async fn read(
        &self,
        engine: &Engine,
        scanned: &Scanned,
        bytes: &[u8],
        turns: Turns<'_>,
    ) -> Result<Reading, DocumentError> {
        let Inner { config, isolation, clock, last, .. } = &*self.0;
        let mut reading = Reading { pages: Vec::new(), is_offence: false };
        let mut spent = Duration::ZERO;
        for page in scanned.scans.pages().into_iter().take(config.pages_max) {
            let slot = turns.take().await;
            let begun = clock.monotonic();
            let left = config.deadline.saturating_sub(spent);
            let read = async {
                let picture = match picture::draw(isolation, page, bytes).await {
                    Ok(picture) => picture,
                    Err(DocumentError::Unavailable(reason)) => {
                        return Err(DocumentError::Unavailable(reason));
                    }
                    // The fault of the page: the other ones may be sound.
                    Err(_) => {
                        return Ok((PageReading::Failed("its picture cannot be drawn".to_owned()), false));
                    }
                };
                engine_run::read(isolation, engine, picture, last).await
            };
            let overdue = || {
                let limit = config.deadline.as_secs();
                DocumentError::Timeout(format!(
                    "OCR of its scanned pages took more than {limit} s, set by OCR_DEADLINE_SECONDS; divide the document"
                ))
            };
            // Dropped at the limit, the processes end.
            let (result, is_offence) = tokio::time::timeout(left, read).await.map_err(|_| overdue())??;
            drop(slot);
            spent += clock.monotonic().saturating_sub(begun);
            reading.is_offence |= is_offence;
            reading.pages.push((page, result));
        }
        Ok(reading)
    }

    /// The program, or what to do about its absence.
    async fn engine(&self) -> Result<&Engine, &String> {
        let Inner { config, isolation, engine, last, .. } = &*self.0;
        let find = || async {
            let found = async {
                let engine = engine::find(config).await?;
                engine_run::try_out(isolation, &engine, last).await?;
                Ok(engine)
            };
            let found = found.await;
            report::log(found.as_ref(), *last.lock());
            found
        };
        engine.get_or_init(find).await.as_ref()
    }
}

/// The pages of a document as far as they were read.
struct Reading {
    pages: Vec<(u32, PageReading)>,
    is_offence: bool,
}

/// The last steps look at the whole text, so they must not block the other tasks of this thread.
async fn finished(
    finish: impl FnOnce() -> Result<Document, DocumentError> + Send + 'static,
    is_offence: bool,
) -> Completed {
    let result = tokio::task::spawn_blocking(finish).await.unwrap_or_else(|_| {
        Err(DocumentError::Corrupt("its recognised pages contradict each other".to_owned()))
    });
    Completed { result, is_offence }
}
