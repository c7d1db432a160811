//! Comparing both sides of a set of runs, without writing to either.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use chrono::TimeDelta;
use pipeline::{clock::Timestamp, run::RunId};
use serde::Serialize;

use crate::{
    error::StorageError,
    files::Damage,
    part::Part,
    ports::prelude::*,
    run::RunRecord,
    sync::{
        compare::{differences, has_ended, holds},
        reconciler::Reconciler,
    },
};

/// The wait before a second look at a run that is not the same on both sides. A worker that is ending it writes the other
/// side within that time.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Rows of one page: their runs are compared before the next page is asked for.
const PAGE: usize = 200;

/// Which runs are compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    One(RunId),
    /// Accepted since then; all without a time.
    Since(Option<Timestamp>),
}

/// How the two sides of a run stand to each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Comparison {
    /// Every digest is the same.
    Equal,
    /// It has not ended on both sides; nothing is compared.
    Open,
    /// The parts that differ.
    Differs {
        #[serde(rename = "numbers")]
        parts: Vec<Part>,
        #[serde(flatten)]
        sides: Sides,
    },
    /// Of its manifest here nothing can be read; whether there is a row.
    Damaged {
        has_row: bool,
    },
    OnlyInFiles,
    OnlyInDatabase,
    /// Its files have gone after `RETENTION_DAYS`; the row stays.
    Expired,
    /// Neither side knows it.
    Unknown,
}

impl Comparison {
    /// Whether a second look can tell nothing else.
    const fn is_settled(&self) -> bool {
        matches!(self, Self::Equal | Self::Open | Self::Expired)
    }
}

/// Why each part differs. A part in none of these lists is on both sides, and not the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Sides {
    pub missing_in_files: Vec<Part>,
    pub missing_in_database: Vec<Part>,
    /// Does not match its own digest; counts as missing when files are filled.
    pub damaged_in_files: Vec<Part>,
    /// Does not match its own digest: changed by hand, and a conflict.
    pub damaged_in_database: Vec<Part>,
}

impl Sides {
    /// Whether both hold something, and an operator has to say which is right.
    #[must_use]
    pub fn is_conflict(&self, parts: &[Part]) -> bool {
        let is_filled = |part: &Part| {
            [&self.missing_in_files, &self.missing_in_database, &self.damaged_in_files]
                .iter()
                .any(|filled| filled.contains(part))
        };
        !self.damaged_in_database.is_empty() || !parts.iter().all(is_filled)
    }
}

/// One run's comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verified {
    pub run_id: RunId,
    #[serde(flatten)]
    pub comparison: Comparison,
}

/// How many runs came out how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct VerifyCount {
    pub compared: usize,
    pub equal: usize,
    pub open: usize,
    pub differing: usize,
    pub damaged: usize,
    pub only_in_files: usize,
    pub only_in_database: usize,
    pub expired: usize,
    pub unknown: usize,
}

impl VerifyCount {
    fn add(&mut self, comparison: &Comparison) {
        self.compared += 1;
        *match comparison {
            Comparison::Equal => &mut self.equal,
            Comparison::Open => &mut self.open,
            Comparison::Differs { .. } => &mut self.differing,
            Comparison::Damaged { .. } => &mut self.damaged,
            Comparison::OnlyInFiles => &mut self.only_in_files,
            Comparison::OnlyInDatabase => &mut self.only_in_database,
            Comparison::Expired => &mut self.expired,
            Comparison::Unknown => &mut self.unknown,
        } += 1;
    }

    /// Whether nothing differs, and nothing is missing on either side.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.differing + self.damaged + self.only_in_files + self.only_in_database + self.unknown == 0
    }
}

impl Reconciler {
    /// Compares the runs of a scope, one after the other, and tells each result as it comes. Looks twice at a run before it
    /// calls the two sides different: a worker may be ending it.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if a store fails. `Indeterminate` if it does not answer in time.
    pub async fn verify(
        &self,
        scope: &Scope,
        mut tell: impl FnMut(&Verified) + Send,
    ) -> Result<VerifyCount, StorageError> {
        let mut count = VerifyCount::default();
        let mut note = |run_id: RunId, comparison: Comparison| {
            count.add(&comparison);
            tell(&Verified { run_id, comparison });
        };
        let mut to_look_again = Vec::new();
        let mut first = |run: RunId, comparison: Comparison| match comparison.is_settled() {
            true => note(run, comparison),
            false => to_look_again.push(run),
        };
        match scope {
            Scope::One(run) => first(run.clone(), self.compare(run).await?),
            Scope::Since(since) => self.compare_all(*since, &mut first).await?,
        }
        if !to_look_again.is_empty() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        for run in to_look_again {
            let comparison = self.compare(&run).await?;
            note(run, comparison);
        }
        Ok(count)
    }

    async fn compare_all(
        &self,
        since: Option<Timestamp>,
        note: &mut (impl FnMut(RunId, Comparison) + Send),
    ) -> Result<(), StorageError> {
        // The runs that remain after all rows are those that only the files know.
        let mut in_files: HashSet<RunId> = self.files().runs().await?.into_iter().collect();
        let mut after = None;
        while let Some(page) = self.ended_page(since, &mut after).await? {
            for run in page {
                in_files.remove(&run);
                let comparison = self.compare(&run).await?;
                note(run, comparison);
            }
        }
        for run in in_files {
            let Some(manifest) = self.files().manifest(&run).await? else {
                // Whether it is one of those that are asked for can no longer be read.
                if self.files().damage(&run).await?.manifest {
                    let comparison = self.compare(&run).await?;
                    note(run, comparison);
                }
                continue;
            };
            if since.is_none_or(|since| manifest.accepted_at >= since) && manifest.database.is_some() {
                let comparison = self.compare(&run).await?;
                note(run, comparison);
            }
        }
        Ok(())
    }

    /// The next runs that have ended in the database, in the order of their creation; none after the last.
    pub(super) async fn ended_page(
        &self,
        since: Option<Timestamp>,
        after: &mut Option<RunId>,
    ) -> Result<Option<Vec<RunId>>, StorageError> {
        let last = after.as_ref();
        let page = self.call(|target| async move { target.ended_since(since, last, PAGE).await }).await?;
        *after = page.last().cloned().or(after.take());
        Ok(Some(page).filter(|page| !page.is_empty()))
    }

    /// Compares both sides of one run.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if a store fails. `Indeterminate` if it does not answer in time.
    pub async fn compare(&self, run: &RunId) -> Result<Comparison, StorageError> {
        let file = self.files().load(run).await?;
        self.compare_files(run, file).await
    }

    /// As [`Reconciler::compare`], with files that have been read.
    pub(super) async fn compare_files(
        &self,
        run: &RunId,
        file: Option<RunRecord>,
    ) -> Result<Comparison, StorageError> {
        let (row, damaged) = match self.read_row(run).await? {
            Some(row) => (Some(row.snapshot), row.damaged),
            None => (None, BTreeMap::new()),
        };
        if file.is_none() && self.files().damage(run).await?.manifest {
            return Ok(Comparison::Damaged { has_row: row.is_some() });
        }
        Ok(match (row, file) {
            (None, None) => Comparison::Unknown,
            (Some(row), None) if self.has_expired(&row) => Comparison::Expired,
            (Some(_), None) => Comparison::OnlyInDatabase,
            (None, Some(file)) if !has_ended(&file) => Comparison::Open,
            (None, Some(_)) => Comparison::OnlyInFiles,
            (Some(row), Some(file)) if !has_ended(&row) && !has_ended(&file) => Comparison::Open,
            // Tried again elsewhere since it ended here: what these files hold was, and is not contradicted.
            (Some(row), Some(file)) if row.generation > file.generation && has_ended(&file) => {
                Comparison::OnlyInDatabase
            }
            (Some(row), Some(file)) => {
                let mut parts = differences(&row, &file);
                parts.extend(damaged.keys());
                parts.sort_unstable();
                parts.dedup();
                if parts.is_empty() {
                    return Ok(Comparison::Equal);
                }
                let damaged_in_files = damaged_parts(&self.files().damage(run).await?);
                let missing = |side: &RunRecord, damaged: &[Part]| {
                    let of = |part: &Part| !holds(side, *part) && !damaged.contains(part);
                    parts.iter().copied().filter(of).collect()
                };
                let damaged_in_database: Vec<Part> = damaged.into_keys().collect();
                let sides = Sides {
                    missing_in_files: missing(&file, &damaged_in_files),
                    missing_in_database: missing(&row, &damaged_in_database),
                    damaged_in_files,
                    damaged_in_database,
                };
                Comparison::Differs { parts, sides }
            }
        })
    }

    pub(super) fn has_expired(&self, row: &RunRecord) -> bool {
        row.finished_at.is_some_and(|at| self.is_expired(at))
    }

    /// Whether the files of a run that ended then have gone after `RETENTION_DAYS`.
    pub(super) fn is_expired(&self, ended_at: Timestamp) -> bool {
        let keep = self.retention.and_then(|keep| TimeDelta::from_std(keep).ok());
        let before = keep.and_then(|keep| self.clock.now().checked_sub_signed(keep));
        before.is_some_and(|before| ended_at < before)
    }
}

/// The parts that are damaged in files.
fn damaged_parts(damage: &Damage) -> Vec<Part> {
    let stages = damage.stages.iter().copied().map(Part::Stage);
    stages.chain(damage.report.then_some(Part::Report)).collect()
}
