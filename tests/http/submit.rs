//! `POST /run`.

use backend::http::Limits;
use serde_json::{Value, json};
use storage::{
    StorageErrorKind,
    mode::{Flags, Mode},
    prelude::*,
};

use super::{Answer, Behaviour, FakeDatabase, Service, Setup, request};

/// Case 58: a byte order mark before the JSON, which Windows' tools write.
#[tokio::test]
async fn a_byte_order_mark_is_no_fault() {
    let service = Service::new();
    let marked = format!("\u{feff}{}", request("run-1"));
    assert_eq!(service.post(marked).await.status, 202);
    service.post("\u{feff}").await.problem(400, "malformed_json");
    service.post(format!("\u{feff}\u{feff}{}", request("run-2"))).await.problem(400, "malformed_json");
}

#[tokio::test]
async fn a_repeated_submission_gets_the_same_answer() {
    let service = Service::new();
    let first = service.run(&request("run-1")).await;
    assert_eq!(first.status, 202);
    assert_eq!(first.json(), json!({"run_id": "run-1", "status": "running", "status_url": "/status/run-1"}));
    assert_eq!(first.header("cache-control"), Some("no-store, no-transform"));
    for body in [
        request("run-1"),
        // The other name of the same field, and fields that nobody knows.
        json!({
            "run_id": "run-1", "company_id": "decathlon", "brand_id": "decathlon", "extra": {"a": 1},
            "blob_url": "https://store.public.blob.vercel-storage.com/report.pdf",
        }),
    ] {
        let repeat = service.run(&body).await;
        assert_eq!((repeat.status, repeat.json()), (first.status, first.json()));
    }
}

#[tokio::test]
async fn a_run_without_id_gets_a_new_one() {
    let service = Service::new();
    let mut body = request("x");
    body["run_id"] = Value::Null;
    let (one, other) = (service.run(&body).await.json(), service.run(&body).await.json());
    assert_eq!(one["run_id"].as_str().unwrap().len(), 36);
    assert_ne!(one["run_id"], other["run_id"]);
    let shown = service.get(&format!("/status/{}", one["run_id"].as_str().unwrap())).await;
    assert_eq!(shown.json()["status"], "running");
}

#[tokio::test]
async fn concurrent_posts_of_one_id_are_one_acceptance() {
    let service = Service::new();
    let body = request("run-1");
    let answers: Vec<Answer> = futures_util::future::join_all((0..50).map(|_| service.run(&body))).await;
    for answer in &answers {
        assert_eq!((answer.status, answer.json()), (answers[0].status, answers[0].json()));
    }
    assert_eq!(answers[0].status, 202);
    assert_eq!(service.files.open_count().await, Ok(1));
}

#[tokio::test]
async fn a_different_request_for_an_id_conflicts() {
    let service = Service::new();
    assert_eq!(service.run(&request("run-1")).await.status, 202);
    let mut other = request("run-1");
    other["brand_id"] = json!("lactalis-canada");
    let said = service.run(&other).await.problem(409, "run_conflict");
    assert!(said.contains("run-1") && said.contains("another document or company"), "{said}");
    assert_eq!(service.get("/status/run-1").await.json()["company_id"], "decathlon");
}

#[tokio::test]
async fn a_body_that_is_not_json_is_400() {
    let service = Service::new();
    for body in ["", "{", "{'run_id': 1}", "{\"run_id\": \"\\ud800\"}", "\u{feff}{", "nonsense"] {
        service.post(body).await.problem(400, "malformed_json");
    }
    service.post(vec![b'"', 0xff, b'"']).await.problem(400, "malformed_json");
    let deep = "[".repeat(60_000);
    service.post(deep).await.problem(400, "malformed_json");
}

#[tokio::test]
async fn a_compressed_body_is_415() {
    let service = Service::new();
    for (coding, status) in [("gzip", 415), ("identity", 202), ("", 202)] {
        let builder = axum::http::Request::post("/run").header("content-encoding", coding);
        let answer = service.send(builder.body(request("run-1").to_string().into()).unwrap()).await;
        assert_eq!(answer.status, status, "{coding}");
    }
}

#[tokio::test]
async fn a_wrong_content_type_is_415_none_passes() {
    let service = Service::new();
    let send = |content_type: Option<&'static str>| {
        let mut builder = axum::http::Request::post("/run");
        if let Some(content_type) = content_type {
            builder = builder.header("content-type", content_type);
        }
        service.send(builder.body(request("run-1").to_string().into()).unwrap())
    };
    for other in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "json"] {
        send(Some(other)).await.problem(415, "unsupported_media_type");
    }
    for json in [None, Some("application/json; charset=utf-8"), Some("Application/JSON")] {
        assert_eq!(send(json).await.status, 202, "{json:?}");
    }
}

#[tokio::test]
async fn everything_wrong_with_the_fields_comes_at_once() {
    let service = Service::new();
    let answer = service.post("{}").await;
    let said = answer.problem(422, "invalid_fields");
    assert_eq!(
        said,
        "blob_url: is required: the address of the document; company_id: is required: the brand to find opportunities for"
    );
    let errors = answer.json()["errors"].clone();
    assert_eq!(errors[0]["field"], "blob_url");
    assert_eq!(errors[1]["field"], "company_id");
    let hostile =
        ["../../etc/x", "..%2f", "a?b", "a#b", "a\nb", "a\u{0}b", "", "é", ".", "-x", &"x".repeat(300)];
    for id in hostile {
        let mut body = request(id);
        let said = service.run(&body).await.problem(422, "invalid_fields");
        assert!(said.starts_with("run_id: ") && said.len() < 300, "{said}");
        assert!(!said.contains(char::is_control), "{said:?}");
        body = request("run-1");
        body["brand_id"] = json!(id);
        service.run(&body).await.problem(422, "invalid_fields");
    }
    assert_eq!(service.files.open_count().await, Ok(0), "nothing was stored");
}

#[tokio::test]
async fn a_forbidden_address_is_400_unknown_brand_404() {
    let service = Service::new();
    for url in [
        "not a url",
        "http://store.public.blob.vercel-storage.com/x",
        "https://user:secret@store.public.blob.vercel-storage.com/x",
        "https://store.public.blob.vercel-storage.com/x#y",
        "https://store.public.blob.vercel-storage.com:8443/x",
        "https://example.com/x",
        "https://example.com/store.public.blob.vercel-storage.com",
        "https://169.254.169.254/latest/meta-data",
        "https://[::ffff:127.0.0.1]/x",
        "file:///etc/passwd",
    ] {
        let mut body = request("run-1");
        body["blob_url"] = json!(url);
        let said = service.run(&body).await.problem(400, "forbidden_url");
        assert!(!said.contains("secret"), "{said}");
    }
    let mut body = request("run-1");
    body["brand_id"] = json!("nobody");
    let said = service.run(&body).await.problem(404, "brand_not_found");
    assert!(!said.contains('/') || said.contains("/brands"), "{said}");
    assert!(!said.contains("brand-profiles"), "no folder is named: {said}");
}

#[tokio::test]
async fn an_oversized_body_is_413_with_any_framing() {
    let service = Service::new();
    let large = format!("{{\"run_id\": \"{}\"}}", "x".repeat(20 * 1024 * 1024));
    service.post(large).await.problem(413, "body_too_large");
    // In pieces, without a length.
    let pieces = futures_util::stream::iter((0..200).map(|_| Ok::<_, std::io::Error>(vec![b' '; 1024])));
    service.post(axum::body::Body::from_stream(pieces)).await.problem(413, "body_too_large");
    // At the limit it is read.
    let mut at_the_limit = request("run-1").to_string();
    at_the_limit.push_str(&" ".repeat(64 * 1024 - at_the_limit.len()));
    assert_eq!(service.post(at_the_limit).await.status, 202);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_is_408() {
    let service = Service::new();
    let never = futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>();
    let answer = service.post(axum::body::Body::from_stream(never)).await;
    assert_eq!((answer.status.as_u16(), answer.json()["code"].as_str()), (408, Some("body_timeout")));
}

#[tokio::test]
async fn with_both_flags_off_nothing_is_accepted() {
    let service = Service::new();
    let off = Flags::of_mode(Mode::Invalid, 2);
    service.flags.send(off).unwrap();
    let answer = service.run(&request("run-1")).await;
    answer.problem(503, "persistence_disabled");
    assert_eq!(answer.header("retry-after"), Some("30"));
}

#[tokio::test]
async fn a_replica_that_stops_sends_callers_elsewhere() {
    let service = Service::new();
    service.worker.drain(std::time::Duration::ZERO).await;
    service.run(&request("run-1")).await.problem(503, "draining");
}

#[tokio::test]
async fn without_storage_callers_get_503_and_retry_after() {
    let service = Service::new();
    service.break_files();
    let said = service.run(&request("run-1")).await.problem(503, "storage_unavailable");
    assert_eq!(said, "the run could not be recorded; try again");

    let database = FakeDatabase::new(Behaviour::Fails(StorageErrorKind::Unavailable));
    let setup = Setup { flags: (true, false), ..Setup::dual_write(&database) };
    let service = Service::with(setup);
    let said = service.run(&request("run-1")).await.problem(503, "storage_unavailable");
    assert!(!said.contains("db.internal"), "{said}");
}

#[tokio::test]
async fn a_file_accepts_during_a_database_outage() {
    let database = FakeDatabase::new(Behaviour::Fails(StorageErrorKind::Unavailable));
    let service = Service::with(Setup::dual_write(&database));
    assert_eq!(service.run(&request("run-1")).await.status, 202);
    assert!(service.storage.files().load(&"run-1".parse().unwrap()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_panic_is_500_without_details() {
    let service = Service::with(Setup::dual_write(&FakeDatabase::new(Behaviour::Panics)));
    for answer in [service.run(&request("run-1")).await, service.get("/status/run-1").await] {
        let said = answer.problem(500, "internal");
        assert!(!said.contains("secret") && said.contains("request_id"), "{said}");
    }
    assert_eq!(service.get("/health/live").await.status, 200, "the others are served on");
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_503() {
    let limits = Limits { request_timeout: std::time::Duration::from_millis(100), ..Limits::default() };
    let hangs = FakeDatabase::new(Behaviour::Hangs);
    let service = Service::with(Setup { limits, ..Setup::dual_write(&hangs) });
    service.run(&request("run-1")).await.problem(503, "request_timeout");
    service.get("/status/run-1").await.problem(503, "request_timeout");
}
