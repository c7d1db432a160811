//! Retries.

use std::time::Duration;

use futures_util::future::join_all;

use super::{DATABASE_ONLY, DUAL_WRITE, FILE_ONLY, SHORT_LEASE, calls, env, failed, with};
use crate::support::postgres::Stop;

const PATH: &str = "/api/pipeline/run-1/retry";
const GENERATION: &str = r#"SELECT "generation"::text FROM "PipelineRun""#;

#[tokio::test]
async fn a_hundred_retries_make_one_new_generation() {
    let env = env(Duration::from_millis(300)).await;
    let (one, two) = tokio::join!(env.replica("one", &[]), env.replica("two", &[]));
    failed(&env, &one, "run-1").await;
    let retries =
        (0..100).map(|number| if number % 2 == 0 { one.call("POST", PATH) } else { two.call("POST", PATH) });
    let mut retried = 0;
    for answer in join_all(retries).await {
        if answer.status == 202 {
            retried += 1;
            let body = &answer.body;
            assert_eq!((&body["generation"], &body["status"]), (&2.into(), &"running".into()), "{body}");
        } else {
            assert_eq!(answer.code(), (409, "run_running"), "it came when all was done");
        }
    }
    assert!(retried >= 1);
    for replica in [&one, &two] {
        let status = replica.ended("run-1").await;
        assert_eq!((&status["status"], status.get("error")), (&"complete".into(), None), "{status}");
    }
    assert_eq!(calls(&env.model), [1, 2, 1, 1], "what is stored is not asked for again");
    assert_eq!(env.value(GENERATION).await, "2");
    assert_eq!(one.call("POST", PATH).await.code(), (409, "run_complete"));
    assert_eq!(one.call("POST", "/api/pipeline/run-2/retry").await.code(), (404, "run_not_found"));
}

#[tokio::test]
async fn a_retry_resumes_in_every_mode_and_again() {
    for mode in [DATABASE_ONLY, DUAL_WRITE, FILE_ONLY] {
        let env = env(Duration::ZERO).await;
        let service = env.serve(mode).await;
        failed(&env, &service, "run-1").await;
        super::fail_after(&env, 1);
        assert_eq!(service.call("POST", PATH).await.status, 202);
        let status = service
            .wait_for("run-1", |status| {
                status["status"] == "failed" && status["stages"]["2"]["status"] == "complete"
            })
            .await;
        assert_eq!(status["error"]["stage"], 3, "{status}");
        let answer = service.call("POST", PATH).await;
        assert_eq!((answer.status, &answer.body["generation"]), (202, &3.into()));
        assert_eq!(service.ended("run-1").await["status"], "complete", "{mode:?}");
        assert_eq!(calls(&env.model), [1, 2, 2, 1], "{mode:?}");
        if mode == DUAL_WRITE {
            env.assert_both_agree("run-1").await;
        }
    }
}

#[tokio::test]
async fn killed_right_after_it_a_retry_stands_once() {
    for mode in [DUAL_WRITE, FILE_ONLY] {
        let env = env(Duration::ZERO).await;
        let settings = with(&SHORT_LEASE, mode);
        let mut service = env.serve(&with(&settings, &[("CRASH_AT", "retried")])).await;
        failed(&env, &service, "run-1").await;
        assert!(service.ask("POST", PATH, "*/*").await.is_none(), "the answer goes with the process");
        service.killed().await;
        let service = env.serve(&settings).await;
        // A client without an answer asks again.
        let answer = service.call("POST", PATH).await;
        assert_eq!(answer.status, 409, "it stands already: {answer:?}");
        assert_eq!(service.ended("run-1").await["status"], "complete");
        assert_eq!(service.call("GET", "/api/pipeline/run-1").await.body["generation"], 2);
        assert_eq!(calls(&env.model), [1, 2, 1, 1]);
    }
}

#[tokio::test]
async fn a_retry_by_file_takes_its_row_later() {
    let mut env = env(Duration::from_millis(400)).await;
    let service = env.serve(&SHORT_LEASE).await;
    failed(&env, &service, "run-1").await;
    env.wait_until_synced("run-1").await;
    env.postgres().stop(Stop::Immediate);
    assert_eq!(service.call("POST", PATH).await.status, 202);
    assert_eq!(service.call("GET", "/api/pipeline/run-1").await.body["generation"], 2);
    // The row may have a stage that the files lack. Nobody may pay for it again, so the run waits.
    env.postgres().start_again();
    assert_eq!(service.ended("run-1").await["status"], "complete");
    let row = r#"SELECT concat_ws(' ', "status", "generation", "errorCode") FROM "PipelineRun""#;
    env.wait_for_value(row, "COMPLETED 2").await;
    env.wait_until_synced("run-1").await;
    env.assert_both_agree("run-1").await;
    assert_eq!(calls(&env.model), [1, 2, 1, 1]);
}

#[tokio::test]
async fn a_row_nobody_submitted_is_not_retried() {
    let env = env(Duration::ZERO).await;
    env
        .query(
            r#"WITH person AS (INSERT INTO "User" ("id", "clerkId", "email", "updatedAt")
                 VALUES ('u', 'c', 'e', now()) RETURNING "id")
               INSERT INTO "PipelineRun" ("id", "userId", "documentName", "companyName", "status", "pipelineVersion")
               SELECT 'run-1', "id", 'd', 'c', 'FAILED', '1.0' FROM person"#,
        )
        .await;
    let service = env.serve(DUAL_WRITE).await;
    assert_eq!(service.call("POST", PATH).await.code(), (409, "run_not_accepted"));
}
