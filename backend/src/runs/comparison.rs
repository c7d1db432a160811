//! The comparison of a batch, made of the stored records.

use pipeline::{
    record::StageRecord,
    report::comparison::{Compared, ComparedRun, render},
    run::{RunId, RunStatus},
};
use serde_json::Value;

use super::{
    batches::{BatchView, COMPARED},
    query::RunView,
};

/// One run with its records, if it is complete.
struct Loaded<'a> {
    run: &'a RunId,
    brand: &'a str,
    records: Option<Vec<StageRecord>>,
    state: &'static str,
}

/// The comparison in Markdown. None if no run is complete. A run with records of an earlier release counts as one without.
#[must_use]
pub fn of_batch(batch: &BatchView) -> Option<String> {
    let loaded: Vec<Loaded<'_>> = batch
        .runs
        .iter()
        .map(|run| {
            let view = run.view.as_ref();
            let name = view.and_then(|view| view.brand_name.as_deref());
            Loaded {
                run: &run.run.run_id,
                brand: name.unwrap_or_else(|| run.run.brand_id.as_str()),
                records: view.and_then(records),
                state: view.map_or("deleted", |view| word(view.status)),
            }
        })
        .collect();
    let runs: Vec<ComparedRun<'_>> = loaded
        .iter()
        .map(|one| ComparedRun {
            run: one.run,
            brand: one.brand,
            content: match &one.records {
                Some(records) => Compared::Complete(records),
                None => Compared::Nothing(one.state),
            },
        })
        .collect();
    let document = batch.runs.iter().find_map(|run| run.view.as_ref()?.document_name.as_deref());
    render(document, &runs).ok().flatten()
}

fn records(view: &RunView) -> Option<Vec<StageRecord>> {
    if view.status != RunStatus::Completed {
        return None;
    }
    let records: Option<Vec<StageRecord>> = view
        .stages
        .iter()
        .filter(|stage| COMPARED.contains(&stage.stage))
        .map(|stage| serde_json::from_value(Value::Object(stage.output.clone()?)).ok())
        .collect();
    // One that cannot be read must not hide the other brands.
    records.filter(|records| records.iter().all(|record| record.output().is_ok()))
}

const fn word(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Processing => "running",
        RunStatus::Completed => "complete",
        RunStatus::Failed => "failed",
        RunStatus::Cancelled => "cancelled",
    }
}
