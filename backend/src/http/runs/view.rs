//! A run in the words that the frontend reads.

use pipeline::{
    clock::Timestamp,
    failure::{FailureCode, RunFailure},
    run::{RunStatus, Stage},
};
use serde_json::{Map, Value, json};

use super::word;
use crate::{
    health::Durability,
    runs::{ListedRun, RunList, RunView, StageStatus, StageView},
    storage::Places,
};

/// The body of `GET /status/{run_id}`.
pub(super) fn status(run: &RunView, files: Durability) -> Value {
    let stages: Map<String, Value> =
        run.stages.iter().map(|stage| (stage.stage.number().to_string(), one_stage(stage))).collect();
    let first_output = run
        .stages
        .iter()
        .find(|stage| stage.stage == Stage::InputProcessing)
        .and_then(|stage| stage.output.clone());
    let durability = if run.stored_in.database { Durability::Durable } else { files };
    let mut body = json!({
        "run_id": run.run_id,
        "status": word(run.status),
        "current_stage": current_stage(run),
        "stages": stages,
        "brand_name": run.brand_name,
        "company_id": run.brand_id,
        "mode": run.mode.as_str(),
        "stored_in": places(run.stored_in),
        "durability": durability,
        "accepted_at": run.accepted_at.map(time),
        "completed_at": run.finished_at.map(time),
    });
    if let Value::Object(body) = &mut body {
        if let Some(output) = first_output {
            body.insert("stage1_data".to_owned(), Value::Object(output));
        }
        let ended_without_a_word = matches!(run.status, RunStatus::Failed | RunStatus::Cancelled);
        match &run.error {
            Some(failure) => {
                body.insert("error".to_owned(), error(failure));
            }
            // Ended by somebody else, who has left no reason: the frontend, in the database.
            None if ended_without_a_word => {
                body.insert("error".to_owned(), error(&RunFailure::cancelled(None)));
            }
            None => {}
        }
    }
    body
}

/// The body of `GET /api/pipeline/{run_id}`: the status, and what a page about the run shows.
pub(super) fn detail(run: &RunView, files: Durability) -> Value {
    let mut body = status(run, files);
    let duration_ms =
        run.accepted_at.zip(run.finished_at).map(|(begun, ended)| (ended - begun).num_milliseconds().max(0));
    if let (Value::Object(body), Value::Object(more)) = (
        &mut body,
        json!({
            "run_status": run.status,
            "generation": run.generation,
            "document_name": run.document_name,
            "duration_ms": duration_ms,
            "cost_usd": run.cost_usd,
            "grounding": run.grounding,
            "report": run.report,
            "report_url": run.report.as_ref().map(|_| format!("/api/pipeline/{}/report", run.run_id)),
            "can_retry": matches!(run.status, RunStatus::Failed | RunStatus::Cancelled),
            "can_cancel": run.status == RunStatus::Processing,
        }),
    ) {
        body.extend(more);
    }
    body
}

/// The body of `GET /api/pipeline`. Its status words are the database's, which the filter takes too.
pub(super) fn list(list: &RunList, asked: &super::list::Asked) -> Value {
    let runs: Vec<Value> = list.runs.iter().map(listed).collect();
    let page = &list.page;
    let last = list.runs.last().filter(|_| page.has_next);
    json!({
        "runs": runs,
        "pagination": {
            "page": asked.page,
            "page_size": asked.listing.limit,
            "total": page.total,
            "total_is_exact": page.is_total_exact,
            "has_next": page.has_next,
            "next": last.map(|last| super::list::cursor(&last.run.position())),
        },
        "source": if page.places.database { "database" } else { "file" },
    })
}

fn listed(one: &ListedRun) -> Value {
    let run = &one.run;
    json!({
        "run_id": run.id,
        "status": run.status,
        "company_id": run.brand_id,
        "brand_name": one.brand_name,
        "document_name": run.source,
        "generation": run.generation,
        "stages_complete": run.stages,
        "created_at": time(run.created_at),
        "completed_at": run.finished_at.map(time),
        "error": run.failure.as_ref().map(error),
    })
}

/// The first stage without an output, or the last one.
fn current_stage(run: &RunView) -> u8 {
    let stored = |stage: &Stage| {
        run.stages.iter().any(|view| view.stage == *stage && view.status == StageStatus::Complete)
    };
    Stage::ALL.into_iter().find(|stage| !stored(stage)).unwrap_or(Stage::BrandContextualization).number()
}

fn one_stage(stage: &StageView) -> Value {
    json!({
        "status": match stage.status {
            StageStatus::Pending => "pending",
            StageStatus::Running => "running",
            StageStatus::Complete => "complete",
            StageStatus::Failed => "failed",
        },
        "started_at": stage.started_at.map(time),
        "completed_at": stage.completed_at.map(time),
        "output": stage.output,
        "stored_in": places(stage.stored_in),
    })
}

fn places(places: Places) -> Vec<&'static str> {
    [("database", places.database), ("file", places.files)]
        .into_iter()
        .filter_map(|(name, is_there)| is_there.then_some(name))
        .collect()
}

fn error(failure: &RunFailure) -> Value {
    json!({
        "code": failure.code.as_str(),
        "message": message(failure),
        "stage": failure.stage.map(Stage::number),
        "can_retry": failure.can_retry,
    })
}

/// The failure's own sentence, unless it may name a place of this machine: that one is for operators, in the log and
/// with the run.
fn message(failure: &RunFailure) -> &str {
    match failure.code {
        FailureCode::StorageUnavailable => {
            "the run's output could not be stored; what was stored before is kept, and a retry goes on from there"
        }
        FailureCode::BrandNotFound => "the brand has no profile any more; GET /brands lists those there are",
        FailureCode::BrandInvalid => "the brand's profile is not valid; its operator has to correct it",
        FailureCode::Internal => "something went wrong on our side; the log has it under this run's id",
        _ => &failure.message,
    }
}

fn time(at: Timestamp) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use pipeline::run::RunId;

    use super::*;
    use crate::storage::mode::Mode;

    fn run(status: RunStatus, error: Option<RunFailure>) -> RunView {
        let stage = |stage, status, stored_in| StageView {
            stage,
            status,
            started_at: Some(Timestamp::default()),
            completed_at: None,
            output: (status == StageStatus::Complete).then(|| Map::from_iter([("a".to_owned(), json!(1))])),
            stored_in,
        };
        RunView {
            run_id: RunId::parse("r1").unwrap(),
            status,
            current_stage: None,
            stages: vec![
                stage(Stage::InputProcessing, StageStatus::Complete, Places { database: true, files: true }),
                stage(Stage::SignalAmplification, StageStatus::Failed, Places::default()),
                stage(Stage::GeneralTranslation, StageStatus::Pending, Places::default()),
                stage(Stage::BrandContextualization, StageStatus::Pending, Places::default()),
            ],
            brand_id: None,
            brand_name: Some("Brand".to_owned()),
            mode: Mode::DualWrite,
            accepted_at: Some(Timestamp::default()),
            finished_at: None,
            error,
            stored_in: Places::FILES,
            report: None,
            generation: 1,
            document_name: Some("report.pdf".to_owned()),
            cost_usd: 0.0,
            grounding: None,
        }
    }

    #[test]
    fn a_run_stands_in_the_frontends_words() {
        let failure =
            RunFailure::new(FailureCode::LlmTimeout, Some(Stage::SignalAmplification), "no answer", true);
        let body = status(&run(RunStatus::Failed, Some(failure)), Durability::Ephemeral);
        assert_eq!(body["status"], "failed");
        assert_eq!(body["current_stage"], 2);
        assert_eq!(body["stage1_data"], json!({"a": 1}));
        assert_eq!(
            body["stages"]["1"],
            json!({
                "status": "complete", "started_at": "1970-01-01T00:00:00.000Z", "completed_at": null,
                "output": {"a": 1}, "stored_in": ["database", "file"],
            })
        );
        assert_eq!(body["stages"]["2"]["status"], "failed");
        assert_eq!(
            body["error"],
            json!({"code": "LLM_TIMEOUT", "message": "no answer", "stage": 2, "can_retry": true})
        );
        assert_eq!(body["durability"], "ephemeral");
        let body = status(&run(RunStatus::Processing, None), Durability::Durable);
        assert_eq!((&body["status"], body.get("error")), (&json!("running"), None));
    }

    #[test]
    fn a_cancelled_run_has_failed_and_says_why_also_where_nobody_did() {
        let body = status(&run(RunStatus::Cancelled, None), Durability::Durable);
        assert_eq!((&body["status"], &body["error"]["code"]), (&json!("failed"), &json!("CANCELLED")));
    }

    #[test]
    fn no_place_of_this_machine_is_told() {
        for code in [
            FailureCode::StorageUnavailable,
            FailureCode::BrandNotFound,
            FailureCode::BrandInvalid,
            FailureCode::Internal,
        ] {
            let failure = RunFailure::new(code, None, "/app/data: os error 28", true);
            let body = status(&run(RunStatus::Failed, Some(failure)), Durability::Durable).to_string();
            assert!(!body.contains("/app") && body.contains(code.as_str()), "{body}");
        }
    }
}
