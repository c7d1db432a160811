//! Keys, origins, request ids, and what every answer has.

use std::{
    collections::BTreeSet,
    io,
    sync::{Arc, Mutex},
};

use axum::{body::Body, http::Request};
use backend::{
    config::AccessConfig,
    http::router::DOCUMENT,
    telemetry::logs::{self, LogFormat, Sampling},
};
use foundation::clock::SystemClock;
use serde_json::Value;

use super::{Answer, Service, Setup, request};

async fn with_header(service: &Service, path: &str, name: &str, value: &str) -> Answer {
    service.send(Request::get(path).header(name, value).body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn keys_open_runs_and_reads_by_either_header() {
    let service = Service::with(Setup::with_keys(&["the-old-key-0123456789", "the-new-key-0123456789"]));
    let answer = service.get("/status/run-1").await;
    answer.problem(401, "key_required");
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    service.run(&request("run-1")).await.problem(401, "key_required");
    service.post("not even json").await.problem(401, "key_required");
    for key in ["the-old-key-0123456789", "the-new-key-0123456789"] {
        for (name, value) in [
            ("authorization", format!("Bearer {key}")),
            ("authorization", format!("bearer  {key}")),
            ("x-api-key", key.to_owned()),
        ] {
            with_header(&service, "/status/run-1", name, &value).await.problem(404, "run_not_found");
        }
    }
    for key in
        ["the-old-key-012345678", "the-old-key-01234567890", "the-old-key-0123456789,the-new-key-0123456789"]
    {
        with_header(&service, "/status/run-1", "x-api-key", key).await.problem(403, "invalid_api_key");
    }
    with_header(&service, "/api/pipeline/r/status", "authorization", "Bearer another")
        .await
        .problem(403, "invalid_api_key");
    // Clients without a key send these.
    with_header(&service, "/status/run-1", "x-api-key", "").await.problem(401, "key_required");
    with_header(&service, "/status/run-1", "authorization", "Bearer ").await.problem(401, "key_required");
    with_header(&service, "/status/run-1", "authorization", "HealthSummary dGhlOmtleQ==")
        .await
        .problem(401, "key_required");
    for path in [
        "/health",
        "/api/health",
        "/health/live",
        "/health/ready",
        "/health/deep",
        "/brands",
        "/brands/decathlon",
    ] {
        assert_eq!(service.get(path).await.status, 200, "{path} is public");
    }
}

#[tokio::test]
async fn each_route_with_a_role_wants_a_key() {
    let access = AccessConfig {
        api_keys: vec!["the-key-of-a-client-01".into()],
        trusted_proxy_hops: 1,
        ..AccessConfig::default()
    };
    let service = Service::with(Setup { access, ..Setup::default() });
    let mut asked = 0_u8;
    for (path, operations) in DOCUMENT["paths"].as_object().unwrap() {
        let path = path.replace(['{', '}'], "");
        for (method, operation) in operations.as_object().unwrap() {
            let security = operation["security"].as_array().unwrap();
            if security.is_empty() || security.iter().any(|key| key == &serde_json::json!({})) {
                continue;
            }
            asked += 1;
            let request = || {
                let request = Request::builder().method(method.to_uppercase().as_str()).uri(&path);
                // Wrong keys are counted by address.
                request.header("x-forwarded-for", format!("10.0.0.{asked}"))
            };
            service.send(request().body(Body::empty()).unwrap()).await.problem(401, "key_required");
            let wrong = request().header("x-api-key", "wrong").body(Body::empty()).unwrap();
            service.send(wrong).await.problem(403, "invalid_api_key");
        }
    }
    assert!(asked > 12, "{asked}");
}

#[tokio::test]
async fn without_keys_everybody_may() {
    let service = Service::new();
    with_header(&service, "/status/run-1", "x-api-key", "whatever").await.problem(404, "run_not_found");
}

#[tokio::test]
async fn pages_of_other_sites_change_nothing() {
    let setup = Setup::with_origins(&["https://app.example.com"]);
    let service = Service::with(setup);
    let submit = async |headers: &[(&str, &str)]| {
        let mut asked = Request::post("/run").header("content-type", "application/json");
        for (name, value) in headers {
            asked = asked.header(*name, *value);
        }
        service.send(asked.body(Body::from(request("run-1").to_string())).unwrap()).await
    };
    submit(&[("origin", "https://evil.example")]).await.problem(403, "foreign_origin");
    submit(&[("sec-fetch-site", "cross-site")]).await.problem(403, "foreign_origin");
    with_header(&service, "/status/run-1", "origin", "https://evil.example")
        .await
        .problem(404, "run_not_found");
    assert_eq!(submit(&[("origin", "https://app.example.com")]).await.status, 202);
    assert_eq!(submit(&[("origin", "https://evil.example"), ("x-api-key", "k")]).await.status, 202);

    let access = AccessConfig { checks_host: true, ..AccessConfig::default() };
    let development = Service::with(Setup { access, ..Setup::default() });
    with_header(&development, "/health", "host", "evil.example").await.problem(403, "foreign_host");
    assert_eq!(with_header(&development, "/health", "host", "localhost:8000").await.status, 200);
}

async fn preflight(service: &Service, origin: &str) -> Answer {
    let request = Request::options("/run")
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type,x-api-key");
    service.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn only_configured_origins_pass_cors() {
    let setup = Setup::with_origins(&["https://app.example.com", "https://my-app-*.vercel.app"]);
    let service = Service::with(setup);
    for origin in ["https://app.example.com", "https://my-app-git-main.vercel.app"] {
        let answer = preflight(&service, origin).await;
        assert!(answer.status.is_success());
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
        assert!(answer.header("access-control-allow-headers").unwrap().contains("x-api-key"));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        // Errors too, or the page could not read them.
        let answer = with_header(&service, "/status/run-1", "origin", origin).await;
        answer.problem(404, "run_not_found");
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
        assert!(answer.header("vary").unwrap().to_ascii_lowercase().contains("origin"));
    }
    for origin in
        ["https://evil.com", "https://other.vercel.app", "https://my-app-x.vercel.app.evil.com", "null"]
    {
        assert_eq!(preflight(&service, origin).await.header("access-control-allow-origin"), None, "{origin}");
        let answer = with_header(&service, "/health", "origin", origin).await;
        assert_eq!(answer.header("access-control-allow-origin"), None, "{origin}");
    }
    let nobody = Service::new();
    let answer = with_header(&nobody, "/health", "origin", "https://app.example.com").await;
    assert_eq!(answer.header("access-control-allow-origin"), None, "by default nobody's");
}

#[tokio::test]
async fn pages_may_use_the_methods_that_exist() {
    let service = Service::with(Setup::with_origins(&["https://app.example.com"]));
    let answer = preflight(&service, "https://app.example.com").await;
    let allowed = answer.header("access-control-allow-methods").unwrap();
    let allowed: BTreeSet<String> = allowed.split(',').map(|method| method.trim().to_lowercase()).collect();
    let operations = DOCUMENT["paths"].as_object().unwrap().values();
    let mut exist: BTreeSet<String> =
        operations.flat_map(|path| path.as_object().unwrap().keys().cloned()).collect();
    exist.insert("head".to_owned());
    assert_eq!(allowed, exist);
    assert!(exist.contains("put"), "{exist:?}");
}

/// Case 54: a browser blocks a page's whole request for one header that is not allowed.
#[tokio::test]
async fn tracing_headers_of_a_page_are_allowed() {
    let service = Service::with(Setup::with_origins(&["https://app.example.com"]));
    for asked in [
        "content-type,x-api-key",
        "authorization,content-type",
        "baggage,content-type,sentry-trace",
        "traceparent,tracestate,x-api-key",
        "b3",
        "x-b3-flags,x-b3-parentspanid,x-b3-sampled,x-b3-spanid,x-b3-traceid",
        "x-datadog-origin,x-datadog-parent-id,x-datadog-sampling-priority,x-datadog-tags,x-datadog-trace-id",
        "elastic-apm-traceparent,newrelic,uber-trace-id",
        "x-amzn-trace-id,x-cloud-trace-context,request-id,request-context",
        "cache-control,last-event-id,pragma",
        "if-none-match",
        "idempotency-key,x-correlation-id,x-request-id,x-requested-with",
    ] {
        let request = Request::options("/api/pipeline")
            .header("origin", "https://app.example.com")
            .header("access-control-request-method", "GET")
            .header("access-control-request-headers", asked);
        let answer = service.send(request.body(Body::empty()).unwrap()).await;
        let allowed = answer.header("access-control-allow-headers").unwrap().to_ascii_lowercase();
        let allowed: Vec<_> = allowed.split(',').map(str::trim).collect();
        let missing: Vec<_> = asked.split(',').filter(|name| !allowed.contains(name)).collect();
        assert!(missing.is_empty(), "{missing:?}");
        assert!(!allowed.contains(&"x-forwarded-for"), "what a proxy says of a client is no page's to say");
    }
    let answer = with_header(&service, "/status/run-1", "origin", "https://app.example.com").await;
    let exposed = answer.header("access-control-expose-headers").unwrap().to_ascii_lowercase();
    for name in ["x-request-id", "retry-after", "location", "www-authenticate", "etag"] {
        assert!(exposed.contains(name), "{name}: {exposed}");
    }
}

/// Case 58.
#[tokio::test]
async fn a_trailing_slash_reaches_the_same_route() {
    let service = Service::new();
    for path in ["/health/", "/health/live/", "/brands/", "/openapi.json/"] {
        assert_eq!(service.get(path).await.status, 200, "{path}");
    }
    service.get("/status/run-1/").await.problem(404, "run_not_found");
    service.get("/run/").await.problem(405, "method_not_allowed");
    let request = Request::post("/run/").header("content-type", "application/json");
    let answer = service.send(request.body(Body::from(self::request("run-1").to_string())).unwrap()).await;
    assert_eq!(answer.status, 202);
}

#[tokio::test]
async fn every_answer_names_its_request() {
    let service = Service::new();
    let answer = with_header(&service, "/health/live", "x-request-id", "req-1.A:b_c").await;
    assert_eq!(answer.header("x-request-id"), Some("req-1.A:b_c"));
    for hostile in ["a b", "<script>", "\"", &"x".repeat(101)] {
        let answer = with_header(&service, "/nothing", "x-request-id", hostile).await;
        answer.problem(404, "not_found");
        assert_eq!(answer.header("x-request-id").unwrap().len(), 36, "{hostile}");
    }
}

#[tokio::test]
async fn unknown_routes_and_wrong_methods_are_problems_too() {
    let service = Service::new();
    for path in ["/", "/run/x", "/status", "/api/pipeline/x/y", "/.env", "/%2e%2e/etc/passwd", "/%ff"] {
        service.get(path).await.problem(404, "not_found");
    }
    let answer = service.get("/run").await;
    answer.problem(405, "method_not_allowed");
    assert_eq!(answer.header("allow"), Some("POST"));
    for method in ["POST", "PUT", "DELETE", "PATCH", "BREW"] {
        let request = Request::builder().method(method).uri("/health").body(Body::empty()).unwrap();
        let answer = service.send(request).await;
        answer.problem(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), Some("GET,HEAD"));
    }
    let long = format!("/{}", "x".repeat(5_000));
    let body = service.get(&long).await.json();
    assert_eq!(body["instance"].as_str().unwrap().len(), 200);
    let body = service.get("/nothing?token=secret").await.json();
    assert_eq!(body["instance"], "/nothing", "a query may hold what nobody should repeat");
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let service = Service::new();
    for path in ["/health", "/health/live", "/brands"] {
        let answer = service.send(Request::head(path).body(Body::empty()).unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0), "{path}");
    }
}

#[tokio::test]
async fn answers_carry_security_headers_and_compression() {
    let service = Service::new();
    for path in ["/health", "/nothing", "/brands/decathlon"] {
        let answer = service.get(path).await;
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("x-frame-options"), Some("DENY"), "{path}");
        assert!(answer.header("content-security-policy").is_some(), "{path}");
    }
    let answer = with_header(&service, "/brands/decathlon", "accept-encoding", "gzip").await;
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(answer.body.as_slice()), &mut text)
        .unwrap();
    assert!(text.contains("Decathlon"));
}

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_request_logs_one_line_without_secrets() {
    let sink = Sink::default();
    let writer = {
        let sink = sink.clone();
        move || sink.clone()
    };
    let filter = "info".parse().unwrap();
    let subscriber =
        logs::subscriber(filter, LogFormat::Json, Sampling::ALL, Arc::new(SystemClock::default()), writer);
    let _guard = tracing::subscriber::set_default(subscriber);
    let service = Service::new();
    let mut body = request("run-1");
    body["user_id"] = "a-users-name".into();
    let accepted = service.run(&body).await;
    with_header(&service, "/status/nobody?token=hush", "x-request-id", "req-1").await;

    let bytes = sink.0.lock().unwrap().clone();
    let text = String::from_utf8(bytes).unwrap();
    assert!(!text.contains("hush") && !text.contains("a-users-name") && !text.contains("nobody"), "{text}");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let line = |message: &str| lines.iter().find(|line| line["message"] == message).unwrap();
    let posted = line("POST /run 202");
    assert_eq!(
        (&posted["method"], &posted["route"], &posted["status"]),
        (&"POST".into(), &"/run".into(), &202.into())
    );
    assert_eq!(posted["request_id"].as_str(), accepted.header("x-request-id"));
    assert!(posted["duration_ms"].is_u64() && posted["level"] == "info");
    let asked = line("GET /status/{run_id} 404");
    assert_eq!((&asked["request_id"], &asked["code"]), (&"req-1".into(), &"run_not_found".into()));
}
