//! How the service reads documents: fairly, in children of the fork server, or in processes of their own.

use std::sync::Arc;

use parking_lot::Mutex;
use pipeline::{
    clock::Clock,
    document::{Document, DocumentError},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::config::OcrConfig;

pub use super::offences::Requester;
use super::{
    exchange::Outcome,
    fork_server::{self, ForkServers},
    isolate::Isolation,
    limits::{INPUT_BYTES_MAX, input_too_large},
    ocr::{Completed, Ocr, OcrReport, Turns},
    offences::Offences,
    slots::{Slot, Slots},
    wire::Confinement,
};

/// How many documents are in memory as bytes at once, each of at most 25 MiB.
const DOCUMENTS_MAX: usize = 8;

/// How many scanned documents are in memory besides, while their pages take turns.
const SCANS_MAX: usize = 8;

/// How many children read at once. More would only compete for memory and CPU.
const CHILDREN_MAX: usize = 2;

/// How many pages are read by OCR at once: half of the processors, because each page takes seconds of one. The readers do
/// not wait for it.
fn recognisers_max() -> usize {
    const MOST: usize = 4;
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    (processors / 2).clamp(1, MOST)
}

/// A small document that proves that documents can be read.
const SELF_TEST: &[u8] = b"# Self-test\n\nThe parser reads this sentence.\n";

/// How documents are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReadingMethod {
    /// Each document is read by a forked child of a confined server.
    ForkServer,
    /// Each document is read by a process that is started for it.
    ProcessPerDocument,
}

/// The kernel's rules for the process that reads a document, as the last one found them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ReaderReport {
    pub method: ReadingMethod,
    /// The version of Landlock's rules: no files, no TCP, no signals. 0 without Landlock.
    pub landlock_abi: u32,
    /// Whether a filter refuses all system calls that reading does not need.
    pub seccomp: bool,
    pub memory_bytes_max: u64,
    pub cpu_seconds_max: u64,
}

impl ReaderReport {
    /// Whether the kernel enforces every rule.
    #[must_use]
    pub fn is_confined(&self) -> bool {
        self.landlock_abi > 0 && self.seccomp
    }
}

/// Reads documents.
#[derive(Debug, Clone)]
pub struct Readers(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    isolation: Isolation,
    servers: ForkServers,
    in_memory: Slots,
    reading: Slots,
    recognising: Slots,
    scans_in_memory: Slots,
    ocr: Ocr,
    offences: Arc<Mutex<Offences>>,
    clock: Arc<dyn Clock>,
    last: Mutex<Option<ReaderReport>>,
}

/// The right to hold a document in memory.
#[derive(Debug)]
pub struct InMemory(#[expect(dead_code, reason = "held for its end")] Option<Slot>);

impl Readers {
    /// Readers without OCR.
    #[must_use]
    pub fn new(isolation: Isolation, clock: Arc<dyn Clock>) -> Self {
        let ocr = Ocr::new(OcrConfig::default(), isolation.clone(), clock.clone());
        Self::with_ocr(isolation, ocr, clock)
    }

    /// Readers that leave scanned pages to OCR.
    #[must_use]
    pub fn with_ocr(isolation: Isolation, ocr: Ocr, clock: Arc<dyn Clock>) -> Self {
        let offences = Arc::<Mutex<Offences>>::default();
        Self(Arc::new(Inner {
            isolation,
            servers: ForkServers::new(clock.clone()),
            in_memory: Slots::new(DOCUMENTS_MAX, offences.clone(), clock.clone()),
            reading: Slots::new(CHILDREN_MAX, offences.clone(), clock.clone()),
            recognising: Slots::new(recognisers_max(), offences.clone(), clock.clone()),
            scans_in_memory: Slots::new(SCANS_MAX, offences.clone(), clock.clone()),
            ocr,
            offences,
            clock,
            last: Mutex::default(),
        }))
    }

    /// Waits until a document of this requester may enter memory.
    pub async fn admit(&self, requester: &Requester) -> InMemory {
        InMemory(self.0.in_memory.take(requester).await)
    }

    /// Reads a document in a confined child, when the requester's turn has come.
    ///
    /// # Errors
    ///
    /// As [`Isolation::extract`].
    pub async fn extract(
        &self,
        requester: &Requester,
        source_name: &str,
        bytes: &[u8],
    ) -> Result<Document, DocumentError> {
        self.extract_held(requester, None, ReadingMethod::ForkServer, source_name, bytes).await
    }

    /// As [`Readers::extract`], by this method, if it works. A document that waits minutes for OCR gives its place in memory to another one, and has
    /// one among the scans.
    ///
    /// # Errors
    ///
    /// As [`Isolation::extract`].
    pub async fn extract_held(
        &self,
        requester: &Requester,
        in_memory: Option<InMemory>,
        method: ReadingMethod,
        source_name: &str,
        bytes: &[u8],
    ) -> Result<Document, DocumentError> {
        if bytes.len() > INPUT_BYTES_MAX {
            return Err(input_too_large());
        }
        // Even without a slot, the child would be limited.
        let slot = self.0.reading.take(requester).await;
        let (method, outcome) = self.read(method, source_name, bytes).await;
        drop(slot);
        if let Some(confinement) = outcome.confinement {
            self.note(method, confinement);
        }
        let completed = match outcome.result {
            Ok(scanned) => {
                let waits = !scanned.scans.is_empty();
                let _scan = if waits { self.0.scans_in_memory.take(requester).await } else { None };
                drop(in_memory);
                let turns = Turns(Some((&self.0.recognising, requester)));
                self.0.ocr.complete(scanned, bytes, turns).await
            }
            Err(error) => Completed { result: Err(error), is_offence: false },
        };
        if outcome.is_offence || completed.is_offence {
            self.0.offences.lock().note(requester, self.0.clock.monotonic());
        }
        completed.result
    }

    /// Reads a small document, in the same way as a run's document.
    ///
    /// # Errors
    ///
    /// As [`Isolation::extract`].
    pub async fn self_test(&self) -> Result<(), DocumentError> {
        self.extract(&Requester::Service, "self-test.md", SELF_TEST).await.map(drop)
    }

    /// Looks for the program for OCR, if OCR is on.
    pub async fn probe_ocr(&self) {
        self.0.ocr.probe().await;
    }

    /// The facts about OCR so far.
    #[must_use]
    pub fn ocr_report(&self) -> OcrReport {
        self.0.ocr.report()
    }

    /// None until a document has been read.
    #[must_use]
    pub fn report(&self) -> Option<ReaderReport> {
        *self.0.last.lock()
    }

    /// If the server ends on the way, the document gets a process of its own, so that one document ends at
    /// most one server.
    async fn read(&self, method: ReadingMethod, source_name: &str, bytes: &[u8]) -> (ReadingMethod, Outcome) {
        let Inner { servers, isolation, .. } = &*self.0;
        if method == ReadingMethod::ForkServer
            && let Some(server) = servers.get(isolation.program()).await
        {
            match fork_server::read(&server, &isolation.limits, source_name, bytes).await {
                Ok(outcome) => {
                    servers.worked().await;
                    return (ReadingMethod::ForkServer, outcome);
                }
                Err(lost) => servers.lost(&server, &lost).await,
            }
        }
        (ReadingMethod::ProcessPerDocument, isolation.read(source_name, bytes).await)
    }

    /// Logs the rules at the first document and after each change.
    fn note(&self, method: ReadingMethod, confinement: Confinement) {
        let Confinement { landlock_abi, seccomp } = confinement;
        let sandbox::Profile { memory_bytes, cpu_seconds, .. } = super::limits::PROFILE;
        let (memory_bytes_max, cpu_seconds_max) = (memory_bytes, cpu_seconds);
        let report = ReaderReport { method, landlock_abi, seccomp, memory_bytes_max, cpu_seconds_max };
        if self.0.last.lock().replace(report) == Some(report) {
            return;
        }
        if report.is_confined() {
            tracing::info!(
                event = "document_reader_confined",
                ?method,
                landlock_abi,
                seccomp,
                memory_bytes_max,
                cpu_seconds_max,
                "documents are read without files, network and other processes"
            );
        } else {
            tracing::warn!(
                event = "document_reader_unconfined",
                ?method,
                landlock_abi,
                seccomp,
                memory_bytes_max,
                cpu_seconds_max,
                "this kernel does not confine the reader of documents completely"
            );
        }
    }
}
