//! Translates a run into the words of the frontend.

use pipeline::{
    failure::{FailureCode, RunFailure},
    run::{RunStatus, Stage},
    visible_text::visible,
};

use super::bodies::{
    Detail, Listed, Output, Pagination, Place, RunError, Runs, Source, StageBody, StageWord, Stages, Status,
    Time, WaitingBody,
};
use crate::{
    health::Durability,
    runs::{ListedRun, RunList, RunView, StageStatus},
};
use storage::StoredIn;

/// The body of `GET /status/{run_id}`.
pub(super) fn status(run: &RunView, files: Durability) -> Status {
    Status {
        run_id: run.run_id.clone(),
        status: run.status.into(),
        current_stage: current_stage(run),
        stages: Stages {
            input_processing: one_stage(run, Stage::InputProcessing),
            signal_amplification: one_stage(run, Stage::SignalAmplification),
            general_translation: one_stage(run, Stage::GeneralTranslation),
            brand_contextualization: one_stage(run, Stage::BrandContextualization),
        },
        stage1_data: one_stage(run, Stage::InputProcessing).output,
        brand_name: shown(run.brand_name.as_deref()),
        company_id: run.brand_id.clone(),
        mode: run.mode,
        stored_in: places(run.stored_in),
        durability: if run.stored_in.database { Durability::Durable } else { files },
        accepted_at: run.accepted_at.map(Time),
        completed_at: run.finished_at.map(Time),
        waiting: run.waiting.map(|waiting| WaitingBody {
            reason: waiting.reason,
            since: Time(waiting.since),
            until: waiting.until.map(Time),
        }),
        error: why(run.status, run.error.as_ref()),
    }
}

/// The body of `GET /api/pipeline/{run_id}`: the status, and the figures for a page about the run.
pub(super) fn detail(run: &RunView, files: Durability) -> Detail {
    let duration_ms =
        run.accepted_at.zip(run.finished_at).map(|(begun, ended)| (ended - begun).num_milliseconds().max(0));
    Detail {
        status: status(run, files),
        run_status: run.status,
        principal: run.principal.to_string(),
        generation: run.generation,
        document_name: shown(run.document_name.as_deref()),
        duration_ms,
        cost_usd: run.cost_usd,
        grounding: run.grounding,
        document_kept_until: run.kept_until.map(Time),
        report: shown(run.report.as_deref()),
        report_url: run.report.as_ref().map(|_| format!("/api/pipeline/{}/report", run.run_id)),
        can_retry: matches!(run.status, RunStatus::Failed | RunStatus::Cancelled),
        can_cancel: run.status == RunStatus::Processing,
    }
}

/// The body of `GET /api/pipeline`. It uses the database's status words, as the filter does.
pub(super) fn list(list: &RunList, asked: &super::list::Asked) -> Runs {
    let page = &list.page;
    let last = list.runs.last().filter(|_| page.has_next);
    Runs {
        runs: list.runs.iter().map(listed).collect(),
        pagination: Pagination {
            page: asked.page,
            page_size: asked.listing.limit,
            total: page.total,
            total_is_exact: page.is_total_exact,
            has_next: page.has_next,
            next: last.map(|last| super::list::cursor(&last.run.position())),
        },
        source: if page.stored_in.database { Source::Database } else { Source::File },
    }
}

/// A text that people read. The record behind it keeps every character.
pub(super) fn shown(text: Option<&str>) -> Option<String> {
    text.map(|text| visible(text).into_owned())
}

fn listed(one: &ListedRun) -> Listed {
    let run = &one.run;
    Listed {
        run_id: run.id.clone(),
        principal: run.principal.to_string(),
        status: run.status,
        company_id: run.brand_id.clone(),
        brand_name: shown(one.brand_name.as_deref()),
        document_name: visible(&run.source).into_owned(),
        generation: run.generation,
        stages_complete: run.stages,
        created_at: Time(run.created_at),
        completed_at: run.finished_at.map(Time),
        error: run.failure.as_ref().map(error),
    }
}

/// The first stage without an output, or the last stage.
fn current_stage(run: &RunView) -> Stage {
    let stored = |stage: &Stage| {
        run.stages.iter().any(|view| view.stage == *stage && view.status == StageStatus::Complete)
    };
    Stage::ALL.into_iter().find(|stage| !stored(stage)).unwrap_or(Stage::BrandContextualization)
}

fn one_stage<T>(run: &RunView, stage: Stage) -> StageBody<T> {
    let view = run.stages.iter().find(|view| view.stage == stage);
    StageBody {
        status: view.map_or(StageWord::Pending, |view| view.status.into()),
        started_at: view.and_then(|view| view.started_at).map(Time),
        completed_at: view.and_then(|view| view.completed_at).map(Time),
        output: view.and_then(|view| view.output.clone()).map(Output::new),
        stored_in: view.map(|view| places(view.stored_in)).unwrap_or_default(),
    }
}

fn places(places: StoredIn) -> Vec<Place> {
    [(Place::Database, places.database), (Place::File, places.files)]
        .into_iter()
        .filter_map(|(place, is_there)| is_there.then_some(place))
        .collect()
}

/// Why a run ended without a report, if it did.
pub(super) fn why(status: RunStatus, failure: Option<&RunFailure>) -> Option<RunError> {
    let ended_without_a_word = matches!(status, RunStatus::Failed | RunStatus::Cancelled);
    // The frontend ended the run in the database and left no reason.
    let unsaid = ended_without_a_word.then(|| RunFailure::cancelled(None));
    failure.or(unsaid.as_ref()).map(error)
}

fn error(failure: &RunFailure) -> RunError {
    RunError {
        code: failure.code,
        message: visible(message(failure)).into_owned(),
        stage: failure.stage,
        can_retry: failure.can_retry,
    }
}

/// The failure's own sentence, unless it may name a path of this machine. Such a sentence is only for
/// operators, in the log and with the run.
fn message(failure: &RunFailure) -> &str {
    match failure.code {
        FailureCode::StorageUnavailable => {
            "the run's output could not be stored; earlier stages are kept, and a retry continues after them"
        }
        FailureCode::BrandNotFound => "the brand's profile was removed; GET /brands lists all brands",
        FailureCode::BrandInvalid => "the brand's profile is invalid; its operator must correct it",
        FailureCode::Internal => "the service failed; its log has the cause under this run's id",
        _ => &failure.message,
    }
}

#[cfg(test)]
mod tests {
    use pipeline::{clock::Timestamp, run::RunId};
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::runs::StageView;
    use storage::mode::Mode;

    fn status(run: &RunView, files: Durability) -> Value {
        serde_json::to_value(super::status(run, files)).unwrap()
    }

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
            principal: storage::control_plane::Principal::environment(),
            status,
            current_stage: None,
            stages: vec![
                stage(
                    Stage::InputProcessing,
                    StageStatus::Complete,
                    StoredIn { database: true, files: true },
                ),
                stage(Stage::SignalAmplification, StageStatus::Failed, StoredIn::default()),
                stage(Stage::GeneralTranslation, StageStatus::Pending, StoredIn::default()),
                stage(Stage::BrandContextualization, StageStatus::Pending, StoredIn::default()),
            ],
            brand_id: None,
            brand_name: Some("Brand".to_owned()),
            mode: Mode::DualWrite,
            accepted_at: Some(Timestamp::default()),
            finished_at: None,
            error,
            waiting: None,
            stored_in: StoredIn::FILES,
            report: None,
            generation: 1,
            document_name: Some("report.pdf".to_owned()),
            document_url: None,
            cost_usd: 0.0,
            grounding: None,
            kept_until: None,
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
    fn a_cancelled_run_shows_failed_with_a_reason() {
        let body = status(&run(RunStatus::Cancelled, None), Durability::Durable);
        assert_eq!((&body["status"], &body["error"]["code"]), (&json!("failed"), &json!("CANCELLED")));
    }

    #[test]
    fn the_view_names_no_local_path() {
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
