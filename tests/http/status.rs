//! The status of a run.

use pipeline::{
    brand::BrandId,
    failure::{FailureCode, RunFailure},
    record::{RecordContext, StageRecord},
    run::{RunId, Stage},
    testing::{context, example_record, provenance},
};
use serde_json::json;
use storage::{Acceptance, End, Fence, Lease, RunRequest, RunSubmission, StorageErrorKind, prelude::*};

use super::{Behaviour, FakeDatabase, Service, Setup, request};
use crate::support::golden::assert_golden;

const URL: &str = "https://store.public.blob.vercel-storage.com/report.pdf";

fn record(stage: Stage) -> StageRecord {
    let context = RecordContext {
        finished_at: "2026-11-21T10:00:01.5Z".parse().unwrap(),
        flags_revision: 1,
        ..context("2026-11-21T10:00:00Z".parse().unwrap())
    };
    example_record(stage, &provenance(), context).unwrap()
}

/// A run in files with so many stages stored, and the right to go on with it.
async fn stored(service: &Service, id: &str, stages: usize) -> (Fence, Vec<StageRecord>) {
    let brand: BrandId = "decathlon".parse().unwrap();
    let new = RunSubmission {
        id: RunId::parse(id).unwrap(),
        request: RunRequest::by_url("report.pdf".into(), URL.into(), brand, None).unwrap(),
        accepted_at: "2026-11-21T09:59:00Z".parse().unwrap(),
    };
    let lease = Lease { owner: "here".into(), duration: std::time::Duration::from_secs(15) };
    let accepted = service.files.accept(&new, Some(&lease)).await.unwrap();
    let Acceptance::New(Some(fence)) = accepted else { panic!("{accepted:?}") };
    let records: Vec<StageRecord> = Stage::ALL.into_iter().take(stages).map(record).collect();
    for record in &records {
        service.files.store_stage(&fence, record).await.unwrap();
    }
    (fence, records)
}

#[tokio::test]
async fn a_run_under_way_shows_every_stage() {
    let service = Service::new();
    stored(&service, "run-1", 1).await;
    let answer = service.get("/status/run-1").await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("cache-control")),
        (200, Some("no-store, no-transform"))
    );
    let mut body = answer.json();
    let output = body["stages"]["1"]["output"].take();
    assert_eq!(output["inspirations"][0]["title"], "Refill bar 1", "the payload's own fields are at the top");
    assert_eq!(output["meta"]["provider"], "test");
    assert_eq!(body["stage1_data"], output, "the frontend's own field");
    body.as_object_mut().unwrap().remove("stage1_data");
    assert_golden("status.json", &(serde_json::to_string_pretty(&body).unwrap() + "\n"));
    let other = service.get("/api/pipeline/run-1/status").await;
    assert_eq!(other.json(), answer.json());
}

#[tokio::test]
async fn an_ended_run_has_the_frontends_status_words() {
    let service = Service::new();
    let at = "2026-11-21T10:01:00Z".parse().unwrap();
    let (fence, records) = stored(&service, "run-1", 4).await;
    let end = End::Completed { records: &records, report: "# Report" };
    service.files.finish(&fence, end, at).await.unwrap();
    let body = service.get("/status/run-1").await.json();
    assert_eq!((&body["status"], &body["current_stage"]), (&json!("complete"), &json!(4)));
    assert_eq!((&body["completed_at"], body.get("error")), (&json!("2026-11-21T10:01:00.000Z"), None));
    let repeat = service.run(&request("run-1")).await;
    assert_eq!((repeat.status.as_u16(), repeat.json()["status"].clone()), (202, json!("complete")));

    let failures = [
        (
            "run-2",
            RunFailure::new(FailureCode::LlmCredits, Some(Stage::SignalAmplification), "no credit", true),
        ),
        ("run-3", RunFailure::cancelled(Some(Stage::SignalAmplification))),
    ];
    for (id, failure) in failures {
        let (fence, _) = stored(&service, id, 1).await;
        service.files.finish(&fence, End::Failed(&failure), at).await.unwrap();
        let body = service.get(&format!("/status/{id}")).await.json();
        assert_eq!(body["status"], "failed");
        assert_eq!(body["stages"]["2"]["status"], "failed");
        let error = json!({
            "code": failure.code.as_str(), "message": failure.message, "stage": 2, "can_retry": true,
        });
        assert_eq!(body["error"], error);
        let repeat = service.run(&request(id)).await;
        assert_eq!((repeat.status.as_u16(), repeat.json()["status"].clone()), (202, json!("failed")));
    }
}

#[tokio::test]
async fn an_invalid_run_id_is_404() {
    let service = Service::new();
    service.get("/status/run-1").await.problem(404, "run_not_found");
    let long = "x".repeat(300);
    for id in [
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e",
        "%00",
        "a%00b",
        "%0a",
        "%ff%fe",
        "%zz",
        "%",
        "-x",
        "a.b",
        "%3F%23",
        "%F0%9F%92%A9",
        &long,
    ] {
        for path in [format!("/status/{id}"), format!("/api/pipeline/{id}/status")] {
            let said = service.get(&path).await.problem(404, "run_not_found");
            assert_eq!(said, "there is no run with this id", "{path}");
        }
    }
    for path in ["/status/", "/status", "/status/a/b", "/"] {
        service.get(path).await.problem(404, "not_found");
    }
    let leftovers: Vec<_> = std::fs::read_dir(service.folder.path()).unwrap().collect();
    assert!(leftovers.is_empty(), "looking creates nothing: {leftovers:?}");
}

#[tokio::test]
async fn an_unknown_run_is_503_during_an_outage() {
    let database = FakeDatabase::new(Behaviour::Fails(StorageErrorKind::Unavailable));
    let service = Service::with(Setup::dual_write(&database));
    let said = service.get("/status/run-1").await.problem(503, "storage_unavailable");
    assert!(!said.contains("db.internal"), "{said}");
    // The service shows the files' state.
    stored(&service, "run-2", 1).await;
    assert_eq!(service.get("/status/run-2").await.json()["stages"]["1"]["status"], "complete");
}

#[tokio::test]
async fn a_run_on_a_vanished_disk_says_so() {
    let setup = Setup { environment: backend::config::Environment::Production, ..Setup::default() };
    let service = Service::with(setup);
    stored(&service, "run-1", 0).await;
    assert_eq!(service.get("/status/run-1").await.json()["durability"], "ephemeral");
}

#[tokio::test]
async fn brands_are_listed_without_analyst_fields() {
    let service = Service::new();
    let body = service.get("/brands").await.json();
    let brands = body["brands"].as_array().unwrap();
    let ids: Vec<&str> = brands.iter().map(|brand| brand["id"].as_str().unwrap()).collect();
    assert!(ids.contains(&"decathlon") && ids.contains(&"lactalis-canada"), "{ids:?}");
    assert!(brands.iter().all(|brand| brand["is_valid"] == true && brand["name"].is_string()), "{brands:?}");
    let one = service.get("/brands/decathlon").await.json();
    assert_eq!((&one["id"], &one["brand_name"]), (&json!("decathlon"), &json!("Decathlon")));
    assert_eq!(one.get("research_notes"), None);
    for id in ["nobody", "..%2fbrand-profiles%2fdecathlon", "decathlon.yaml", "%00", "%ff", "Decathlon"] {
        service.get(&format!("/brands/{id}")).await.problem(404, "brand_not_found");
    }
}
