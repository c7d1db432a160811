//! The record: one row by however many replicas, ended by the next, kept in files while the database is away.

use serde_json::json;

use super::{deploy, is_watched, json_of};
use crate::{
    flags::set,
    support::{
        postgres::Stop,
        service::TestEnv,
        stderr,
        wait::{eventually, wanted},
    },
};

fn of(id: &'static str, commit: &'static str) -> [(&'static str, &'static str); 5] {
    [
        ("RAILWAY_DEPLOYMENT_ID", id),
        ("RAILWAY_GIT_COMMIT_SHA", commit),
        ("RAILWAY_GIT_AUTHOR", "ada"),
        ("ARBITER_CHECK_SECONDS", "1"),
        ("ADMIN_SECRET", "0123456789abcdef-of-the-test"),
    ]
}

#[tokio::test]
async fn replicas_share_a_row_until_the_next() {
    let env = TestEnv::with_database().await;
    let deployed = of("d-1", "c1");
    let (one, _two) = tokio::join!(env.replica("one", &deployed), env.replica("two", &deployed));
    is_watched(&one, "d-1").await;
    let rows = r#"SELECT count(*) || ' ' || (SELECT count(*) FROM "innovation"."DeploymentProcess") FROM "innovation"."Deployment""#;
    env.wait_for_value(rows, "1 2").await;
    let columns = r#"SELECT "commitSha" || ' ' || "triggeredBy" || ' ' || "status" || ' ' || "environment" || ' '
                     || length("variablesDigest") FROM "innovation"."Deployment""#;
    assert_eq!(env.value(columns).await, "c1 ada in_progress development 64");
    let next = env.replica("three", &of("d-2", "c2")).await;
    is_watched(&next, "d-2").await;
    let ended = r#"SELECT string_agg("id" || ' ' || ("endedAt" IS NULL), ',' ORDER BY "id") FROM "innovation"."Deployment""#;
    env.wait_for_value(ended, "d-1 false,d-2 true").await;

    let dashboard = next.call("GET", "/api/admin/deployments").await.body;
    assert_eq!(
        (&dashboard["current"]["id"], &dashboard["metrics"]["deployments_today"]),
        (&json!("d-2"), &json!(2))
    );
    let status = json_of(&deploy(&env, &["status", "--json"], &[]).await);
    assert_eq!(status["dashboard"]["current"]["id"], "d-2", "{status}");
    assert_eq!(status["dashboard"]["recent"][1]["verdict"], "inconclusive", "it was replaced before its end");
    let failed =
        deploy(&env, &["record", "--id", "d-3", "--status", "failed", "--reason", "no image", "--json"], &[])
            .await;
    assert_eq!(json_of(&failed)["verdict"], "failing", "{}", stderr(&failed));
    let listed = deploy(&env, &["list", "--json"], &[]).await;
    assert_eq!(String::from_utf8_lossy(&listed.stdout).lines().count(), 3);
    let audited = r#"SELECT count(*) FROM "innovation"."AuditRecord" WHERE "action" = 'deployment.record' AND "target" = 'd-3'"#;
    assert_eq!(env.value(audited).await, "1");
}

#[tokio::test]
async fn a_start_without_database_is_recorded_later() {
    let mut env = TestEnv::with_database().await;
    env.postgres().stop(Stop::Immediate);
    let service = env.serve(&[&of("d-1", "c1")[..], &[("SINGLE_REPLICA", "true")]].concat()).await;
    let dashboard = eventually("the note", async || {
        let body = service.call("GET", "/api/admin/deployments").await.body;
        wanted(body, |body| body["recent"][0]["id"] == "d-1" && body["recent"][0]["completed_at"].is_string())
    })
    .await;
    assert_eq!(dashboard["is_database_missing"], true);
    let listed = deploy(&env, &["list", "--json"], &[]).await;
    assert_eq!(listed.status.code(), Some(3), "a part is missing: {}", stderr(&listed));
    assert_eq!(json_of(&listed)["id"], "d-1");
    env.postgres().start_again();
    let row =
        r#"SELECT count(*) FROM "innovation"."Deployment" WHERE "id" = 'd-1' AND "completedAt" IS NOT NULL"#;
    env.wait_for_value(row, "1").await;
    let notes = env.folder.path().join("data/test-outputs/.deployments");
    eventually("the note has gone", async || {
        std::fs::read_dir(&notes).map_or(true, |mut notes| notes.next().is_none())
    })
    .await;
}

#[tokio::test]
async fn dual_writes_are_equal_until_something_misses() {
    let env = TestEnv::with_database().await;
    let service = env.serve(&of("d-1", "c1")).await;
    for run in ["one", "two"] {
        service.submit(&env.request(run)).await;
        assert_eq!(service.ended(run).await["status"], "complete");
    }
    let ratio = async || {
        let health = service.call("GET", "/api/admin/migration-health").await.body;
        health["by_mode"]["DUAL_WRITE"]["proof_ratio"].as_f64()
    };
    assert_eq!(ratio().await, Some(1.0));
    env.query(
        r#"UPDATE "PipelineRun" SET "filesMissingStages" = '{2}', "syncProvedAt" = NULL WHERE "id" = 'two'"#,
    )
    .await;
    assert_eq!(ratio().await, Some(0.5));
}

#[tokio::test]
async fn a_canary_counts_runs_since_its_share() {
    let env = TestEnv::with_database().await;
    let service = env.serve(&of("d-1", "c1")).await;
    let complete = async |run: &str| {
        service.submit(&env.request(run)).await;
        assert_eq!(service.ended(run).await["status"], "complete");
    };
    complete("before").await;
    set(&env, "PERFORMANCE_ANSWER_CACHE", "50").await;
    for number in 0..6 {
        complete(&format!("run-{number}")).await;
    }
    let health = service.call("GET", "/api/admin/migration-health").await.body;
    let canary = &health["canaries"][0];
    assert_eq!((&canary["flag"], &canary["share"]), (&json!("PERFORMANCE_ANSWER_CACHE"), &json!(50)));
    let (new, old) = (canary["new"]["runs"].as_u64().unwrap(), canary["old"]["runs"].as_u64().unwrap());
    assert!(new > 0 && old > 0 && new + old == 6, "{canary}");
    assert!(canary["since"].is_string(), "{canary}");
    let (_, page) = service.get("/console/deployments").await.unwrap();
    let page = page.as_str().unwrap();
    for (name, runs) in [("PERFORMANCE_ANSWER_CACHE on (50 %)", new), ("PERFORMANCE_ANSWER_CACHE off", old)] {
        let row = format!(r#"<th scope="row">{name}</th><td class="number">{runs}</td>"#);
        assert!(page.contains(&row), "{row} in {page}");
    }
    let status = json_of(&deploy(&env, &["status", "--json"], &[]).await);
    assert_eq!(status["migration_health"]["canaries"][0], *canary, "{status}");
}
