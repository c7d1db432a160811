//! Builds the bodies of webhooks: the fields that the frontend reads, from the stored run.
//!
//! The newest frontend writes the output of a completed stage over the record in `PipelineRun`. So such an
//! output must be the whole record. Events that the database has stored are in the frontend's tables already,
//! and are not sent.

use chrono::SecondsFormat;
use pipeline::{
    clock::Timestamp,
    record::StageRecord,
    run::{RunId, RunStatus, Stage},
};
use serde_json::{Map, Value, json};

use crate::documents::sample;
use storage::{
    RunRecord, RunRequest, WebhookEvent,
    frontend_rows::{FrontendRows, REPORT_NUMBER, error_output, step_name},
};

/// The outbox that an event comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The database, whose tables the frontend reads.
    Database,
    /// The files. Only webhooks inform the frontend then.
    Files,
}

/// The content of an event.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    Now {
        /// The last part of the path.
        route: &'static str,
        body: Value,
        /// A shorter body, if the receiver refuses the other one for its size.
        shorter: Option<Value>,
    },
    /// The store does not hold the event's state yet.
    NotYet,
    /// The event is outdated, or the frontend has it already.
    Superseded,
}

const STAGE_UPDATE: &str = "stage-update";
const COMPLETE: &str = "complete";

/// The content of an event of a generation of this run.
#[must_use]
pub fn content(run: &RunRecord, generation: i32, event: WebhookEvent, source: Source) -> Content {
    // The frontend did not ask for the runs of golden paths.
    let address = run.request.as_ref().and_then(|request| request.document_url.as_deref());
    if address.is_some_and(sample::is_address) {
        return Content::Superseded;
    }
    let content = match event {
        WebhookEvent::Started(number) => started(run, generation, number),
        // A stored stage is never replaced, whatever happens to the run.
        WebhookEvent::Stage(stage) => match run.stages.get(&stage) {
            Some(held) => stage_update(&held.record),
            None => Content::NotYet,
        },
        WebhookEvent::Report | WebhookEvent::Completed | WebhookEvent::Failed
            if run.generation > generation =>
        {
            Content::Superseded
        }
        WebhookEvent::Report | WebhookEvent::Completed | WebhookEvent::Failed
            if run.status == RunStatus::Processing || run.generation < generation =>
        {
            Content::NotYet
        }
        WebhookEvent::Report | WebhookEvent::Completed if run.status != RunStatus::Completed => {
            Content::Superseded
        }
        WebhookEvent::Failed if run.status == RunStatus::Completed => Content::Superseded,
        WebhookEvent::Report | WebhookEvent::Completed => completed(run, event),
        WebhookEvent::Failed => failed(run),
    };
    let is_in_its_tables = source == Source::Database && event != WebhookEvent::Completed;
    if is_in_its_tables && content != Content::NotYet { Content::Superseded } else { content }
}

/// The current step of a run: its first missing stage, or the report.
fn step(run: &RunRecord) -> i32 {
    let missing = Stage::ALL.into_iter().find(|stage| !run.stages.contains_key(stage));
    missing.map_or(REPORT_NUMBER, |stage| stage.number().into())
}

/// The start of a step, unless the run has passed it. A start after the step's end would erase its output.
fn started(run: &RunRecord, generation: i32, number: u8) -> Content {
    let is_at_it = run.status == RunStatus::Processing && step(run) == i32::from(number);
    if run.generation != generation || !is_at_it {
        return Content::Superseded;
    }
    update(number.into(), "PROCESSING", "", None)
}

fn stage_update(record: &StageRecord) -> Content {
    // The bytes that row and file have.
    let Ok(sealed) = record.sealed() else { return Content::NotYet };
    update(record.meta.stage.number().into(), "COMPLETED", &sealed.json, Some(record.meta.finished_at))
}

fn update(number: i32, status: &str, output: &str, at: Option<Timestamp>) -> Content {
    let mut body = json!({
        "stageNumber": number,
        "stageName": step_name(number),
        "status": status,
        "output": output,
    });
    if let (Some(at), Value::Object(fields)) = (at, &mut body) {
        fields.insert("completedAt".to_owned(), iso(at).into());
    }
    Content::Now { route: STAGE_UPDATE, body, shorter: None }
}

fn completed(run: &RunRecord, event: WebhookEvent) -> Content {
    let (Some(report), Some(at)) = (&run.report, run.finished_at) else { return Content::NotYet };
    let records: Vec<StageRecord> = run.stages.values().map(|held| held.record.clone()).collect();
    if records.len() != Stage::ALL.len() {
        return Content::NotYet;
    }
    let Ok(rows) = FrontendRows::new(&records, report, at) else { return Content::NotYet };
    if event == WebhookEvent::Report {
        return update(REPORT_NUMBER, "COMPLETED", &rows.opportunities, Some(at));
    }
    let cards: Vec<Value> = rows
        .cards
        .iter()
        .map(|card| json!({ "number": card.number, "title": card.title, "markdown": card.content }))
        .collect();
    let elapsed = run.accepted_at.map_or(0, |accepted_at| (at - accepted_at).num_milliseconds());
    let body = |outputs: Map<String, Value>| {
        json!({
            "status": "COMPLETED",
            "completedAt": iso(at),
            "duration": ((elapsed + 500) / 1000).max(1),
            "opportunities": cards,
            "stageOutputs": outputs,
            "fullReportMarkdown": report,
        })
    };
    // The frontend reads the tracks from the first stage's object, so the shorter body keeps it.
    let shorter = body(outputs(&records, &rows, |stage| stage == Stage::InputProcessing));
    Content::Now { route: COMPLETE, body: body(outputs(&records, &rows, |_| true)), shorter: Some(shorter) }
}

/// Each wanted stage's payload with its part of the report, and the opportunities as the fifth.
fn outputs(
    records: &[StageRecord],
    rows: &FrontendRows,
    is_wanted: impl Fn(Stage) -> bool,
) -> Map<String, Value> {
    let payload = |number: usize| {
        let record = records.iter().find(|record| usize::from(record.meta.stage.number()) == number);
        record.filter(|record| is_wanted(record.meta.stage)).map(|record| record.payload.clone())
    };
    let part = |(number, text): (usize, &String)| {
        let mut output = payload(number).unwrap_or_default();
        output.insert(format!("stage{number}_output"), text.as_str().into());
        (format!("stage{number}"), output.into())
    };
    (1..).zip(&rows.texts).map(part).collect()
}

/// A failure is sent as an update of the step at which the run ended, because the frontend takes any post to
/// `complete` for a success. The same holds for a cancelled run, which would stay open on the frontend
/// otherwise.
fn failed(run: &RunRecord) -> Content {
    update(step(run), "FAILED", &error_output(run.failure.as_ref()), run.finished_at)
}

/// The body of `init`, for a run that the frontend may not know. None without a document address.
#[must_use]
pub fn init(run: &RunId, request: &RunRequest) -> Option<Value> {
    Some(json!({
        "runId": run,
        "blobUrl": request.document_url.as_ref()?,
        "brandName": request.company(),
        "documentName": request.source,
    }))
}

fn iso(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}
