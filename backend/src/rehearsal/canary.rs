//! One run of the built-in sample during which the storage mode is flipped and flipped back.

use std::{collections::HashSet, sync::Arc, time::Duration};

use pipeline::{
    brand::{BrandId, BrandProfile},
    clock::Clock,
    document::CompressedDocument,
    engine::{Engine, Job, StageEvent},
    run::{RunId, Stage},
};
use storage::{
    Acceptance, End, Fence, Lease, RunRequest, RunSubmission, leased::LeasedRun, mode::Flags, prelude::*,
    router::Router, sync::ActiveRuns,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::documents::ocr::Ocr;

const SAMPLE_NAME: &str = "spotted-innovation.md";
const SAMPLE: &[u8] = include_bytes!("../../../data/samples/spotted-innovation.md");
const BRAND: &str = "decathlon";
const PROFILE: &str = include_str!("../../../data/brand-profiles/decathlon.yaml");

/// Nobody downloads it: the document is read from this binary.
const SAMPLE_URL: &str = "https://rehearsal.invalid/spotted-innovation.md";

/// No lease of a run that takes seconds needs a renewal.
const LEASE: Duration = Duration::from_secs(3600);

/// The worker of the canary runs, as the reconciler sees it. It reconciles only when no run is under way.
#[derive(Debug)]
pub struct CanaryWorker(Lease);

impl Default for CanaryWorker {
    fn default() -> Self {
        Self(Lease { owner: uuid::Uuid::now_v7().to_string(), duration: LEASE })
    }
}

impl ActiveRuns for CanaryWorker {
    fn is_working_on(&self, _run: &RunId) -> bool {
        false
    }

    fn lease(&self) -> &Lease {
        &self.0
    }
}

/// When the mode is flipped back. Both runs begin in `DUAL_WRITE`, and `FILE_ONLY` begins after stage 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FlipBack {
    AfterStage3,
    /// The files alone have the end, which reconciliation must bring into the database.
    AfterTheEnd,
}

impl FlipBack {
    /// The modes under which the stages 1 to 4 are written.
    pub(super) const fn modes(self) -> [&'static str; 4] {
        match self {
            Self::AfterStage3 => ["DUAL_WRITE", "FILE_ONLY", "FILE_ONLY", "DUAL_WRITE"],
            Self::AfterTheEnd => ["DUAL_WRITE", "FILE_ONLY", "FILE_ONLY", "FILE_ONLY"],
        }
    }
}

/// Both stores, and the flags that the canary flips.
#[derive(Debug)]
pub struct Canary {
    pub router: Arc<Router>,
    pub flags: watch::Sender<Flags>,
    pub worker: Arc<CanaryWorker>,
    /// With the analyst that needs no key.
    pub engine: Engine,
    pub ocr: Ocr,
    pub clock: Arc<dyn Clock>,
}

impl Canary {
    /// Runs the sample. Returns the mode under which each stage was written.
    pub(super) async fn run(&self, id: &RunId, back: FlipBack) -> Result<Vec<String>, String> {
        let brand_id = BrandId::parse(BRAND).map_err(|error| error.to_string())?;
        let brand =
            BrandProfile::from_yaml(brand_id.clone(), PROFILE, None).map_err(|error| error.to_string())?;
        let document = self.ocr.extract(SAMPLE_NAME, SAMPLE).await.map_err(|error| error.to_string())?;
        let document = CompressedDocument::new(document).map_err(|error| error.to_string())?;
        let fence = self.accept(id, brand_id).await?;
        let store = LeasedRun::new(&self.router, &fence, Vec::new());
        let job =
            Job { run: id, store: &store, document: &document, brand: &brand, answers: None, lost_usd: 0.0 };
        let flip = |event: StageEvent| self.flip_after(&event, back);
        let finished = self.engine.run(job, &flip, &CancellationToken::new()).await;
        let finished = finished.map_err(|failure| failure.message)?;
        let end = End::Completed { records: &finished.records, report: &finished.report };
        self.router.finish(&fence, end, self.clock.now()).await.map_err(|error| error.to_string())?;
        self.flip_to(true);
        self.router.forget(id);
        Ok(finished.records.into_iter().map(|record| record.meta.mode).collect())
    }

    async fn accept(&self, id: &RunId, brand: BrandId) -> Result<Fence, String> {
        let request = RunRequest::by_url(SAMPLE_NAME.to_owned(), SAMPLE_URL.to_owned(), brand, None)
            .map_err(|error| error.to_string())?;
        let new = RunSubmission { id: id.clone(), request, accepted_at: self.clock.now() };
        match self.router.accept(&new, Some(self.worker.lease())).await {
            Ok(Acceptance::New(Some(fence))) => {
                self.router.register_active(&fence, new, HashSet::new());
                Ok(fence)
            }
            Ok(other) => Err(format!("the canary run was not accepted: {other:?}")),
            Err(error) => Err(format!("the canary run was not accepted: {error}")),
        }
    }

    fn flip_after(&self, event: &StageEvent, back: FlipBack) {
        let StageEvent::Stored { meta, .. } = event else { return };
        match meta.stage {
            Stage::InputProcessing => self.flip_to(false),
            Stage::GeneralTranslation if back == FlipBack::AfterStage3 => self.flip_to(true),
            _ => {}
        }
    }

    fn flip_to(&self, database_writes: bool) {
        self.flags.send_modify(|flags| {
            *flags = Flags { database_writes, revision: flags.revision + 1, ..*flags };
        });
    }
}
