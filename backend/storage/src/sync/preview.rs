//! The plan of one run in words, for `--dry-run`.

use pipeline::run::RunId;

use crate::{
    error::StorageError,
    part::Part,
    ports::{prelude::*, sync::Row},
    run::RunRecord,
    sync::{
        compare::{differences, has_ended},
        plan::{Step, Trigger},
        reconciler::Reconciler,
    },
};

impl Reconciler {
    /// Says in words how a run would be reconciled. Writes nothing.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if a store fails. `Indeterminate` if it does not answer in time.
    pub async fn preview(&self, run: &RunId) -> Result<String, StorageError> {
        let row = self.read_row(run).await?;
        let Some(file) = self.files().load(run).await? else {
            return Ok(match row {
                None => "is unknown: neither the database nor the files have it",
                Some(row) if !has_ended(&row.snapshot) => "has no files here, and has not ended",
                Some(_) => "has no readable files here; they would be rebuilt from its row",
            }
            .to_owned());
        };
        let steps = self.plan_for(run, Trigger::Command, row.as_ref(), &file).await?;
        Ok(words(&steps, row.as_ref(), &file))
    }
}

fn words(steps: &[Step], row: Option<&Row>, file: &RunRecord) -> String {
    let stages = steps.iter().find_map(|step| match step {
        Step::StoreInRow(stages) | Step::FillRow(stages) => Some(stages.len()),
        _ => None,
    });
    match steps {
        [] | [Step::UnmarkSuperseded] => "left to the worker that has it".to_owned(),
        [Step::PurgeFiles] => "was deleted; its files here would be removed".to_owned(),
        [Step::NoteConflict(parts)] => {
            format!("conflict in {}; nothing would be written", Part::names(parts))
        }
        [Step::FillRow(_)] => format!("{} stages would be written", stages.unwrap_or_default()),
        _ if steps.contains(&Step::EndRow) => {
            format!("{} stages and its end would be written", stages.unwrap_or_default())
        }
        _ => match row.map(|row| differences(&row.snapshot, file)).unwrap_or_default() {
            parts if parts.is_empty() => "would be proved".to_owned(),
            parts => format!("{} would be filled on the side that lacks it, and proved", Part::names(&parts)),
        },
    }
}
