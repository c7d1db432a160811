//! Health in its levels, and metrics.

use std::{sync::Arc, time::Duration};

use backend::config::{AccessConfig, Environment};
use serde_json::{Value, json};
use storage::{
    StorageErrorKind,
    mode::{Flags, Mode},
};
use tokio::time::Instant;

use super::{Behaviour, FakeDatabase, Service, Setup, request};
use crate::support::golden::assert_golden;

async fn health(service: &Service) -> (u16, Value) {
    let answer = service.get("/health").await;
    (answer.status.as_u16(), answer.json())
}

fn check<'a>(deep: &'a Value, name: &str) -> &'a Value {
    deep["checks"].as_array().unwrap().iter().find(|check| check["name"] == name).unwrap()
}

#[tokio::test]
async fn the_first_level_has_exactly_its_fields() {
    let service = Service::new();
    let (status, mut body) = health(&service).await;
    let timestamp = body["timestamp"].take();
    assert!(timestamp.as_str().unwrap().ends_with('Z'), "{timestamp}");
    assert_eq!(
        (status, body),
        (
            200,
            json!({
                "status": "healthy", "mode": "FILE_ONLY", "effective_mode": "FILE_ONLY",
                "database_writes": false, "file_fallback": true, "database_connection": "skipped", "file_storage": "local",
                "version": "1.2.3", "git_sha": "abc123", "environment": "development", "timestamp": null,
            })
        )
    );
    assert_eq!(service.get("/api/health").await.status, 200);
}

#[tokio::test]
async fn a_failing_database_degrades_or_makes_unhealthy() {
    let database = FakeDatabase::new(Behaviour::Fails(StorageErrorKind::Unavailable));
    let service = Service::with(Setup::dual_write(&database));
    let (status, body) = health(&service).await;
    assert_eq!(
        (status, &body["status"], &body["database_connection"]),
        (200, &json!("degraded"), &json!("failed"))
    );
    assert_eq!(body["database_error"], "connect to db.internal: refused", "a developer's machine says all");

    let setup =
        Setup { flags: (true, false), environment: Environment::Production, ..Setup::dual_write(&database) };
    let (status, body) = health(&Service::with(setup)).await;
    assert_eq!((status, &body["status"]), (503, &json!("unhealthy")));
    assert_eq!(body["database_error"], "the database cannot be reached", "production names no host");

    let works = FakeDatabase::new(Behaviour::Works);
    let (status, body) = health(&Service::with(Setup::dual_write(&works))).await;
    assert_eq!(
        (status, &body["status"], &body["database_connection"]),
        (200, &json!("healthy"), &json!("healthy"))
    );
}

#[tokio::test]
async fn failing_files_degrade_or_make_unhealthy() {
    let database = FakeDatabase::new(Behaviour::Works);
    let service = Service::with(Setup::dual_write(&database));
    service.break_files();
    let (status, body) = health(&service).await;
    assert_eq!((status, &body["status"]), (200, &json!("degraded")));

    let service = Service::new();
    service.break_files();
    assert_eq!(health(&service).await.0, 503);
    service.get("/health/ready").await.problem(503, "storage_unavailable");
    assert_eq!(service.get("/health/live").await.json(), json!({"status": "alive"}));
}

#[tokio::test]
async fn invalid_flags_and_drain_are_unready_but_live() {
    let service = Service::new();
    let off = Flags::of_mode(Mode::Invalid, 2);
    assert_eq!(service.get("/health/ready").await.json(), json!({"status": "ready"}));
    service.flags.send(off).unwrap();
    let (status, body) = health(&service).await;
    assert_eq!((status, &body["mode"], &body["status"]), (503, &json!("INVALID"), &json!("unhealthy")));
    service.get("/health/ready").await.problem(503, "persistence_disabled");
    assert_eq!(service.get("/health/live").await.status, 200);

    let service = Service::new();
    service.worker.drain(Duration::ZERO).await;
    assert_eq!(health(&service).await.0, 503);
    service.get("/health/ready").await.problem(503, "draining");
}

#[tokio::test]
async fn an_invalid_database_url_is_reported() {
    let service = Service::with(Setup { flags: (true, true), ..Setup::default() });
    let (status, body) = health(&service).await;
    assert_eq!((status, &body["status"]), (200, &json!("degraded")));
    assert_eq!((&body["mode"], &body["effective_mode"]), (&json!("DUAL_WRITE"), &json!("FILE_ONLY")));
    assert_eq!(
        (&body["database_connection"], &body["database_error"]),
        (&json!("skipped"), &json!("DATABASE_URL is not set"))
    );
}

#[tokio::test]
async fn file_only_never_asks_the_database() {
    let database = FakeDatabase::new(Behaviour::Works);
    let service = Service::with(Setup { flags: (false, true), ..Setup::dual_write(&database) });
    for path in ["/health", "/health/ready", "/health/deep", "/metrics"] {
        assert_eq!(service.get(path).await.status, 200, "{path}");
    }
    assert_eq!(database.probes(), 0);
}

#[tokio::test]
async fn a_hanging_database_costs_one_check_a_second() {
    let database = FakeDatabase::new(Behaviour::Hangs);
    let service = Arc::new(Service::with(Setup::dual_write(&database)));
    let begun = Instant::now();
    let asked = (0..100).map(|_| health(&service));
    for (status, body) in futures_util::future::join_all(asked).await {
        assert_eq!(
            (status, &body["status"], &body["database_connection"]),
            (200, &json!("degraded"), &json!("failed"))
        );
    }
    assert!(begun.elapsed() < Duration::from_millis(2_500), "{:?}", begun.elapsed());
    let begun = Instant::now();
    assert_eq!(health(&service).await.0, 200);
    assert!(begun.elapsed() < backend::health::TIMEOUT, "nobody waits for it again: {:?}", begun.elapsed());
    assert_eq!(database.probes(), 1);
}

#[tokio::test]
async fn the_probe_is_kept_for_a_while() {
    let database = FakeDatabase::new(Behaviour::Works);
    let service = Service::with(Setup::dual_write(&database));
    futures_util::future::join_all((0..50).map(|_| health(&service))).await;
    assert_eq!(database.probes(), 1);
}

#[tokio::test]
async fn the_deep_level_looks_at_everything() {
    let database = FakeDatabase::new(Behaviour::Works);
    let service = Service::with(Setup::dual_write(&database));
    let answer = service.get("/health/deep").await;
    let body = answer.json();
    assert_eq!((answer.status.as_u16(), &body["status"]), (200, &json!("healthy")), "{body}");
    assert_eq!(
        body["storage"],
        json!({
            "mode": "DUAL_WRITE", "effective_mode": "DUAL_WRITE", "reason": null, "flags_revision": 1,
            "breaker": {"state": "closed"}, "schema": "ok", "schema_detail": null, "unsynced": 0, "unsynced_stages": 0, "oldest_unsynced_seconds": null,
            "reconciliation": null, "database_clock_ahead_ms": null, "local_disk": "durable", "durability": "durable",
            "durability_forecast": {"open_runs": 0, "ended_runs": 0, "stages": 0, "run_ids": [], "is_exact": true},
            "may_accept_by_file": true, "file_acceptance": "single_replica",
            "mirror": {"records": 0, "bytes": 0, "oldest_ms": 0},
        })
    );
    assert_eq!((&body["queue_depth"], &body["runs_in_flight"]), (&json!(7), &json!(0)));
    assert_eq!((&body["replicas"][0]["id"], &body["replicas"][1]["id"]), (&json!("here"), &json!("there")));
    assert_eq!(body["replica"], "here");
    let names: Vec<&str> =
        body["checks"].as_array().unwrap().iter().map(|check| check["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "database",
            "files",
            "schema",
            "reconciliation",
            "document_parser",
            "model",
            "flags",
            "clock",
            "workers",
            "durability"
        ]
    );
    assert_eq!(check(&body, "document_parser")["status"], "ok", "a real child read a document");
    assert_eq!(body["document_reader"]["method"], "fork_server");
}

#[tokio::test]
async fn a_wrong_clock_is_a_warning() {
    let database = FakeDatabase::new(Behaviour::Works);
    *database.skew.lock().unwrap() = Some(storage::ClockSkew { ahead_ms: -7_000, uncertainty_ms: 5 });
    let service = Service::with(Setup::dual_write(&database));
    let body = service.get("/health/deep").await.json();
    assert_eq!(check(&body, "clock")["status"], "warning", "{body}");
    assert_eq!(body["storage"]["database_clock_ahead_ms"], -7_000);
    let metrics = service.get("/metrics").await;
    assert!(
        String::from_utf8_lossy(&metrics.body)
            .lines()
            .any(|line| line == "innovation_database_clock_ahead_ms -7000")
    );
}

#[tokio::test]
async fn a_key_shows_the_whole_cause() {
    let database = FakeDatabase::new(Behaviour::Fails(StorageErrorKind::Unavailable));
    let access = AccessConfig { api_keys: vec!["api-key".into()], ..AccessConfig::default() };
    let setup = Setup { environment: Environment::Production, access, ..Setup::dual_write(&database) };
    let service = Service::with(setup);
    let with = |key: &'static str| {
        let request =
            axum::http::Request::get("/health/deep").header("authorization", format!("Bearer {key}"));
        service.send(request.body(axum::body::Body::empty()).unwrap())
    };
    for (key, is_told) in [("another", false), ("api-key", true)] {
        let body = with(key).await.json();
        let said = check(&body, "database")["detail"].as_str().unwrap();
        assert_eq!(said.contains("db.internal"), is_told, "{said}");
    }
}

#[tokio::test]
async fn a_conflict_degrades_until_it_is_settled() {
    let database = FakeDatabase::new(Behaviour::Works);
    database.conflicts.store(2, std::sync::atomic::Ordering::SeqCst);
    let service = Service::with(Setup::dual_write(&database));
    let (status, body) = health(&service).await;
    assert_eq!((status, &body["status"]), (200, &json!("degraded")));
    let metrics = String::from_utf8(service.get("/metrics").await.body).unwrap();
    assert!(metrics.contains("innovation_sync_conflicts 2"), "{metrics}");
    service.get("/health/ready").await.json();
}

#[tokio::test]
async fn an_outdated_schema_names_its_remedy() {
    let database = FakeDatabase::new(Behaviour::Fails(StorageErrorKind::Schema));
    let setup = Setup { environment: Environment::Production, ..Setup::dual_write(&database) };
    let service = Service::with(setup);
    assert_eq!(service.run(&request("run-1")).await.status, 202, "it works by file");
    assert_eq!(service.get("/health").await.json()["file_storage"], "ephemeral");
    let body = service.get("/health/deep").await.json();
    assert_eq!(body["status"], "degraded");
    assert_eq!(body["storage"]["schema"], "behind");
    assert_eq!(body["storage"]["effective_mode"], "FILE_ONLY");
    assert_eq!(body["storage"]["breaker"]["is_schema"], true);
    assert_eq!(
        body["storage"]["durability"], "ephemeral",
        "the file is all there is, on a disk that vanishes"
    );
    assert!(check(&body, "schema")["detail"].as_str().unwrap().contains("innovation migrate deploy"));
    assert_eq!(check(&body, "durability")["status"], "warning");
    assert_eq!(body["queue_depth"], 1, "counted in the files, where the work is now");
    assert!(!body.to_string().contains("db.internal"), "{body}");
}

#[tokio::test]
async fn a_volume_makes_the_local_disk_durable() {
    let setup = Setup { environment: Environment::Production, has_volume: true, ..Setup::default() };
    let service = Service::with(setup);
    let body = service.get("/health/deep").await.json();
    assert_eq!(body["storage"]["durability"], "durable");
    assert_eq!(service.get("/health").await.json()["file_storage"], "volume");
}

#[tokio::test]
async fn production_hides_the_path_of_failing_files() {
    let database = FakeDatabase::new(Behaviour::Works);
    let setup = Setup { environment: Environment::Production, ..Setup::dual_write(&database) };
    let service = Service::with(setup);
    service.break_files();
    let body = service.get("/health/deep").await.json();
    let said = check(&body, "files")["detail"].as_str().unwrap();
    assert!(said.starts_with("a file could not be written") && said.contains("os error"), "{said}");
    assert!(!body.to_string().contains(service.folder.path().to_str().unwrap()), "{body}");
}

#[tokio::test]
async fn metrics_count_what_happened() {
    let service = Service::new();
    service.run(&request("run-1")).await;
    service.get("/status/secret-looking-id").await;
    service.get("/wp-login.php").await;
    let answer = service.get("/metrics").await;
    assert!(answer.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    let text = String::from_utf8(answer.body).unwrap();
    for start in [
        "innovation_http_requests_total{method=\"POST\",route=\"/run\",status=\"202\"} ",
        "innovation_http_requests_total{method=\"GET\",route=\"/status/{run_id}\",status=\"404\"} ",
        "innovation_http_requests_total{method=\"GET\",route=\"none\",status=\"404\"} ",
        "innovation_storage_mode{configured=\"FILE_ONLY\",effective=\"FILE_ONLY\"} 1",
        "innovation_queue_depth 1",
        "innovation_runs_in_flight 0",
        "innovation_unsynced_runs 0",
    ] {
        assert!(text.lines().any(|line| line.starts_with(start)), "{start}\n{text}");
    }
    assert!(!text.contains("secret-looking") && !text.contains("wp-login"));
}

#[tokio::test]
async fn the_metrics_keep_their_names_and_types() {
    let database = FakeDatabase::new(Behaviour::Works);
    let service = Service::with(Setup::dual_write(&database));
    let text = String::from_utf8(service.get("/metrics").await.body).unwrap();
    let families: Vec<&str> = text.lines().filter(|line| line.starts_with("# TYPE ")).collect();
    assert_golden("metrics.txt", &(families.join("\n") + "\n"));
}

#[tokio::test]
async fn metrics_have_a_key_of_their_own() {
    let access = AccessConfig {
        api_keys: vec!["api-key".into()],
        metrics_key: Some("metrics-key".into()),
        ..AccessConfig::default()
    };
    let service = Service::with(Setup { access, ..Setup::default() });
    let with = |key: &'static str| {
        let request = axum::http::Request::get("/metrics").header("authorization", format!("Bearer {key}"));
        service.send(request.body(axum::body::Body::empty()).unwrap())
    };
    service.get("/metrics").await.problem(401, "key_required");
    with("api-key").await.problem(403, "insufficient_role");
    with("another-key").await.problem(403, "invalid_api_key");
    assert_eq!(with("metrics-key").await.status, 200);
    let access = AccessConfig { metrics_need_key: true, ..AccessConfig::default() };
    let deployed = Service::with(Setup { access, ..Setup::default() });
    deployed.get("/metrics").await.problem(401, "key_required");
}
