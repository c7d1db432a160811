//! Finds the runs whose sides differ by comparison. Marks and proofs do not suffice: dropped columns, an older backup or a
//! lost file take no mark along.
//!
//! A survey goes over all ended rows, then over all runs of the files, one bounded slice after the other. It compares digests
//! that both sides say. A full survey also reads the records and computes their digests anew.

use std::{
    collections::{HashSet, VecDeque},
    mem,
    sync::atomic::Ordering,
    time::Duration,
};

use futures_util::{StreamExt as _, stream};
use pipeline::run::RunId;

use crate::{
    error::StorageError,
    files::FileOutline,
    ports::sync::{RowKey, RowOutline, Standing},
    sync::{
        failures::Failures,
        look::{Finding, Trouble},
        outcome::{ReconcileOutcome, ReconcileSummary},
        plan::FilesKnow,
        reconciler::Reconciler,
    },
};

/// Rows, or runs of the files, of one page.
const PAGE: usize = 200;

/// Runs of a slice that no reason calls for, on a disk and in a bucket, where each costs seven requests. Every half minute,
/// so few cost next to nothing.
const QUIET_RUNS: [usize; 2] = [PAGE, 20];

/// Runs looked at together: each is a few small reads.
const CONCURRENCY: usize = 8;

/// The longest slice of a full survey, so that marked runs get their turn every few seconds.
const SLICE: Duration = Duration::from_secs(1);

/// The time between two full surveys that nothing else calls for.
const FULL_INTERVAL: Duration = Duration::from_secs(24 * 3600);

/// Names of runs kept for one part of a survey: about a megabyte.
const NAMES_MAX: usize = 20_000;

/// Runs without a row that the alarm names.
const NAMED_MAX: usize = 10;

/// Unreadable runs, with no readable one between, that mean an outage of the store.
const UNREAD_MAX: usize = 32;

/// The position of a survey.
#[derive(Debug)]
enum Phase {
    Rows(Option<RowKey>),
    /// The names to look at next, and the last one that was taken from the list of all.
    Files(VecDeque<RunId>, Option<RunId>),
}

impl Default for Phase {
    fn default() -> Self {
        Self::Rows(None)
    }
}

/// A survey under way, and what the last one has seen.
#[derive(Debug, Default)]
pub struct Survey {
    phase: Phase,
    is_full: bool,
    /// When the last full survey began, by the monotonic clock.
    full_at: Option<Duration>,
    identity: Option<String>,
    /// Ended runs of these files whose row is gone, as far as this survey has come.
    without_row: Vec<RunId>,
    without_row_count: usize,
    /// Runs of the present page that could not be read.
    skipped: HashSet<RunId>,
    unread_in_a_row: usize,
    /// Runs that could not be read, and why.
    unread: Vec<(RunId, String)>,
    failures: Failures,
}

impl Survey {
    /// A survey that reads every record, for a command.
    #[must_use]
    pub fn full() -> Self {
        Self { is_full: true, ..Self::default() }
    }

    /// Ended runs of these files whose row is gone, as far as this survey has come.
    #[must_use]
    pub fn missing_rows(&self) -> usize {
        self.without_row_count
    }

    /// Takes the runs that could not be read since the last call, each with its reason.
    #[must_use]
    pub fn take_unread(&mut self) -> Vec<(RunId, String)> {
        mem::take(&mut self.unread)
    }

    /// Whether this survey has to go on at once.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.is_full
    }

    /// Begins anew, with every record.
    fn begin_full(&mut self, now: Duration) {
        let failures = mem::take(&mut self.failures);
        let identity = self.identity.take();
        *self = Self { is_full: true, full_at: Some(now), identity, failures, ..Self::default() };
    }
}

/// A run whose two sides are not the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub run: RunId,
    /// Whether the files have its tombstone, and the database has its row.
    pub is_deleted: bool,
}

/// The result of a slice.
#[derive(Debug, Default)]
pub struct Surveyed {
    pub summary: ReconcileSummary,
    /// Whether this was the last slice.
    pub is_last: bool,
}

impl Reconciler {
    /// Asks for a full survey where there is a reason: a migration, another or an older database, a restart of the server,
    /// or a day without one.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the database fails. `Indeterminate` if it does not answer in time.
    pub async fn plan_survey(&self, survey: &mut Survey) -> Result<(), StorageError> {
        let identity = self.call(|target| async move { target.identity().await }).await?;
        let now = self.clock.monotonic();
        let is_other = survey.identity.as_ref() != Some(&identity);
        let is_due = survey.full_at.is_none_or(|at| now.saturating_sub(at) >= FULL_INTERVAL);
        if is_other || is_due {
            tracing::info!(
                event = "survey_started",
                database_changed = is_other,
                "comparing all ended runs in database and files"
            );
            survey.begin_full(now);
        }
        survey.identity = Some(identity);
        Ok(())
    }

    /// One slice: compares the next runs, and brings together those that differ.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if a store fails. `Indeterminate` if it does not answer in time.
    pub async fn survey(&self, survey: &mut Survey) -> Result<Surveyed, StorageError> {
        let begun = self.clock.monotonic();
        let mut surveyed = Surveyed { summary: self.retry_failures(survey).await, is_last: false };
        let compared = self.compare_slice(survey, begun, &mut surveyed).await;
        let failed = &surveyed.summary.failed;
        survey.failures.add(failed, self.clock.monotonic());
        self.survey_failures.store(survey.failures.len(), Ordering::Relaxed);
        if surveyed.summary.runs > 0 {
            self.note_survey(&surveyed.summary);
        }
        compared?;
        if surveyed.is_last {
            self.end_survey(survey);
        }
        Ok(surveyed)
    }

    /// Compares and settles pages until the slice is over.
    async fn compare_slice(
        &self,
        survey: &mut Survey,
        begun: Duration,
        surveyed: &mut Surveyed,
    ) -> Result<(), StorageError> {
        let [on_disk, in_bucket] = QUIET_RUNS;
        let quiet = if self.files().is_on_disk() { on_disk } else { in_bucket };
        let limit = if survey.is_full { PAGE } else { quiet };
        let mut looked_at = 0;
        while !surveyed.is_last {
            let page = self.next_page(survey, limit, surveyed).await;
            for (run, reason) in survey.take_unread() {
                postpone(&mut surveyed.summary, run, reason);
            }
            let (found, size) = page?;
            looked_at += size;
            let settled = self.settle_found(found).await;
            let has_failed = !settled.failed.is_empty();
            surveyed.summary.merge(settled);
            let elapsed = self.clock.monotonic().saturating_sub(begun);
            // The next page would fare no better: a disk is full, or a store is away.
            if has_failed || elapsed >= SLICE || !survey.is_full && looked_at >= limit {
                break;
            }
        }
        Ok(())
    }

    /// The next runs that differ, for a command. None after the last.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if a store fails. `Indeterminate` if it does not answer in time.
    pub async fn next_differences(
        &self,
        survey: &mut Survey,
    ) -> Result<Option<Vec<Difference>>, StorageError> {
        let mut surveyed = Surveyed::default();
        while !surveyed.is_last {
            let (found, _) = self.next_page(survey, PAGE, &mut surveyed).await?;
            if !found.is_empty() {
                let difference = |(run, finding)| Difference { run, is_deleted: finding == Finding::Deleted };
                return Ok(Some(found.into_iter().map(difference).collect()));
            }
        }
        Ok(None)
    }

    /// Brings one such run together.
    pub async fn settle_difference(&self, difference: &Difference) -> ReconcileOutcome {
        if !difference.is_deleted {
            return self.reconcile_named(&difference.run).await;
        }
        match self.write_path.restore_deletion(&difference.run).await {
            Ok(()) => ReconcileOutcome::Deleted,
            Err(error) => ReconcileOutcome::Failed { reason: error.message },
        }
    }

    /// The next page's findings, and how many runs it had.
    async fn next_page(
        &self,
        survey: &mut Survey,
        limit: usize,
        surveyed: &mut Surveyed,
    ) -> Result<(Vec<(RunId, Finding)>, usize), StorageError> {
        match mem::take(&mut survey.phase) {
            Phase::Rows(after) => {
                let start = after.as_ref();
                let page = match self.call(|target| async move { target.outlines(start, limit).await }).await
                {
                    Ok(page) => page,
                    Err(error) => {
                        survey.phase = Phase::Rows(after);
                        return Err(error);
                    }
                };
                let size = page.rows.len();
                let mut rows = page.rows;
                rows.retain(|row| !survey.skipped.contains(&row.run));
                let found = self.look_at_rows(rows, survey).await;
                survey.phase = match (&found, page.next) {
                    (Err(_), _) => Phase::Rows(after),
                    (Ok(_), Some(next)) => Phase::Rows(Some(next)),
                    (Ok(_), None) => Phase::Files(VecDeque::new(), None),
                };
                let found = found?;
                survey.skipped.clear();
                Ok((found, size))
            }
            Phase::Files(mut names, mut last) => {
                if names.is_empty() {
                    match self.next_names(last.clone()).await {
                        Ok(next) => (names, last) = next,
                        Err(error) => {
                            survey.phase = Phase::Files(names, last);
                            return Err(error);
                        }
                    }
                }
                let page: Vec<RunId> = names.iter().take(limit).cloned().collect();
                let found = self.look_at_files(&page, survey).await;
                if found.is_ok() {
                    names.drain(..page.len());
                    survey.skipped.clear();
                    surveyed.is_last = page.is_empty();
                }
                survey.phase = Phase::Files(names, last);
                found.map(|found| (found, page.len()))
            }
        }
    }

    /// Names of the files in order, after the last one, and their last.
    async fn next_names(
        &self,
        last: Option<RunId>,
    ) -> Result<(VecDeque<RunId>, Option<RunId>), StorageError> {
        let mut names = self.files().runs().await?;
        names.retain(|run| last.as_ref().is_none_or(|last| run > last));
        names.sort_unstable();
        names.truncate(NAMES_MAX);
        let last = names.last().cloned().or(last);
        Ok((names.into(), last))
    }

    /// Looks at some rows together.
    async fn look_at_rows(
        &self,
        rows: Vec<RowOutline>,
        survey: &mut Survey,
    ) -> Result<Vec<(RunId, Finding)>, StorageError> {
        let is_full = survey.is_full;
        let mut looks = stream::iter(rows)
            .map(|row| async move {
                let looked = self.look_at_row(&row, is_full).await;
                (row.run, looked)
            })
            .buffer_unordered(CONCURRENCY);
        let mut found = Vec::new();
        while let Some((run, looked)) = looks.next().await {
            match looked {
                Ok(finding) => {
                    survey.unread_in_a_row = 0;
                    found.extend(finding.map(|finding| (run, finding)));
                }
                Err(trouble) => self.skip(survey, run, trouble)?,
            }
        }
        Ok(found)
    }

    /// Goes on without this run, unless its store as a whole fails. The next attempt at the page leaves the run out too, so
    /// that no run keeps the survey from the others.
    fn skip(&self, survey: &mut Survey, run: RunId, trouble: Trouble) -> Result<(), StorageError> {
        let is_outage = trouble.error.is_outage();
        survey.unread_in_a_row += usize::from(is_outage);
        survey.skipped.insert(run.clone());
        survey.unread.push((run, trouble.error.message.clone()));
        let is_store_away = trouble.is_of_database
            || !self.files().breaker().is_none_or(|breaker| breaker.is_closed())
            || survey.unread_in_a_row >= UNREAD_MAX;
        if is_outage && is_store_away {
            survey.unread_in_a_row = 0;
            return Err(trouble.error);
        }
        Ok(())
    }

    /// Removes what killed processes left half-written. A run that was proved already is looked at by nothing else.
    async fn sweep_leftovers(&self, page: &[RunId], survey: &mut Survey) -> Result<(), StorageError> {
        for run in page {
            if !survey.skipped.contains(run)
                && let Err(error) = self.files().sweep_leftovers(run).await
            {
                self.skip(survey, run.clone(), Trouble::of_files(error))?;
            }
        }
        Ok(())
    }

    /// The runs of the files that the database holds open, or not at all.
    async fn look_at_files(
        &self,
        page: &[RunId],
        survey: &mut Survey,
    ) -> Result<Vec<(RunId, Finding)>, StorageError> {
        if page.is_empty() {
            return Ok(Vec::new());
        }
        if survey.is_full {
            self.sweep_leftovers(page, survey).await?;
        }
        let standings = self.call(|target| async move { target.standings(page).await }).await?;
        let (mut found, mut absent) = (Vec::new(), Vec::new());
        for (run, standing) in standings {
            let is_left = match standing {
                Standing::Deleted | Standing::Ended => true,
                Standing::Open { .. } => self.is_worked_on(&run),
                Standing::Absent => false,
            };
            if is_left || survey.skipped.contains(&run) {
                continue;
            }
            let FileOutline { is_deleted, manifest, .. } = match self.files().outline(&run).await {
                Ok(outline) => outline,
                Err(error) => {
                    self.skip(survey, run, Trouble::of_files(error))?;
                    continue;
                }
            };
            survey.unread_in_a_row = 0;
            let know = manifest.as_ref().map(FilesKnow::from).unwrap_or_default();
            match standing {
                Standing::Absent if know.database_had_all() => absent.push(run),
                Standing::Absent => {}
                _ if is_deleted => found.push((run, Finding::Deleted)),
                // A row that came back with an older backup, or one whose end is under way.
                Standing::Open { is_leased: false } if know.has_ended => found.push((run, Finding::Differs)),
                _ => {}
            }
        }
        survey.without_row_count += absent.len();
        let room = NAMED_MAX.saturating_sub(survey.without_row.len());
        survey.without_row.extend(absent.into_iter().take(room));
        Ok(found)
    }

    /// Settles what a page found. A run that cannot be settled holds no other up.
    async fn settle_found(&self, found: Vec<(RunId, Finding)>) -> ReconcileSummary {
        let mut summary = ReconcileSummary::default();
        let mut differing = Vec::new();
        for (run, finding) in found {
            let goes_on = match finding {
                Finding::Deleted => self.write_path.restore_deletion(&run).await.map(|()| false),
                Finding::FilesLost => self.rebuild_files(&run).await.map(|rebuilt| rebuilt.is_some()),
                Finding::Differs => Ok(true),
            };
            match goes_on {
                Ok(true) => differing.push(run),
                Ok(false) => {}
                Err(error) => postpone(&mut summary, run, error.message),
            }
        }
        summary.merge(self.reconcile(differing).await);
        summary
    }

    /// Tries the runs again that this survey or an earlier one could not settle.
    async fn retry_failures(&self, survey: &mut Survey) -> ReconcileSummary {
        let mut runs = survey.failures.due(self.clock.monotonic());
        runs.retain(|run| !self.is_worked_on(run));
        if runs.is_empty() {
            return ReconcileSummary::default();
        }
        self.reconcile(runs).await
    }

    fn note_survey(&self, summary: &ReconcileSummary) {
        let (runs, proved, failed) = (summary.runs, summary.proved, summary.failed.len());
        let (conflicts, stages_written) = (summary.conflicts.len(), summary.stages_written);
        tracing::info!(
            event = "differences_settled",
            runs,
            proved,
            stages_written,
            conflicts,
            failed,
            "runs differed in database and files"
        );
        let mut status = self.status.lock();
        let now = self.clock.now();
        status.last_pass_at = Some(now);
        if proved > 0 {
            status.last_proof_at = Some(now);
        }
        (status.proved, status.stages_written) = (proved, stages_written);
    }

    fn end_survey(&self, survey: &mut Survey) {
        let (count, runs) = (mem::take(&mut survey.without_row_count), mem::take(&mut survey.without_row));
        let before = mem::replace(&mut self.status.lock().missing_rows, count);
        if count > before {
            let runs: Vec<&str> = runs.iter().map(RunId::as_str).collect();
            tracing::warn!(
                event = "rows_missing",
                count,
                runs = runs.join(","),
                "ended runs have no row any more: removed by their owner, or lost with an older backup; innovation reconcile --restore-rows brings them back"
            );
        }
        survey.phase = Phase::default();
        if mem::take(&mut survey.is_full) {
            tracing::info!(
                event = "survey_finished",
                missing_rows = count,
                failed = survey.failures.len(),
                "all ended runs in database and files are compared"
            );
        }
    }
}

/// Counts and logs a run that could not be settled.
fn postpone(summary: &mut ReconcileSummary, run: RunId, reason: String) {
    tracing::warn!(event = "reconcile_postponed", run_id = %run, reason, "[{run}] not reconciled yet");
    summary.add(run, &ReconcileOutcome::Failed { reason });
}
