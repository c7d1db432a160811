//! Batches over the real binary: one document, several brands, all runs or none.

mod acceptance;
mod ledger;
mod outages;

use pipeline::{batch::BatchId, brand::BrandId};
use serde_json::{Value, json};

use crate::support::service::{Service, TestEnv};

const BRANDS: [&str; 3] = ["decathlon", "lactalis-canada", "mccormick-usa"];

fn order(env: &TestEnv, batch_id: &str, brands: &[&str]) -> Value {
    let blob_url = env.blob.url("sample/spotted-innovation.md");
    json!({"batch_id": batch_id, "blob_url": blob_url, "brands": brands, "user_id": "user_2abc"})
}

/// The id of a brand's run.
fn run_id(batch_id: &str, brand: &str) -> String {
    BatchId::parse(batch_id).unwrap().run_id(&BrandId::parse(brand).unwrap()).to_string()
}

/// The batch when all of its runs have ended.
async fn ended(service: &Service, batch_id: &str) -> Value {
    let path = format!("/api/pipeline/batches/{batch_id}");
    service.wait_for_path(&path, |code, batch| code == 200 && batch["status"] != "running").await
}
