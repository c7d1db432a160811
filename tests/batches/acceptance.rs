//! The acceptance of batches, and their view.

use serde_json::{Value, json};

use super::{BRANDS, ended, order, run_id};
use crate::{
    control_plane::{KEYS, ask, keys},
    support::{
        assert_ok, sample,
        service::{DATABASE_ONLY, DUAL_WRITE, FILE_ONLY, TestEnv},
        wait::{eventually, wanted},
    },
};

/// A field of all items.
fn texts<'a>(items: &'a Value, field: &str) -> Vec<&'a str> {
    items.as_array().unwrap().iter().map(|item| item[field].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_batch_runs_once_in_every_mode() {
    let env = TestEnv::with_database().await;
    for (number, mode) in [DUAL_WRITE, DATABASE_ONLY, FILE_ONLY].into_iter().enumerate() {
        let service = env.serve(mode).await;
        let batch = format!("batch-{number}");
        let request = order(&env, &batch, &BRANDS);
        let answers = tokio::join!(service.submit(&request), service.submit(&request));
        for answer in [answers.0, answers.1] {
            let ids: Vec<&str> = texts(&answer["runs"], "run_id");
            assert_eq!(ids, BRANDS.map(|brand| run_id(&batch, brand)), "{answer}");
        }

        let view = ended(&service, &batch).await;
        assert_eq!(view["totals"]["complete"], 3, "{view}");
        assert_eq!(texts(&view["runs"], "company_id"), BRANDS);
        let (code, report) = service.get(view["report_url"].as_str().unwrap()).await.unwrap();
        let report = report.as_str().unwrap();
        assert!(code == 200 && report.contains("| **Decathlon") && report.contains("Lactalis"), "{report}");

        let reordered = order(&env, &batch, &["mccormick-usa", "decathlon", "lactalis-canada"]);
        assert_eq!(service.submit(&reordered).await["runs"][0]["status"], "complete");
        let other = service.post(&order(&env, &batch, &BRANDS[..2])).await.unwrap();
        assert_eq!((other.0, &other.1["code"]), (409, &json!("batch_conflict")));
        assert_eq!(service.events("run_started").len(), 3, "each run once");
    }
}

#[tokio::test]
async fn a_refused_batch_leaves_nothing_behind() {
    let env = TestEnv::with_database().await;
    let service = env.serve(DUAL_WRITE).await;
    let answer = service.post(&order(&env, "spring", &["decathlon", "nobody", "nothing"])).await.unwrap();
    assert_eq!((answer.0, &answer.1["code"]), (404, &json!("brand_not_found")));
    let detail = answer.1["detail"].as_str().unwrap();
    assert!(detail.contains("nobody, nothing"), "{detail}");

    // A run of the batch's has its id already, for another document.
    let mut taken = env.request(&run_id("spring", "lactalis-canada"));
    taken["blob_url"] = json!(env.blob.url("sample/field-notes.txt"));
    service.submit(&taken).await;
    let answer = service.post(&order(&env, "spring", &BRANDS)).await.unwrap();
    assert_eq!((answer.0, &answer.1["code"]), (409, &json!("batch_conflict")));

    assert_eq!(env.value(r#"SELECT count(*)::text FROM "PipelineRun""#).await, "1");
    assert_eq!(env.value(r#"SELECT count(*)::text FROM "innovation"."Batch""#).await, "0");
    assert_eq!(service.call("GET", "/api/pipeline/batches/spring").await.code(), (404, "batch_not_found"));
}

#[tokio::test]
async fn a_batch_counts_and_belongs_to_its_key() {
    let env = TestEnv::with_database().await;
    let key = |name: &str, limit: &str| {
        let arguments = ["create", "--name", name, "--role", "client", "--runs-under-way", limit];
        keys(&env, &arguments)["key"].as_str().unwrap().to_owned()
    };
    let (ours, theirs, small) = (key("ours", "3"), key("theirs", "9"), key("small", "2"));
    let service = env.serve(&[&KEYS[..], DUAL_WRITE].concat()).await;
    let request = order(&env, "spring", &BRANDS);
    let post = async |key: &str| {
        eventually("the key is known", async || {
            let answer = ask(&service, key, "POST", "/run", Some(request.clone())).await;
            wanted(answer, |answer| answer.code() != (403, "invalid_api_key"))
        })
        .await
    };
    assert_eq!(post(&small).await.code(), (429, "quota_exceeded"));
    assert_eq!(env.value(r#"SELECT count(*)::text FROM "PipelineRun""#).await, "0");
    assert_eq!(post(&ours).await.status, 202);
    assert_eq!(post(&ours).await.status, 202, "a repetition is no new batch");
    assert_eq!(post(&theirs).await.code(), (409, "batch_conflict"));
    let view = async |key: &str| ask(&service, key, "GET", "/api/pipeline/batches/spring", None).await;
    assert_eq!(view(&theirs).await.code(), (404, "batch_not_found"));
    assert_eq!(view(&ours).await.body["principal"], "ours");
}

#[test]
fn the_command_compares_several_brands() {
    let out = tempfile::tempdir().unwrap();
    let output = crate::support::innovation(&["run", "--brand", "decathlon,lactalis-canada", "--json"])
        .args(["--analyst", "extractive", "--batch-id", "spring", "--out"])
        .arg(out.path())
        .arg(sample("spotted-innovation.md"))
        .output()
        .unwrap();
    assert_ok(&output);
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    let batch = &result["batches"][0];
    assert_eq!(batch["runs"][1]["run_id"], run_id("spring", "lactalis-canada"));
    let place = out.path().join("comparison-spring.md");
    assert_eq!(batch["comparison"], place.to_str().unwrap());
    let comparison = std::fs::read_to_string(place).unwrap();
    assert!(comparison.contains("All brands build on the same lessons."), "{comparison}");
}
