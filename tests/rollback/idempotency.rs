//! One run id, one execution, for any number of requests.

use super::{DUAL_WRITE, FILE_ONLY, calls, slow_env};
use crate::support::service::TestEnv;

/// Inserts a row as the frontend does before it calls `/run`.
async fn frontend_row(env: &TestEnv, run_id: &str, url: &str) {
    env
        .query(r#"INSERT INTO "User" ("id","clerkId","email","updatedAt") VALUES ('u1','user_2abc','user-user_2abc@temp.com',now()) ON CONFLICT DO NOTHING"#)
        .await;
    env
        .query(&format!(
            r#"INSERT INTO "PipelineRun" ("id","userId","documentName","documentUrl","companyName","pipelineVersion")
               VALUES ('{run_id}','u1','report.pdf','{url}','Decathlon','1.0')"#
        ))
        .await;
}

/// Posts the same request many times at once; returns the distinct answers.
async fn post_many(
    service: &crate::support::service::Service,
    body: &serde_json::Value,
) -> Vec<(u16, String)> {
    let posts = (0..100).map(|_| service.post(body));
    let mut answers: Vec<(u16, String)> = futures_util::future::join_all(posts)
        .await
        .into_iter()
        .map(|answer| {
            let (status, body) = answer.unwrap();
            (status, body["run_id"].as_str().unwrap_or_default().to_owned())
        })
        .collect();
    answers.sort();
    answers.dedup();
    answers
}

#[tokio::test]
async fn a_hundred_posts_pay_once_in_every_mode() {
    for environment in [DUAL_WRITE, super::DATABASE_ONLY, FILE_ONLY] {
        let env = TestEnv::with_database().await;
        let service = env.serve(environment).await;
        let request = env.request("run-1");
        assert_eq!(post_many(&service, &request).await, [(202, "run-1".to_owned())]);
        assert_eq!(service.ended("run-1").await["status"], "complete");
        // Also after it has ended.
        assert_eq!(post_many(&service, &request).await, [(202, "run-1".to_owned())]);
        let (_, again) = service.post(&request).await.unwrap();
        assert_eq!(again["status"], "complete");
        assert_eq!(calls(&env.model), [1; 4], "{environment:?}");
        let mut other = request.clone();
        other["company_id"] = "lactalis-canada".into();
        assert_eq!(service.post(&other).await.unwrap().0, 409);
    }
}

#[tokio::test]
async fn a_row_of_the_frontend_is_adopted_once() {
    let env = TestEnv::with_database().await;
    let service = env.serve(DUAL_WRITE).await;
    let mut request = env.request("run-1");
    request.as_object_mut().unwrap().remove("user_id");
    frontend_row(&env, "run-1", request["blob_url"].as_str().unwrap()).await;
    // As the frontend says it.
    let company = request.as_object_mut().unwrap().remove("company_id").unwrap();
    request["brand_id"] = company;
    assert_eq!(post_many(&service, &request).await, [(202, "run-1".to_owned())]);
    assert_eq!(service.ended("run-1").await["status"], "complete");
    env.assert_both_agree("run-1").await;
    assert_eq!(calls(&env.model), [1; 4]);
    assert_eq!(env.value(r#"SELECT count(*)::text FROM "PipelineRun""#).await, "1");
    assert_eq!(env.value(r#"SELECT "userId" FROM "PipelineRun""#).await, "u1");

    // A row for another document is another request.
    frontend_row(&env, "run-2", "https://elsewhere.example/x.pdf").await;
    let mut request = env.request("run-2");
    request["run_id"] = "run-2".into();
    assert_eq!(service.post(&request).await.unwrap().0, 409);
    assert_eq!(calls(&env.model), [1; 4]);
}

#[tokio::test]
async fn the_frontend_ending_a_row_stops_its_run() {
    let env = slow_env().await;
    let service = env.serve(DUAL_WRITE).await;
    service.submit(&env.request("run-1")).await;
    service.wait_for("run-1", |status| status["stages"]["1"]["status"] == "complete").await;
    env.query(r#"UPDATE "PipelineRun" SET "status"='FAILED' WHERE "id"='run-1'"#).await;
    let status = service.ended("run-1").await;
    assert_eq!(status["status"], "failed", "{status}");
    service.wait_for_run_event("run-1", "run_lost").await;
    // The call in flight, and none after it.
    let paid: usize = calls(&env.model).iter().sum();
    assert!(paid <= 3, "{:?}", calls(&env.model));
    assert_eq!(env.value(r#"SELECT "status"::text FROM "PipelineRun""#).await, "FAILED");
    service.wait_for_path("/health", |_, health| health["status"] == "healthy").await;
}
