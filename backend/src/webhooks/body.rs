//! What is posted: the very fields that the frontend reads, made of the run as it is stored.

use chrono::SecondsFormat;
use pipeline::{
    clock::Timestamp,
    record::StageRecord,
    run::{RunStatus, Stage},
};
use serde_json::{Map, Value, json};

use crate::storage::{Snapshot, frontend_rows::FrontendRows, outbox::Event};

/// What there is to send for an event.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    Now {
        /// The last part of the path.
        route: &'static str,
        body: Value,
    },
    /// The store that told of it does not hold it yet.
    NotYet,
    /// It is no longer so.
    Superseded,
}

const STAGE_UPDATE: &str = "stage-update";
const COMPLETE: &str = "complete";

/// What to send for an event of a generation of this run.
#[must_use]
pub fn content(run: &Snapshot, generation: i32, event: Event) -> Content {
    match event {
        // Once stored, a stage is never replaced, whatever becomes of the run.
        Event::Stage(stage) => match run.stages.get(&stage) {
            Some(held) => stage_update(&held.record),
            None => Content::NotYet,
        },
        Event::Report | Event::Completed | Event::Failed if run.generation > generation => {
            Content::Superseded
        }
        Event::Report | Event::Completed | Event::Failed
            if run.status == RunStatus::Processing || run.generation < generation =>
        {
            Content::NotYet
        }
        Event::Report | Event::Completed if run.status != RunStatus::Completed => Content::Superseded,
        Event::Failed if run.status == RunStatus::Completed => Content::Superseded,
        Event::Report | Event::Completed => completed(run, event),
        Event::Failed => failed(run),
    }
}

fn stage_update(record: &StageRecord) -> Content {
    let Ok(output) = serde_json::to_string(&record.payload) else { return Content::NotYet };
    let stage = record.meta.stage;
    Content::Now {
        route: STAGE_UPDATE,
        body: json!({
            "stageNumber": stage.number(),
            "stageName": stage.title(),
            "status": "COMPLETED",
            "output": output,
            "completedAt": iso(record.meta.finished_at),
        }),
    }
}

fn completed(run: &Snapshot, event: Event) -> Content {
    let (Some(report), Some(at)) = (&run.report, run.finished_at) else { return Content::NotYet };
    let records: Vec<StageRecord> = run.stages.values().map(|held| held.record.clone()).collect();
    if records.len() != Stage::ALL.len() {
        return Content::NotYet;
    }
    let Ok(rows) = FrontendRows::new(&records, report, at) else { return Content::NotYet };
    if event == Event::Report {
        let Some(row) = rows.stages.last() else { return Content::NotYet };
        let body = json!({
            "stageNumber": row.number,
            "stageName": row.name,
            "status": "COMPLETED",
            "output": row.output,
            "completedAt": iso(at),
        });
        return Content::Now { route: STAGE_UPDATE, body };
    }
    let cards: Vec<Value> = rows
        .cards
        .iter()
        .map(|card| json!({ "number": card.number, "title": card.title, "markdown": card.content }))
        .collect();
    let outputs: Map<String, Value> = records
        .iter()
        .filter_map(|record| {
            let name = format!("stage{}", record.meta.stage.number());
            Some((name, serde_json::to_value(&record.payload).ok()?))
        })
        .collect();
    let duration = run.accepted_at.map_or(0, |accepted_at| (at - accepted_at).num_milliseconds().max(0));
    Content::Now {
        route: COMPLETE,
        body: json!({
            "status": "COMPLETED",
            "completedAt": iso(at),
            "duration": duration,
            "opportunities": cards,
            "stageOutputs": outputs,
        }),
    }
}

/// As an update of the stage at which it ended: whatever is posted to `complete`, the frontend takes for a success.
fn failed(run: &Snapshot) -> Content {
    let failure = run.failure.as_ref();
    let next = Stage::ALL.into_iter().find(|stage| !run.stages.contains_key(stage));
    let stage = failure
        .and_then(|failure| failure.stage)
        .or(next)
        // The report is made of what the last stage says.
        .unwrap_or(Stage::BrandContextualization);
    let error = failure.map(|failure| {
        json!({ "code": failure.code.as_str(), "message": failure.message, "can_retry": failure.can_retry })
    });
    let status = if run.status == RunStatus::Cancelled { "CANCELLED" } else { "FAILED" };
    Content::Now {
        route: STAGE_UPDATE,
        body: json!({
            "stageNumber": stage.number(),
            "stageName": stage.title(),
            "status": status,
            "output": json!({ "error": error }).to_string(),
            "completedAt": run.finished_at.map(iso),
        }),
    }
}

fn iso(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}
