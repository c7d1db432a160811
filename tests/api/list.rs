//! The list of runs.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{DATABASE_ONLY, DUAL_WRITE, FILE_ONLY, SHORT_LEASE, env, failed};
use crate::support::{postgres::Stop, service::Service};

async fn list(service: &Service, query: &str) -> Value {
    let answer = service.call("GET", &format!("/api/pipeline{query}")).await;
    assert_eq!(
        (answer.status, answer.header("cache-control")),
        (200, "no-store, no-transform"),
        "{query}: {answer:?}"
    );
    answer.body
}

fn ids(list: &Value) -> Vec<&str> {
    list["runs"].as_array().unwrap().iter().map(|run| run["run_id"].as_str().unwrap()).collect()
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn the_list_has_one_shape_from_every_store() {
    for mode in [DATABASE_ONLY, DUAL_WRITE, FILE_ONLY] {
        let env = env(Duration::ZERO).await;
        let service = env.serve(mode).await;
        let none = list(&service, "").await;
        assert_eq!((ids(&none).len(), &none["pagination"]["total"]), (0, &0.into()));
        for number in 0..3 {
            let run = format!("run-{number}");
            service.submit(&env.request(&run)).await;
            assert_eq!(service.ended(&run).await["status"], "complete");
        }
        failed(&env, &service, "run-3").await;
        let first = list(&service, "?page_size=2").await;
        assert_eq!(ids(&first), ["run-3", "run-2"]);
        let next = first["pagination"]["next"].as_str().unwrap();
        assert_eq!(
            first["pagination"],
            json!({"page": 1, "page_size": 2, "total": 4, "total_is_exact": true, "has_next": true, "next": next})
        );
        assert_eq!(first["source"], if mode == FILE_ONLY { "file" } else { "database" });
        let mut one = first["runs"][0].clone();
        for at in ["created_at", "completed_at"] {
            assert!(one[at].take().as_str().unwrap().ends_with('Z'));
        }
        assert_eq!(one["error"]["code"], "LLM_ERROR");
        one["error"].take();
        assert_eq!(
            one,
            json!({
                "run_id": "run-3", "status": "FAILED", "company_id": "decathlon", "brand_name": "Decathlon",
                "document_name": "spotted-innovation.md", "generation": 1, "stages_complete": 1,
                "principal": "environment",
                "created_at": null, "completed_at": null, "error": null,
            })
        );
        for query in ["?page_size=2&page=2".to_owned(), format!("?page_size=2&after={next}")] {
            let second = list(&service, &query).await;
            assert_eq!(ids(&second), ["run-1", "run-0"], "{query}");
            assert_eq!(
                (&second["pagination"]["has_next"], &second["pagination"]["next"]),
                (&false.into(), &Value::Null)
            );
        }
        assert_eq!(ids(&list(&service, "?status=FAILED&company_id=decathlon").await), ["run-3"]);
        assert_eq!(ids(&list(&service, "?company_id=lactalis-canada").await).len(), 0);
        let wrong = service.call("GET", "/api/pipeline?page=0&status=complete&page_size=1000").await;
        assert_eq!(wrong.code(), (422, "invalid_fields"));
        let fields: Vec<&str> =
            wrong.body["errors"].as_array().unwrap().iter().filter_map(|one| one["field"].as_str()).collect();
        assert_eq!(fields, ["page_size", "page", "status"]);
    }
}

#[tokio::test]
async fn without_the_database_the_list_comes_from_files() {
    let mut env = env(Duration::ZERO).await;
    let service = env.serve(&SHORT_LEASE).await;
    failed(&env, &service, "run-1").await;
    env.wait_until_synced("run-1").await;
    let database = list(&service, "").await;
    env.postgres().stop(Stop::Immediate);
    let file = list(&service, "").await;
    assert_eq!((&database["source"], &file["source"]), (&"database".into(), &"file".into()));
    assert_eq!(database["runs"], file["runs"]);
    drop(service);
    let service = env.serve(DATABASE_ONLY).await;
    let answer = service.call("GET", "/api/pipeline").await;
    assert_eq!(answer.code(), (503, "storage_unavailable"));
    assert!(!answer.header("retry-after").is_empty());
}

/// Rows as the frontend's users leave them, ten a second, the newest last.
const MANY: &str = r#"
WITH person AS (INSERT INTO "User" ("id", "clerkId", "email", "updatedAt") VALUES ('u', 'c', 'e', now()) RETURNING "id")
INSERT INTO "PipelineRun" ("id", "userId", "documentName", "companyName", "brandId", "status", "pipelineVersion",
  "createdAt", "acceptedAt", "fullReportMarkdown")
SELECT 'run-' || n, person."id", 'report.pdf', 'b', CASE WHEN n % 1000 = 0 THEN 'rare' ELSE 'common' END,
  (CASE WHEN n % 1000 = 7 THEN 'CANCELLED' ELSE 'COMPLETED' END)::"RunStatus", '1.0',
  timestamp '2026-01-01' + n / 10 * interval '1 second', now(), repeat('x', 500)
FROM person, generate_series(1, 100000) AS n"#;

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn a_deep_page_costs_what_the_first_does() {
    let env = env(Duration::ZERO).await;
    env.query(MANY).await;
    env.query(r#"ANALYZE "PipelineRun""#).await;
    let service = env.serve(DATABASE_ONLY).await;
    let first = list(&service, "?page_size=100").await;
    assert_eq!(
        (&first["pagination"]["total"], &first["pagination"]["total_is_exact"]),
        (&10_000.into(), &false.into())
    );
    let mut first_took: Option<Duration> = None;
    let deep = format!("?page_size=100&after={}.run-42", 1_767_225_600_000_i64 + 1_000_000);
    for (what, query, newest) in [
        ("first", "?page_size=100".to_owned(), "run-99999"),
        ("page 100", "?page_size=100&page=100".to_owned(), "run-90099"),
        ("90 000 runs down", deep, "run-9999"),
        ("of a rare brand", "?page_size=100&company_id=rare".to_owned(), "run-100000"),
        ("of a rare status", "?page_size=100&status=CANCELLED".to_owned(), "run-99007"),
    ] {
        let mut times = Vec::new();
        for _ in 0..5 {
            let begun = Instant::now();
            let page = list(&service, &query).await;
            times.push(begun.elapsed());
            assert_eq!(page["runs"].as_array().unwrap().len(), 100, "{what}");
            assert_eq!(
                page["pagination"]["has_next"],
                newest != "run-100000" && newest != "run-99007",
                "{what}"
            );
        }
        times.sort();
        println!("{what}: {:?}", times[2]);
        // A scan of all rows takes ten times the first page; a busy machine slows both.
        let first = *first_took.get_or_insert(times[2]);
        assert!(
            times[2] < Duration::from_millis(250).max(first * 4),
            "{what}: {times:?}, the first {first:?}"
        );
    }
    let too_deep = service.call("GET", "/api/pipeline?page_size=100&page=101").await;
    assert_eq!(too_deep.code(), (422, "invalid_fields"));
    // From the first to the last by the handle that each answer gives, each run once.
    let (mut query, mut seen) = ("?page_size=100&status=CANCELLED".to_owned(), Vec::new());
    loop {
        let page = list(&service, &query).await;
        seen.extend(ids(&page).into_iter().map(str::to_owned));
        let Some(next) = page["pagination"]["next"].as_str() else { break };
        query = format!("?page_size=30&status=CANCELLED&after={next}");
    }
    let all = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!((all, seen.len()), (100, 100));
}
