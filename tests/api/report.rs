//! A run's page and its report.

use std::time::Duration;

use super::{DUAL_WRITE, FILE_ONLY, env, failed};
use crate::support::service::TestEnv;

const PATH: &str = "/api/pipeline/run-1/report";

#[tokio::test]
async fn a_complete_run_serves_markdown_and_html() {
    for mode in [DUAL_WRITE, FILE_ONLY] {
        let env = env(Duration::ZERO).await;
        let service = env.serve(mode).await;
        service.submit(&env.request("run-1")).await;
        service.ended("run-1").await;
        env.manifest_when("run-1", |manifest| manifest["status"] == "COMPLETED").await;
        let stored = std::fs::read_to_string(env.run_folder("run-1").join("report.md")).unwrap();
        for accept in ["*/*", "text/markdown", "text/plain"] {
            let markdown = service.ask("GET", PATH, accept).await.unwrap();
            assert_eq!((markdown.status, markdown.body.as_str()), (200, Some(stored.as_str())));
            assert_eq!(markdown.header("content-type"), "text/markdown; charset=utf-8");
            assert!(markdown.header("vary").contains("accept"), "{markdown:?}");
            assert_eq!(markdown.header("x-content-type-options"), "nosniff");
            assert!(markdown.header("content-security-policy").starts_with("default-src 'none'"));
        }
        let page = service.ask("GET", PATH, "text/html,application/xhtml+xml,*/*;q=0.8").await.unwrap();
        assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
        assert!(page.header("vary").contains("accept"));
        let policy = page.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        let html = page.body.as_str().unwrap();
        assert!(
            html.starts_with("<!DOCTYPE html>") && html.contains("<h1>Opportunities for <bdi>Decathlon"),
            "{html}"
        );
        // It is made of the records: the Markdown has no such picture.
        assert!(html.contains("<svg role=\"img\"") && html.contains("href=\"#E1\""), "{html}");
        assert!(!html.contains("<script") && !html.contains("onerror"), "{html}");
        assert_eq!(
            service.ask("GET", PATH, "application/json").await.unwrap().code(),
            (406, "not_acceptable")
        );

        let status = service.call("GET", "/status/run-1").await.body;
        let detail = service.call("GET", "/api/pipeline/run-1").await.body;
        for (name, value) in status.as_object().unwrap() {
            assert_eq!(&detail[name], value, "{name}");
        }
        assert_eq!((&detail["run_status"], &detail["generation"]), (&"COMPLETED".into(), &1.into()));
        assert_eq!(detail["document_name"], "spotted-innovation.md");
        assert_eq!((&detail["report_url"], detail["report"].as_str()), (&PATH.into(), Some(stored.as_str())));
        assert!(detail["duration_ms"].as_i64().unwrap() >= 0 && detail["grounding"].is_number(), "{detail}");
        assert!((detail["cost_usd"].as_f64().unwrap() - 0.04).abs() < 1e-9, "{detail}");
    }
}

#[tokio::test]
async fn without_a_report_it_says_why() {
    let env = env(Duration::from_millis(300)).await;
    let service = env.serve(DUAL_WRITE).await;
    assert_eq!(service.call("GET", PATH).await.code(), (404, "run_not_found"));
    service.submit(&env.request("run-1")).await;
    assert_eq!(service.call("GET", PATH).await.code(), (404, "report_pending"));
    service.call("POST", "/api/pipeline/run-1/cancel").await;
    assert_eq!(service.call("GET", PATH).await.code(), (404, "report_run_cancelled"));
    failed(&env, &service, "run-2").await;
    let missing = service.call("GET", "/api/pipeline/run-2/report").await;
    assert_eq!(
        (missing.code(), missing.header("vary").contains("accept")),
        ((404, "report_run_failed"), true)
    );
}

#[tokio::test]
async fn every_route_needs_the_key() {
    let env = TestEnv::files_only().await;
    let service = env.serve(&[("BACKEND_API_KEYS", "0123456789abcdef0123456789abcdef")]).await;
    for (method, path) in [
        ("GET", "/api/pipeline"),
        ("GET", "/api/pipeline/run-1"),
        ("GET", PATH),
        ("GET", "/api/pipeline/run-1/document"),
        ("GET", "/api/pipeline/run-1/pages/1"),
        ("GET", "/api/pipeline/run-1/evidence/E1"),
        ("POST", "/api/pipeline/run-1/retry"),
        ("POST", "/api/pipeline/run-1/cancel"),
        ("DELETE", "/api/pipeline/run-1"),
    ] {
        assert_eq!(service.call(method, path).await.code(), (401, "key_required"), "{method} {path}");
    }
}
