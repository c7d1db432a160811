//! The quality of the built-in analyst's reports on the golden set, compared with the committed baseline.
//!
//! After an intended change: `UPDATE_GOLDEN=1 cargo test -p pipeline --features testing --test evaluation`, and read the
//! difference. A measure that became worse needs a reason in the commit.

#![allow(clippy::unwrap_used, clippy::panic)] // The helpers are tests too, but not marked so.

use std::{path::PathBuf, sync::Arc};

use pipeline::{
    analyst::extractive::ExtractiveAnalyst,
    brand::{BrandId, BrandProfile},
    document::{self, CompressedDocument, Document},
    engine::Engine,
    evaluation::{
        EvaluatedRun, Evaluation, EvaluationSet, RecordedAnswers, RecordingAnalyst, compare, evaluate,
        run_stages,
    },
    run::Stage,
    testing::ManualClock,
};
use tokio_util::sync::CancellationToken;

/// How much worse a mean may become unnoticed. The analyst is deterministic, so this is room for taste, not for noise.
const TOLERANCE: f64 = 0.02;

fn data(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../data").join(path)
}

fn engine(analyst: Arc<dyn pipeline::analyst::Analyst>) -> Engine {
    Engine::new(analyst, Arc::new(ManualClock::new()), None)
}

fn set() -> EvaluationSet {
    serde_json::from_slice(&std::fs::read(data("eval/set.json")).unwrap()).unwrap()
}

fn brand(id: &str) -> BrandProfile {
    let yaml = std::fs::read_to_string(data(&format!("brand-profiles/{id}.yaml"))).unwrap();
    BrandProfile::from_yaml(BrandId::parse(id).unwrap(), &yaml, None).unwrap()
}

fn documents(set: &EvaluationSet) -> Vec<Document> {
    let read = |file: &str| std::fs::read(data("eval").join(file)).unwrap();
    set.documents.iter().map(|it| document::extract(it.name(), &read(&it.file)).unwrap()).collect()
}

async fn evaluation() -> Evaluation {
    let set = set();
    let documents = documents(&set);
    let brands: Vec<BrandProfile> = set.brands.iter().map(|id| brand(id)).collect();
    let engine = engine(Arc::new(ExtractiveAnalyst::new()));
    let mut runs = Vec::new();
    for (plants, document) in set.documents.iter().zip(&documents) {
        let compressed = CompressedDocument::new(document.clone()).unwrap();
        let mut known = Vec::new();
        for brand in &brands {
            let never = CancellationToken::new();
            let records = run_stages(&engine, &compressed, brand, &known, &never).await.unwrap();
            known.clone_from(&records);
            runs.push(EvaluatedRun { document_name: plants.name(), document, brand, records });
        }
    }
    let plants: Vec<_> = documents.iter().zip(&set.documents).collect();
    evaluate("built-in extractive analyst", &runs, &plants).unwrap()
}

#[tokio::test]
async fn quality_is_that_of_the_baseline() {
    let found = evaluation().await;
    let path = data("eval/baseline.json");
    #[allow(clippy::disallowed_methods)]
    // The one switch of these tests, and it must be asked for explicitly.
    if std::env::var("UPDATE_GOLDEN").is_ok_and(|value| value == "1") {
        std::fs::write(&path, serde_json::to_string_pretty(&found).unwrap() + "\n").unwrap();
    }
    let baseline: Evaluation = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let differences = compare(&baseline, &found, TOLERANCE);
    let regressions: Vec<_> = differences.iter().filter(|it| it.is_regression).collect();
    assert!(regressions.is_empty(), "worse than data/eval/baseline.json: {regressions:#?}");
}

#[tokio::test]
async fn a_worse_evaluation_is_a_regression() {
    let before: Evaluation =
        serde_json::from_slice(&std::fs::read(data("eval/baseline.json")).unwrap()).unwrap();
    let mut after = before.clone();
    assert!(compare(&before, &after, TOLERANCE).is_empty());
    after.means.quotes_verified -= 0.5;
    after.means.redundancy += 0.5;
    after.plants[0].fakes_caught -= 1;
    after.cases.pop();
    let found = compare(&before, &after, TOLERANCE);
    let regressions: Vec<&str> = found.iter().filter(|it| it.is_regression).map(|it| it.measure).collect();
    assert_eq!(regressions, ["quotes verified", "redundancy", "fakes caught", "present"]);
    // The other way round, only the case that is new there differs.
    assert!(compare(&after, &before, TOLERANCE).iter().all(|it| !it.is_regression));
}

#[tokio::test]
async fn recorded_answers_give_the_same_records() {
    let document = CompressedDocument::new(documents(&set()).swap_remove(1)).unwrap();
    let brand = brand("mccormick-usa");
    let recording = Arc::new(RecordingAnalyst::new(Arc::new(ExtractiveAnalyst::new())));
    let first = run_stages(&engine(recording.clone()), &document, &brand, &[], &CancellationToken::new())
        .await
        .unwrap();
    let answers: Vec<(Stage, String)> = recording.answers();
    let replay = Arc::new(RecordedAnswers::new(answers));
    let second =
        run_stages(&engine(replay), &document, &brand, &[], &CancellationToken::new()).await.unwrap();
    let payloads = |records: &[pipeline::record::StageRecord]| -> Vec<_> {
        records.iter().map(|record| record.payload.clone()).collect()
    };
    assert_eq!(payloads(&first), payloads(&second));
}
