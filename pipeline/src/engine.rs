//! The stage loop: it takes the stored stages, continues at the first missing one, and stops cleanly when
//! cancelled.
//!
//! # Invariants
//!
//! * A stage that the store returns is never asked for again, because an answer costs money.
//! * A stage counts only when the store has it. Only then does the next one begin.
//! * Cancellation ends a stage in flight, or takes effect between stages. It never interrupts a write.

mod lease;
mod look_up;
mod turns;

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

pub use self::turns::{Turn, Turns};
use self::{
    lease::{Attempt, StageLease},
    look_up::{Grounded, LookUp},
};
use crate::{
    analyst::{Analyst, AnalystError, Answer, StageInput},
    answers::AnswerCache,
    brand::BrandProfile,
    clock::{Clock, Timestamp},
    compressed::Compressed,
    document::CompressedDocument,
    failure::{FailureCode, RunFailure},
    llm::{LlmErrorCode, Usage},
    prior_outputs::PriorOutputs,
    record::{BrandFacts, DocumentFacts, RecordContext, StageMeta, StageRecord},
    report::{self, ReportInput},
    run::{RunId, Stage},
    stages::{StageOutput, references},
    store::{RunStore, WriteMode},
};

/// Runs stages. It is cheap to clone, and holds no state of any run.
#[derive(Debug, Clone)]
pub struct Engine {
    pub analyst: Arc<dyn Analyst>,
    pub clock: Arc<dyn Clock>,
    /// The most that all stages of one run may cost together, in US dollars.
    pub cost_limit_usd: Option<f64>,
    pub turns: Turns,
}

/// One run's work.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    pub run: &'a RunId,
    pub store: &'a dyn RunStore,
    pub document: &'a CompressedDocument,
    pub brand: &'a BrandProfile,
    /// Answers of earlier runs that this run may use. None without a cache.
    pub answers: Option<&'a dyn AnswerCache>,
    /// The cost of earlier attempts that stored no stage, in US dollars. It counts against the limit.
    pub lost_usd: f64,
}

/// A step of a run, reported when it happens.
#[derive(Debug, Clone)]
pub enum StageEvent {
    /// The stage is already stored, so the analyst is not asked.
    Reused {
        meta: StageMeta,
        item_count: usize,
    },
    Started {
        stage: Stage,
    },
    /// The stage's record is durable.
    Stored {
        meta: StageMeta,
        item_count: usize,
        elapsed: Duration,
    },
}

/// A finished run.
#[derive(Debug)]
pub struct Finished {
    /// The records of stages 1 to 4, in order.
    pub records: Vec<StageRecord>,
    pub report: String,
    /// The run's turn, until its end is stored.
    pub turn: Turn,
}

impl Engine {
    /// An engine with turns of its own.
    #[must_use]
    pub fn new(analyst: Arc<dyn Analyst>, clock: Arc<dyn Clock>, cost_limit_usd: Option<f64>) -> Self {
        Self { analyst, clock, cost_limit_usd, turns: Turns::default() }
    }

    /// Runs the missing stages and writes the report, which the caller stores with the run's end.
    ///
    /// # Errors
    ///
    /// [`RunFailure`] with the code of its cause: no answer, a failed store, the cost limit, or a cancelled
    /// run. Stored stages stay stored.
    pub async fn run(
        &self,
        job: Job<'_>,
        events: &(dyn Fn(StageEvent) + Send + Sync),
        cancel: &CancellationToken,
    ) -> Result<Finished, RunFailure> {
        let load = job.store.load_stages().await;
        let mut stored = load.map_err(|error| RunFailure::from_store(None, &error))?;
        let mut progress = RunProgress::default();
        let mut turn = Turn::default();

        let last_stored = stored.iter().map(|record| record.meta.stage).max();
        for stage in Stage::ALL {
            if let Some(position) = stored.iter().position(|record| record.meta.stage == stage) {
                let record = stored.swap_remove(position);
                let item_count = progress.take(&record)?;
                events(StageEvent::Reused { meta: record.meta, item_count });
                continue;
            }
            drop(turn);
            lease::wait(job.store, stage, cancel).await?;
            self.check_cost_is_known(stage, progress.unknown_cost)?;
            events(StageEvent::Started { stage });
            let started = self.clock.monotonic();
            let later_is_stored = last_stored.is_some_and(|last| last > stage);
            let (record, granted) =
                self.answer_under_lease(stage, &job, &progress, later_is_stored, cancel).await?;
            turn = granted;
            let storing = async {
                if let Some(answers) = job.answers {
                    answers.settled().await;
                }
                job.store.store_stage(record).await
            };
            let record =
                turn.store(storing).await.map_err(|error| RunFailure::from_store(Some(stage), &error))?;
            let elapsed = self.clock.monotonic().saturating_sub(started);
            let item_count = progress.take(&record)?;
            events(StageEvent::Stored { meta: record.meta, item_count, elapsed });
        }

        if turn.is_over() {
            turn = self.turn(job.store, cancel).await;
        }
        let records = progress.records()?;
        let report = report(&job, &records)?;
        Ok(Finished { records, report, turn })
    }

    /// Waits for a turn to work on an answer.
    async fn turn(&self, store: &dyn RunStore, cancel: &CancellationToken) -> Turn {
        store.note_wait(true);
        let turn = self.turns.take(cancel).await;
        store.note_wait(false);
        turn
    }

    /// Refuses to pay for another stage if the run has a cost limit and its cost so far is unknown.
    fn check_cost_is_known(&self, stage: Stage, unknown_cost: Option<Stage>) -> Result<(), RunFailure> {
        let (Some(limit), Some(unknown)) = (self.cost_limit_usd, unknown_cost) else {
            return Ok(());
        };
        Err(RunFailure::new(
            FailureCode::LlmCostLimit,
            Some(stage),
            format!(
                "the endpoint does not say what {unknown} cost, so that the limit of {limit} USD \
                 (LLM_MAX_COST_PER_RUN_USD) cannot be kept; unset the limit, or use an endpoint that states costs or \
                 prices, and retry the run to go on after the stages that are stored"
            ),
            true,
        ))
    }

    /// Makes a stage's record. If the lease is unsure before one of the stage's requests, waits until it is sure again, and
    /// goes on. The money that was spent until then counts.
    async fn answer_under_lease(
        &self,
        stage: Stage,
        job: &Job<'_>,
        progress: &RunProgress,
        later_is_stored: bool,
        cancel: &CancellationToken,
    ) -> Result<(StageRecord, Turn), RunFailure> {
        let mut spent = Usage::default();
        loop {
            let lease = StageLease::new(job.store, stage);
            let attempt = Attempt { stage, lease: &lease, spent, later_is_stored };
            let failure = match self.answer(attempt, job, progress, cancel).await {
                Err(failure) if failure.code == FailureCode::Cancelled && lease.was_unsure() => failure,
                answered => return answered,
            };
            spent = failure.usage;
            let goes_on = lease::wait(job.store, stage, cancel).await;
            goes_on
                .and_then(|()| self.check_cost_is_known(stage, spent.cost_is_unknown.then_some(stage)))
                .map_err(|failure| RunFailure { usage: spent, ..failure })?;
        }
    }

    /// Asks the analyst, checks references, quotes and numbers, and makes the record.
    async fn answer(
        &self,
        attempt: Attempt<'_>,
        job: &Job<'_>,
        progress: &RunProgress,
        cancel: &CancellationToken,
    ) -> Result<(StageRecord, Turn), RunFailure> {
        let Attempt { stage, lease, spent, later_is_stored } = attempt;
        let started_at = self.clock.now();
        let earlier_usd = progress.spent_usd + job.lost_usd + spent.cost_usd;
        let input = StageInput {
            run: job.run,
            document: job.document,
            brand: job.brand,
            earlier: &progress.earlier,
            spend_limit_usd: self.cost_limit_usd.map(|limit| (limit - earlier_usd).max(0.0)),
            lease: Some(lease),
            answers: job.answers,
        };
        let answered = tokio::select! {
            biased;
            () = cancel.cancelled() => Err(RunFailure::cancelled(Some(stage))),
            answer = self.analyst.answer(stage, &input, cancel) => answer.map_err(|error| match error {
                AnalystError::Llm(error) if error.code == LlmErrorCode::Cancelled => RunFailure {
                    usage: error.usage,
                    ..RunFailure::cancelled(Some(stage))
                },
                error => RunFailure::from_analyst(stage, error),
            }),
        };
        let Answer { mut output, mut provenance, mut warnings, .. } = answered.map_err(|mut failure| {
            failure.usage += spent;
            failure
        })?;
        provenance.usage += spent;
        let turn = self.turn(job.store, cancel).await;
        let unreadable = |error| RunFailure::from_compression(Some(stage), &error);
        let earlier = progress.earlier.outputs().map_err(unreadable)?;
        output.assign_ids();
        warnings.extend(references::check(&mut output, &earlier, job.brand));
        if let StageOutput::BrandContextualization(out) = &output {
            warnings.extend(out.shared_lessons(earlier.lessons().len()));
        }
        // Boxed: thousands of runs would reserve memory for it while their models think.
        let looking = LookUp { output, earlier, document: job.document.clone(), brand: job.brand.clone() };
        let Grounded { output, earlier, grounding, warnings: unfounded } =
            Box::pin(looking.run(stage)).await?;
        progress.earlier.put_back(earlier);
        warnings.extend(unfounded);
        if later_is_stored {
            warnings.push(
                "This stage was lost or damaged and has been run again; later stages, which were already stored, \
                 were derived from its earlier version."
                    .to_owned(),
            );
        }
        let finished_at: Timestamp = self.clock.now();
        let WriteMode { mode, flags_revision } = job.store.write_mode();
        let record = StageRecord::new(
            &output,
            &provenance,
            RecordContext {
                started_at,
                // A wall clock may be set back while a stage runs. A record must not end before it began.
                finished_at: finished_at.max(started_at),
                mode,
                flags_revision,
                warnings,
                grounding,
                document: (stage == Stage::InputProcessing).then(|| DocumentFacts::of(job.document)),
                brand: (stage == Stage::BrandContextualization).then(|| BrandFacts::of(job.brand)),
            },
        );
        record.map(|record| (record, turn)).map_err(|error| RunFailure::from_record(Some(stage), &error))
    }
}

fn report(job: &Job<'_>, records: &[StageRecord]) -> Result<String, RunFailure> {
    report::render(&ReportInput {
        run: job.run,
        document: &DocumentFacts::of(job.document),
        brand: &BrandFacts::of(job.brand),
        records,
    })
    .map_err(|error| RunFailure::from_record(None, &error))
}

/// The results of a run so far.
#[derive(Debug, Default)]
struct RunProgress {
    earlier: PriorOutputs,
    spent_usd: f64,
    /// A stage whose cost is unknown, at least in part.
    unknown_cost: Option<Stage>,
}

impl RunProgress {
    /// Takes a stored record, and returns how many items it holds.
    fn take(&mut self, record: &StageRecord) -> Result<usize, RunFailure> {
        let stage = record.meta.stage;
        let broken = |error| RunFailure::from_record(Some(stage), &error);
        let output = record.output().map_err(broken)?;
        let item_count = output.item_count();
        let added = self.earlier.add(record, output);
        added.map_err(|error| RunFailure::from_compression(Some(stage), &error))?;
        self.spent_usd += record.meta.usage.cost_usd;
        if record.meta.usage.cost_is_unknown {
            self.unknown_cost = Some(stage);
        }
        Ok(item_count)
    }

    /// All records, in the order in which they were taken.
    fn records(&self) -> Result<Vec<StageRecord>, RunFailure> {
        let decompress = |(stage, compressed): &(Stage, Compressed)| {
            let json =
                compressed.json().map_err(|error| RunFailure::from_compression(Some(*stage), &error))?;
            StageRecord::from_memory(*stage, &json)
                .map_err(|error| RunFailure::from_record(Some(*stage), &error))
        };
        self.earlier.compressed().iter().map(decompress).collect()
    }
}
