//! The places, runs and records of the contract.

use std::{collections::HashSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use pipeline::{
    analyst::Provenance,
    brand::BrandId,
    clock::Timestamp,
    failure::{FailureCode, RunFailure},
    grounding::StageGrounding,
    llm::Usage,
    record::{RecordContext, StageRecord},
    run::{RunId, Stage},
    testing::{context, example_record, provenance},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    control_plane::AuditRecord,
    ports::{
        lifecycle::{Acceptance, Claim, Fence, Lease, WaitingRuns},
        store::Store,
    },
    run::{RunRequest, RunSubmission},
};

/// A place that several processes share.
#[async_trait]
pub trait Place: Send + Sync {
    /// The store as another process sees it. Dropping it simulates that process's death.
    async fn open(&self) -> Arc<dyn Store>;

    /// The audit records of changes that the place keeps, the newest first.
    async fn audit(&self) -> Vec<AuditRecord>;

    /// How many callers come at once. Each has to be answered within the place's own time limit.
    fn callers(&self) -> usize {
        50
    }
}

/// The times of acceptance of this suite's runs, in the order of their names.
pub(super) const ACCEPTED_AT: &str = "2026-11-21T11:00:00.123Z";
pub(super) const FINISHED_AT: &str = "2026-11-21T11:00:42.500Z";

/// The record of a change by a person.
#[must_use]
pub fn by_person(run: &RunId, action: &str) -> AuditRecord {
    AuditRecord {
        id: Uuid::now_v7().to_string(),
        at: at(FINISHED_AT),
        actor: "person".into(),
        role: "operator".into(),
        address: None,
        action: action.into(),
        target: run.to_string(),
        old: None,
        new: None,
        reason: None,
        request_id: None,
        deployment: None,
        imported_at: None,
    }
}

/// The recorded changes of a run, the newest first: the action, the old status, and the new values.
pub(super) async fn audited(place: &dyn Place, run: &RunId) -> Vec<Value> {
    let records = place.audit().await.into_iter().filter(|record| record.target == run.as_str());
    records
        .map(|record| json!([record.action, record.old.map(|old| old["status"].clone()), record.new]))
        .collect()
}

/// Parses a time.
#[must_use]
pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A lease that outlasts a test.
#[must_use]
pub fn lease(owner: &str) -> Lease {
    Lease { owner: owner.to_owned(), duration: Duration::from_secs(60) }
}

/// A request for a run by address.
#[must_use]
pub fn new_run(id: &str, url: &str) -> RunSubmission {
    let brand = BrandId::parse("acme").unwrap();
    RunSubmission {
        id: RunId::parse(id).unwrap(),
        request: RunRequest::by_url("report.pdf".into(), url.into(), brand, Some("user_1".into())).unwrap(),
        accepted_at: at(ACCEPTED_AT),
    }
}

/// A valid record of a stage that differs by `mark`.
#[must_use]
pub fn record(stage: Stage, mark: &str) -> StageRecord {
    let provenance = Provenance {
        model: format!("test/{mark}"),
        // Numbers that a lossy number format would change.
        usage: Usage { prompt_tokens: 1_234_567, cost_usd: 0.1 + 0.2, ..Usage::default() },
        ..provenance()
    };
    let share = (stage.number() <= 2).then_some(12.0 / 13.0);
    let grounding =
        StageGrounding { quotes: 13, verbatim: 12, absent: 1, share, ..StageGrounding::default() };
    let context = RecordContext {
        finished_at: at("2026-11-21T11:00:09.999Z"),
        mode: "DUAL_WRITE".into(),
        flags_revision: 1,
        warnings: vec!["“quotes”, \\u0000 in letters, a tab\t and 😀".into()],
        grounding,
        ..context(at("2026-11-21T11:00:01.001Z"))
    };
    example_record(stage, &provenance, context).unwrap()
}

/// The records of all stages.
#[must_use]
pub fn records() -> Vec<StageRecord> {
    Stage::ALL.into_iter().map(|stage| record(stage, "one")).collect()
}

/// A failure with a cost.
#[must_use]
pub fn failure() -> RunFailure {
    let stage = Some(Stage::SignalAmplification);
    let usage = Usage { cost_usd: 0.25, ..Usage::default() };
    RunFailure { usage, ..RunFailure::new(FailureCode::LlmTimeout, stage, "no answer in time", true) }
}

/// Claims runs for `owner`, including those with an expired lease.
pub async fn claim(store: &dyn Store, lease: &Lease, limit: usize) -> Vec<Fence> {
    store
        .claim(Claim { lease, limit, held: &HashSet::new(), expired: true, waiting: WaitingRuns::Due })
        .await
        .unwrap()
}

/// Accepts a run as work of `owner`.
pub async fn accepted(store: &dyn Store, run: &RunSubmission, owner: &str) -> Fence {
    match store.accept(run, Some(&lease(owner))).await.unwrap() {
        Acceptance::New(Some(fence)) => fence,
        other => panic!("{other:?}"),
    }
}
