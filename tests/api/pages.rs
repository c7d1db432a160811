//! The kept document of a run, its pages, and its quotes on them.

use serde_json::Value;

use super::{FILE_ONLY, with};
use crate::support::{
    sample,
    service::{Service, TestEnv},
    wait::eventually,
};

const KEEP: &[(&str, &str)] = &[("DOCUMENT_RETENTION_DAYS", "10")];

/// A complete run of a sample document.
async fn complete(env: &TestEnv, service: &Service, document: &str) {
    let mut request = env.request("run-1");
    request["blob_url"] = env.blob.url(&format!("sample/{document}")).into();
    service.submit(&request).await;
    let status = service.ended("run-1").await;
    assert_eq!(status["status"], "complete", "{status}");
    env.manifest_when("run-1", |manifest| manifest["status"] == "COMPLETED").await;
}

/// A GET of the run with this header, and the answer's bytes.
async fn get(
    service: &Service,
    path: &str,
    header: (&str, &str),
) -> (u16, reqwest::header::HeaderMap, Vec<u8>) {
    let url = format!("http://127.0.0.1:{}/api/pipeline/run-1/{path}", service.port);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(url).header(header.0, header.1).send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    (status, headers, answer.bytes().await.unwrap().to_vec())
}

async fn code(service: &Service, path: &str) -> (u16, String) {
    let answer = service.call("GET", &format!("/api/pipeline/run-1/{path}")).await;
    (answer.status, answer.code().1.to_owned())
}

#[tokio::test]
async fn a_kept_document_shows_its_quotes() {
    let env = TestEnv::files_only().await;
    let service = env.serve(&with(FILE_ONLY, KEEP)).await;
    complete(&env, &service, "case-study.pdf").await;
    let detail = service.call("GET", "/api/pipeline/run-1").await.body;
    assert!(detail["document_kept_until"].is_string(), "{detail}");

    let (status, headers, bytes) = get(&service, "document", ("accept", "*/*")).await;
    assert_eq!((status, bytes), (200, std::fs::read(sample("case-study.pdf")).unwrap()));
    assert_eq!(headers["content-type"], "application/pdf");
    assert!(
        headers["content-disposition"].to_str().unwrap().starts_with("inline; filename=\"case-study.pdf\"")
    );
    assert_eq!(headers["x-content-type-options"], "nosniff");
    let (status, _, _) =
        get(&service, "document", ("if-none-match", headers["etag"].to_str().unwrap())).await;
    assert_eq!(status, 304);

    let (status, headers, png) = get(&service, "pages/1", ("accept", "image/png")).await;
    assert_eq!((status, headers["content-type"].to_str().unwrap()), (200, "image/png"));
    assert!(png.starts_with(b"\x89PNG") && png.len() > 10_000, "{} bytes", png.len());
    assert!(headers["cache-control"].to_str().unwrap().starts_with("private"));
    let (status, _, _) = get(&service, "pages/1", ("if-none-match", headers["etag"].to_str().unwrap())).await;
    assert_eq!(status, 304);
    for page in ["pages/0", "pages/4", "pages/-1", "pages/one"] {
        assert_eq!(code(&service, page).await, (404, "page_not_found".to_owned()), "{page}");
    }

    let quote = service.call("GET", "/api/pipeline/run-1/evidence/E1").await;
    let (page, policy) = (quote.body.as_str().unwrap(), quote.header("content-security-policy"));
    assert_eq!((quote.status, page.matches("<svg").count()), (200, 2), "{page:.900}");
    assert!(page.contains("<rect ") && page.contains("data:image/png;base64,"), "{page:.900}");
    assert!(page.contains("../document#page="), "{page:.900}");
    assert!(policy.contains("img-src data:") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(code(&service, "evidence/E99").await, (404, "evidence_not_found".to_owned()));

    assert_eq!(service.call("DELETE", "/api/pipeline/run-1").await.status, 204);
    for path in ["document", "pages/1", "evidence/E1"] {
        assert_eq!(code(&service, path).await, (410, "run_deleted".to_owned()), "{path}");
    }
    assert!(!env.run_folder("run-1").join("document").exists());
}

#[tokio::test]
async fn without_the_document_quotes_remain() {
    let env = TestEnv::files_only().await;
    let service = env.serve(FILE_ONLY).await;
    complete(&env, &service, "case-study.pdf").await;
    assert_eq!(service.call("GET", "/api/pipeline/run-1").await.body["document_kept_until"], Value::Null);
    for path in ["document", "pages/1"] {
        assert_eq!(code(&service, path).await, (404, "document_not_kept".to_owned()), "{path}");
    }
    let quote = service.call("GET", "/api/pipeline/run-1/evidence/E1").await;
    let page = quote.body.as_str().unwrap();
    assert!(page.contains("<blockquote>") && page.contains("not kept") && !page.contains("<svg"), "{page}");
    assert!(!env.run_folder("run-1").join("document").exists());
}

#[tokio::test]
async fn a_web_page_is_saved_and_never_opened() {
    let env = TestEnv::files_only().await;
    let service = env.serve(&with(FILE_ONLY, KEEP)).await;
    complete(&env, &service, "spotted-innovation.html").await;
    let (status, headers, _) = get(&service, "document", ("accept", "*/*")).await;
    assert_eq!((status, &headers["content-type"]), (200, &"text/html".parse().unwrap()));
    assert!(headers["content-disposition"].to_str().unwrap().starts_with("attachment"));
    assert!(headers["content-security-policy"].to_str().unwrap().contains("sandbox"));
    assert_eq!(code(&service, "pages/1").await, (404, "page_not_drawable".to_owned()));
}

#[tokio::test]
async fn a_later_start_without_retention_removes_it() {
    let env = TestEnv::files_only().await;
    let mut service = env.serve(&with(FILE_ONLY, KEEP)).await;
    complete(&env, &service, "case-study.pdf").await;
    let document = env.run_folder("run-1").join("document");
    assert!(document.exists());
    service.kill();
    let service = env.serve(FILE_ONLY).await;
    eventually("the document goes", async || !document.exists()).await;
    assert_eq!(code(&service, "document").await, (404, "document_not_kept".to_owned()));
}
