//! The answer cache over the real binary and PostgreSQL, by the ledger of the model double.

mod files;
mod owners;
mod sharing;

use serde_json::{Value, json};

use crate::support::service::{Service, TestEnv};

const ON: (&str, &str) = ("ANSWER_CACHE", "on");

const BRANDS: [&str; 4] = ["decathlon", "columbia-sportswear", "lactalis-canada", "mccormick-usa"];

/// A request for the sample document and a brand.
fn request(env: &TestEnv, run: &str, brand: &str) -> Value {
    let mut request = env.request(run);
    request["company_id"] = brand.into();
    request
}

/// Submits a run, and waits until it is complete.
async fn complete(service: &Service, request: &Value) {
    service.submit(request).await;
    let run = request["run_id"].as_str().unwrap();
    let status = service.ended(run).await;
    assert_eq!(status["status"], "complete", "{run}: {status}");
}

/// `meta` of a stage in the run's row.
async fn meta(env: &TestEnv, run: &str, stage: u8) -> Value {
    let sql =
        format!(r#"SELECT ("stage{stage}Output"->'meta')::text FROM "PipelineRun" WHERE "id" = '{run}'"#);
    serde_json::from_str(&env.value(&sql).await).unwrap()
}

/// How many answers are stored.
async fn stored(env: &TestEnv) -> String {
    env.value(r#"SELECT count("answer")::text FROM "innovation"."AnswerCache""#).await
}

fn off(mut request: Value) -> Value {
    request["cache"] = json!("off");
    request
}
