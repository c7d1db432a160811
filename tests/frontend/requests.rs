//! Requests as the frontend sends them: without a key, and for a rerun.

use std::time::Duration;

use serde_json::json;

use super::{RUN, Site, USER};
use crate::support::{frontend::Version, service::DATABASE_ONLY};

const KEY: &str = "a-key-of-at-least-16-characters";

#[tokio::test]
async fn a_rerun_keeps_the_company_of_its_row() {
    let site = Site::new(Version::First, false, Duration::ZERO).await;
    let service = site.serve(DATABASE_ONLY).await;
    let url = site.env.blob.url("sample/spotted-innovation.md");
    for (number, (company, brand)) in [
        ("McCormick USA", "mccormick-usa"),
        ("columbia SPORTSWEAR", "columbia-sportswear"),
        ("decathlon", "decathlon"),
    ]
    .into_iter()
    .enumerate()
    {
        let run = format!("4d1f6b7a-0000-4000-8000-00000000000{number}");
        site.frontend.launch(&run, USER, &url, company).await;
        let body = json!({"run_id": run, "blob_url": url, "brand_id": "default-company"});
        service.submit(&body).await;
        // The same request again is the same run.
        assert_eq!(service.post(&body).await.unwrap().0, 202);
        service.ended(&run).await;
        let row =
            format!(r#"SELECT "brandId" || ' ' || "companyName" FROM "PipelineRun" WHERE "id" = '{run}'"#);
        assert_eq!(site.env.value(&row).await, format!("{brand} {company}"));
    }
    let unknown = json!({"run_id": "run-x", "blob_url": url, "brand_id": "default-company"});
    assert_eq!(service.post(&unknown).await.unwrap().0, 404);
    site.frontend.launch("run-y", USER, &url, "Nobody").await;
    let unknown = json!({"run_id": "run-y", "blob_url": url, "brand_id": "default-company"});
    assert_eq!(service.post(&unknown).await.unwrap().0, 404);
}

#[tokio::test]
async fn new_runs_use_the_frontends_company_and_ids() {
    let site = Site::new(Version::First, false, Duration::ZERO).await;
    let service = site.serve(DATABASE_ONLY).await;
    let url = site.env.blob.url("sample/spotted-innovation.md");
    for (brand, company) in [("mccormick-usa", "McCormick USA"), ("lactalis-canada", "Lactalis Canada")] {
        let answer = service.submit(&json!({"blob_url": url, "brand_id": brand, "user_id": USER})).await;
        let run = answer["run_id"].as_str().unwrap();
        assert!(run.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'), "{run}");
        assert_eq!(site.frontend.list(USER, company).await[0].run, run);
    }
}

#[tokio::test]
async fn without_a_key_only_waiting_rows_are_accepted() {
    let site = Site::new(Version::First, false, Duration::ZERO).await;
    let settings = [("BACKEND_API_KEYS", KEY), ("ALLOW_FRONTEND_WITHOUT_KEY", "true")];
    let service = site.serve(&[DATABASE_ONLY, &settings].concat()).await;
    let url = site.env.blob.url("sample/spotted-innovation.md");
    let other = site.env.blob.url("sample/trend-report.pdf");
    let body = |run: &str, url: &str| json!({"run_id": run, "blob_url": url, "brand_id": "decathlon"});
    // No id, no row, another document.
    assert_eq!(service.post(&json!({"blob_url": url, "brand_id": "decathlon"})).await.unwrap().0, 401);
    assert_eq!(service.post(&body(RUN, &url)).await.unwrap().0, 401);
    site.frontend.launch(RUN, USER, &url, "Decathlon").await;
    assert_eq!(service.post(&body(RUN, &other)).await.unwrap().0, 401);
    service.submit(&body(RUN, &url)).await;
    // The frontend asks again when the answer is lost; another brand is no repeat of it.
    assert_eq!(service.post(&body(RUN, &url)).await.unwrap().0, 202);
    // A row that was accepted in another way.
    site.frontend.launch("run-2", USER, &url, "Decathlon").await;
    site.env.query(r#"UPDATE "PipelineRun" SET "acceptedAt" = now() WHERE "id" = 'run-2'"#).await;
    assert_eq!(service.post(&body("run-2", &url)).await.unwrap().0, 401);
    for path in ["/api/pipeline", &format!("/status/{RUN}"), &format!("/api/pipeline/{RUN}/report")] {
        assert_eq!(service.get(path).await.unwrap().0, 401, "{path}");
    }
    let answer = service.call("POST", &format!("/api/pipeline/{RUN}/cancel")).await;
    assert_eq!((answer.status, answer.header("www-authenticate")), (401, "Bearer"));
    site.wait_for_status(RUN, "COMPLETED").await;
}

#[tokio::test]
async fn without_the_setting_everybody_needs_a_key() {
    let site = Site::new(Version::First, false, Duration::ZERO).await;
    let service = site.serve(&[DATABASE_ONLY, &[("BACKEND_API_KEYS", KEY)]].concat()).await;
    let url = site.env.blob.url("sample/spotted-innovation.md");
    site.frontend.launch(RUN, USER, &url, "Decathlon").await;
    let body = json!({"run_id": RUN, "blob_url": url, "brand_id": "decathlon"});
    assert_eq!(service.post(&body).await.unwrap().0, 401);
}
