//! The plan of one run in words, for `--dry-run`.

use pipeline::run::RunId;

use super::{
    Reconciler,
    plan::{Plan, differences, plan},
    rebuild::with_damage,
    verify,
};
use crate::{Part, Row, StorageError, Store as _};

impl Reconciler {
    /// Says in words how a run would be reconciled. Writes nothing.
    pub async fn preview(&self, run: &RunId) -> Result<String, StorageError> {
        let looked = self.read_row(run).await?;
        let Some(file) = self.files().load(run).await? else {
            return Ok(match looked {
                None => "is unknown: neither the database nor the files have it".to_owned(),
                Some(row) if verify::is_open(&row.snapshot) => {
                    "has no files here, and has not ended".to_owned()
                }
                Some(_) => "has no readable files here; they would be made anew from its row".to_owned(),
            });
        };
        let lacks = |row: &Row| differences(&row.snapshot, &file);
        Ok(match with_damage(plan(looked.as_ref().map(|row| &row.snapshot), &file), looked.as_ref()) {
            Plan::Leave => "left to who works on it".to_owned(),
            Plan::Replay { stages } => format!("{} stages and its end would be written", stages.len()),
            Plan::Fill { stages } if stages.is_empty() => {
                match looked.as_ref().map(lacks).unwrap_or_default() {
                    parts if parts.is_empty() => "would be proved".to_owned(),
                    parts => format!(
                        "{:?} (5 is the report) would be filled on the side that lacks it, and proved",
                        Part::numbers(&parts)
                    ),
                }
            }
            Plan::Fill { stages } => format!("{} stages would be written", stages.len()),
            Plan::Conflict { parts } => {
                format!("conflict in {:?}; nothing would be written", Part::numbers(&parts))
            }
        })
    }
}
