//! Finds the runs whose sides differ by comparison. Marks and proofs do not suffice: dropped columns, an older backup or a
//! lost file take no mark along.
//!
//! A survey goes over all ended rows, then over all runs of the files, one bounded slice after the other. It compares digests
//! that both sides say. A full survey also reads the records and computes their digests anew.

use std::{collections::VecDeque, mem, time::Duration};

use futures_util::{StreamExt as _, stream};
use pipeline::run::RunId;

use crate::{
    error::StorageError,
    files::FileOutline,
    part::Part,
    ports::sync::{RowKey, RowOutline, Standing},
    sync::{
        outcome::{ReconcileOutcome, ReconcileSummary},
        plan::FilesKnow,
        reconciler::Reconciler,
        verify::Comparison,
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

    /// Whether this survey has to go on at once.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.is_full
    }

    /// Begins anew, with every record.
    fn begin_full(&mut self, now: Duration) {
        *self = Self { is_full: true, full_at: Some(now), identity: self.identity.take(), ..Self::default() };
    }
}

/// Why a run is not left as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Finding {
    /// The files have its tombstone, and the database has its row.
    Deleted,
    /// The row has ended, and no manifest can be read here.
    FilesLost,
    Differs,
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
        let mut surveyed = Surveyed::default();
        let [on_disk, in_bucket] = QUIET_RUNS;
        let quiet = if self.files().is_on_disk() { on_disk } else { in_bucket };
        let limit = if survey.is_full { PAGE } else { quiet };
        let mut looked_at = 0;
        while !surveyed.is_last {
            let (found, size) = self.next_page(survey, limit, &mut surveyed).await?;
            looked_at += size;
            let summary = self.settle_found(found).await?;
            let has_failed = !summary.failed.is_empty();
            surveyed.summary.merge(summary);
            let elapsed = self.clock.monotonic().saturating_sub(begun);
            // The next page would fare no better: a disk is full, or a store is away.
            if has_failed || elapsed >= SLICE || !survey.is_full && looked_at >= limit {
                break;
            }
        }
        if surveyed.summary.runs > 0 {
            self.note_survey(&surveyed.summary);
        }
        if surveyed.is_last {
            self.end_survey(survey);
        }
        Ok(surveyed)
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
                let (size, last) = (page.len(), page.last().map(|row| (row.created, row.run.clone())));
                let found = self.findings(page, |row| self.look_at_row(row, survey.is_full)).await;
                survey.phase = match (&found, last) {
                    (Err(_), _) => Phase::Rows(after),
                    (Ok(_), Some(last)) if size == limit => Phase::Rows(Some(last)),
                    (Ok(_), _) => Phase::Files(VecDeque::new(), None),
                };
                Ok((found?, size))
            }
            Phase::Files(mut names, mut last) => {
                if names.is_empty() {
                    (names, last) = self.next_names(last).await?;
                }
                let page: Vec<RunId> = names.iter().take(limit).cloned().collect();
                let found = self.look_at_files(&page, survey).await;
                if found.is_ok() {
                    names.drain(..page.len());
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

    /// Looks at some runs together.
    async fn findings<T, F>(
        &self,
        all: Vec<T>,
        look: impl Fn(T) -> F,
    ) -> Result<Vec<(RunId, Finding)>, StorageError>
    where
        F: Future<Output = Result<Option<(RunId, Finding)>, StorageError>>,
    {
        let mut looks = stream::iter(all.into_iter().map(look)).buffer_unordered(CONCURRENCY);
        let mut found = Vec::new();
        while let Some(looked) = looks.next().await {
            found.extend(looked?);
        }
        Ok(found)
    }

    async fn look_at_row(
        &self,
        row: RowOutline,
        is_full: bool,
    ) -> Result<Option<(RunId, Finding)>, StorageError> {
        let run = row.run.clone();
        if self.is_worked_on(&run) {
            return Ok(None);
        }
        let files = self.files().outline(&run).await?;
        let expects_files = self.write_path.expects_files();
        let finding = match finding(&row, &files, expects_files) {
            Some(Finding::FilesLost) if !self.restores_files(&row).await? => None,
            None if is_full && files.manifest.is_some() => {
                let differs = matches!(self.compare(&run).await?, Comparison::Differs { .. });
                Some(Finding::Differs).filter(|_| differs && !row.has_conflict)
            }
            finding => finding,
        };
        Ok(finding.map(|finding| (run, finding)))
    }

    /// Whether files that are gone belong here: any file is left, or this disk lasts and no other process keeps runs on a
    /// disk of its own.
    async fn restores_files(&self, row: &RowOutline) -> Result<bool, StorageError> {
        let has_expired = row.finished_at.is_some_and(|at| self.is_expired(at));
        Ok(self.write_path.expects_files()
            && !has_expired
            && (self.rebuilds && self.write_path.keeps_all_files()
                || self.files().has_anything_of(&row.run).await?))
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
        let standings = self.call(|target| async move { target.standings(page).await }).await?;
        let mut found = Vec::new();
        for (run, standing) in standings {
            let is_left = match standing {
                Standing::Deleted | Standing::Ended => true,
                Standing::Open { .. } => self.is_worked_on(&run),
                Standing::Absent => false,
            };
            if is_left {
                continue;
            }
            let FileOutline { is_deleted, manifest, .. } = self.files().outline(&run).await?;
            let know = manifest.as_ref().map(FilesKnow::from).unwrap_or_default();
            match standing {
                Standing::Absent if know.database_had_all() => {
                    survey.without_row_count += 1;
                    if survey.without_row.len() < NAMED_MAX {
                        survey.without_row.push(run);
                    }
                }
                Standing::Absent => {}
                _ if is_deleted => found.push((run, Finding::Deleted)),
                // A row that came back with an older backup, or one whose end is under way.
                Standing::Open { is_leased: false } if know.has_ended => found.push((run, Finding::Differs)),
                _ => {}
            }
        }
        Ok(found)
    }

    async fn settle_found(&self, found: Vec<(RunId, Finding)>) -> Result<ReconcileSummary, StorageError> {
        let mut differing = Vec::new();
        for (run, finding) in found {
            match finding {
                Finding::Deleted => self.write_path.restore_deletion(&run).await?,
                Finding::FilesLost if self.rebuild_files(&run).await?.is_none() => {}
                Finding::FilesLost | Finding::Differs => differing.push(run),
            }
        }
        Ok(self.reconcile(differing).await)
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
        (status.proved, status.stages_written, status.failed) = (proved, stages_written, failed);
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
                "all ended runs in database and files are compared"
            );
        }
    }
}

/// Compares the two sides by the digests that they say.
fn finding(row: &RowOutline, files: &FileOutline, expects_files: bool) -> Option<Finding> {
    if files.is_deleted {
        return Some(Finding::Deleted);
    }
    let Some(manifest) = &files.manifest else { return Some(Finding::FilesLost) };
    // A worker, or the search for runs that ended elsewhere, closes an open manifest.
    if !manifest.has_ended() || row.generation > manifest.generation {
        return None;
    }
    let is_known = row.has_conflict;
    if (row.generation, row.status) != (manifest.generation, manifest.status) {
        return Some(Finding::Differs).filter(|_| !is_known);
    }
    let stages = manifest.stages.iter().map(|(stage, stored)| (Part::Stage(*stage), &stored.record_sha256));
    let report = manifest.report.iter().map(|report| (Part::Report, &report.sha256));
    let mut in_files: std::collections::BTreeMap<Part, &String> = stages.chain(report).collect();
    in_files.retain(|part, _| !files.lost.contains(part));
    let is_lacking_row = in_files.keys().any(|part| !row.parts.contains_key(part));
    let is_lacking_file = expects_files && row.parts.keys().any(|part| !in_files.contains_key(part));
    let has_other = |(part, digest): (&Part, &Option<String>)| {
        digest.as_ref().zip(in_files.get(part)).is_some_and(|(ours, theirs)| ours != *theirs)
    };
    let differs = is_lacking_row || is_lacking_file || !is_known && row.parts.iter().any(has_other);
    differs.then_some(Finding::Differs)
}
