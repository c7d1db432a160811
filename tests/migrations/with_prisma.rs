//! In turns with the real Prisma CLI and client, on the same database.

use super::{STAGE_OUTPUTS, assert_migrated, assert_same_schema, json_of, migrate, schema};
use crate::support::{
    postgres::{Postgres, query},
    prisma::{Prisma, Said, migration_names},
    root,
};

#[tokio::test]
async fn either_tool_alone_leaves_the_same_database() {
    let server = Postgres::start();
    let (ours, theirs) = (server.fresh_database().await, server.fresh_database().await);
    assert_migrated(&ours, &["deploy"]);
    Prisma::of_repository(&theirs).run(&["migrate", "deploy"]).assert(true, "successfully applied");
    assert_same_schema(&schema(&ours).await, &schema(&theirs).await);

    let prisma = Prisma::of_repository(&ours);
    prisma.run(&["migrate", "status"]).assert(true, "up to date");
    prisma.run(&["migrate", "deploy"]).assert(true, "No pending migrations");
    assert_migrated(&theirs, &["status"]);
    assert_eq!(assert_migrated(&theirs, &["deploy"]), "nothing is pending\n");
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn the_live_database_upgrades_and_keeps_its_rows() {
    let server = Postgres::start();
    let url = server.url();
    Prisma::copy(&url, 3).run(&["migrate", "deploy"]).assert(true, "successfully applied");
    query(
        &url,
        r#"INSERT INTO "User" ("id", "clerkId", "email", "updatedAt") VALUES ('u', 'clerk_1', 'e', now());
           INSERT INTO "PipelineRun" ("id", "userId", "documentName", "companyName", "pipelineVersion")
           VALUES ('run-1', 'u', 'report.pdf', 'Lactalis Canada', '1.0')"#,
    )
    .await;
    assert_migrated(&url, &["deploy"]);
    let prisma = Prisma::copy(&url, usize::MAX);
    prisma.run(&["migrate", "status"]).assert(true, "up to date");
    let kept = prisma.client("read-write.mts", "run-1");
    assert_eq!(kept["run"]["documentName"], "report.pdf");
    assert_eq!(kept["run"]["acceptedAt"], serde_json::Value::Null);
    assert_eq!(kept["run"]["generation"], 1);
}

#[tokio::test]
async fn prisma_finds_no_drift_after_our_migrations() {
    let server = Postgres::start();
    let url = server.url();
    assert_migrated(&url, &["deploy"]);
    let prisma = Prisma::of_repository(&url);
    let schema = root().join("prisma/schema.prisma");
    let schema = schema.to_str().unwrap();
    let diff = ["migrate", "diff", "--exit-code", "--from-config-datasource", "--to-schema", schema];
    prisma.run(&diff).assert(true, "No difference detected");
    // It would notice.
    query(&url, "CREATE INDEX ours ON \"PipelineRun\" (\"brandId\")").await;
    prisma.run(&diff).assert(false, "Removed index on columns (brandId)");
}

#[tokio::test]
async fn the_client_reads_what_sql_wrote() {
    let server = Postgres::start();
    let url = server.url();
    assert_migrated(&url, &["deploy"]);
    query(
        &url,
        r#"INSERT INTO "User" ("id", "clerkId", "email", "updatedAt") VALUES ('u', 'clerk_1', 'e', now());
           INSERT INTO "PipelineRun" ("id", "userId", "documentName", "companyName", "pipelineVersion", "status",
               "stage1Output", "stage1Digest", "fullReportMarkdown", "acceptedAt", "leaseEpoch", "leaseUntil",
               "filesMissingStages", "grounding", "errorCanRetry", "updatedAt", "completedAt", "duration")
           VALUES ('run-1', 'u', 'report.pdf', 'Lactalis Canada', '1.0', 'COMPLETED',
               '{"inspirations": [{"title": "é"}]}', 'abc', '# Report', '2026-11-21T10:00:00Z', 3, now(),
               '{1,5}', 0.96, false, now(), '2026-11-21 10:00:01', 1000);
           INSERT INTO "OpportunityCard" ("id", "runId", "number", "title", "content", "updatedAt")
           VALUES ('c', 'run-1', 1, 'A card', '**it**', now());
           INSERT INTO "StageOutput" ("id", "runId", "stageNumber", "stageName", "status", "output")
           VALUES ('s', 'run-1', 1, 'Input', 'COMPLETED', '{}');
           INSERT INTO "InspirationReport" ("id", "runId", "selectedTrack", "nonSelectedTrack", "stage1Output",
               "stage2Output", "stage3Output", "stage4Output", "stage5Output", "updatedAt")
           VALUES ('i', 'run-1', 'a', 'b', '1', '2', '3', '4', '5', now())"#,
    )
    .await;
    let seen = Prisma::copy(&url, usize::MAX).client("read-write.mts", "run-1");
    let run = &seen["run"];
    assert_eq!(run["status"], "COMPLETED");
    assert_eq!(run["stage1Output"]["inspirations"][0]["title"], "é");
    assert_eq!(run["filesMissingStages"], serde_json::json!([1, 5]));
    assert_eq!(run["acceptedAt"], "2026-11-21T10:00:00.000Z");
    assert_eq!(run["completedAt"], "2026-11-21T10:00:01.000Z");
    assert_eq!(run["opportunityCards"][0]["title"], "A card");
    assert_eq!(run["inspirationReport"]["stage5Output"], "5");
    assert_eq!(run["stageOutputs"][0]["stageNumber"], 1);
    assert_eq!(run["user"]["clerkId"], "clerk_1");
    // The client's own row has our defaults: not accepted, so nobody's work.
    assert_eq!(seen["created"]["acceptedAt"], serde_json::Value::Null);
    assert_eq!(seen["created"]["leaseEpoch"], 0);
    assert_eq!(seen["created"]["filesMissingStages"], serde_json::json!([]));
    assert_eq!(seen["processing"], 1);
}

#[tokio::test]
async fn the_previous_releases_client_survives_every_migration() {
    let server = Postgres::start();
    let url = server.url();
    assert_migrated(&url, &["deploy"]);
    query(
        &url,
        r#"INSERT INTO "User" ("id", "clerkId", "email", "updatedAt") VALUES ('u', 'clerk_1', 'e', now());
           INSERT INTO "PipelineRun" ("id", "userId", "documentName", "companyName", "pipelineVersion", "status",
               "filesMissingStages", "unsyncedStages", "updatedAt")
           VALUES ('run-1', 'u', 'report.pdf', 'Lactalis Canada', '1.0', 'PROCESSING', '{2}', '{2}', now())"#,
    )
    .await;
    let seen = Prisma::copy(&url, usize::MAX).with_previous_schema().client("read-write.mts", "run-1");
    assert_eq!(seen["run"]["unsyncedStages"], serde_json::json!([2]));
    assert_eq!(seen["created"]["unsyncedStages"], serde_json::json!([]));
    assert_eq!(seen["processing"], 2);
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn prisma_sees_our_failure_and_we_continue() {
    let server = Postgres::start();
    let url = server.url();
    let prisma = Prisma::of_repository(&url);
    Prisma::copy(&url, 3).run(&["migrate", "deploy"]).assert(true, "successfully applied");
    query(&url, "ALTER TABLE \"PipelineRun\" ADD COLUMN \"stage2Output\" TEXT").await;
    Said::new(&migrate(&url, &["deploy"])).assert(false, "42701");
    prisma.run(&["migrate", "status"]).assert(false, "not yet been applied");
    let refused = prisma.run(&["migrate", "deploy"]);
    refused.assert(false, "P3009");
    refused.assert(false, STAGE_OUTPUTS);
    query(&url, "ALTER TABLE \"PipelineRun\" DROP COLUMN \"stage2Output\"").await;
    prisma.run(&["migrate", "resolve", "--rolled-back", STAGE_OUTPUTS]).assert(true, "rolled back");
    assert_migrated(&url, &["deploy"]);
    prisma.run(&["migrate", "status"]).assert(true, "up to date");
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn we_see_prismas_failure_and_it_continues() {
    let server = Postgres::start();
    let url = server.url();
    let prisma = Prisma::of_repository(&url);
    Prisma::copy(&url, 3).run(&["migrate", "deploy"]).assert(true, "successfully applied");
    query(&url, "ALTER TABLE \"PipelineRun\" ADD COLUMN \"stage2Output\" TEXT").await;
    prisma.run(&["migrate", "deploy"]).assert(false, "already exists");
    let refused = json_of(&migrate(&url, &["deploy", "--json"]));
    assert_eq!(refused["error"]["code"], "P3009");
    let next = format!("innovation migrate resolve --rolled-back {STAGE_OUTPUTS}");
    assert_eq!(refused["error"]["next"], serde_json::json!([next, "innovation migrate deploy"]));
    let status = json_of(&migrate(&url, &["status", "--json"]));
    assert_eq!(status["status"]["schema"], "failed");
    query(&url, "ALTER TABLE \"PipelineRun\" DROP COLUMN \"stage2Output\"").await;
    assert_migrated(&url, &["resolve", "--rolled-back", STAGE_OUTPUTS]);
    prisma.run(&["migrate", "deploy"]).assert(true, "successfully applied");
    assert_migrated(&url, &["status"]);
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn a_migration_marked_applied_by_one_stays_applied() {
    let server = Postgres::start();
    let (one, two) = (server.fresh_database().await, server.fresh_database().await);
    let names = migration_names();
    for url in [&one, &two] {
        for name in &names[..4] {
            let path = root().join("prisma/migrations").join(name).join("migration.sql");
            query(url, &std::fs::read_to_string(path).unwrap()).await;
        }
    }
    for name in &names[..4] {
        assert_migrated(&one, &["resolve", "--applied", name]);
        Prisma::of_repository(&two).run(&["migrate", "resolve", "--applied", name]).assert(true, "applied");
    }
    Prisma::of_repository(&one).run(&["migrate", "deploy"]).assert(true, "successfully applied");
    assert_migrated(&two, &["deploy"]);
    assert_same_schema(&schema(&one).await, &schema(&two).await);
}
