//! Both rollbacks of the stage outputs, and the ways back from them.

use serde_json::json;

use super::{STAGE_OUTPUTS, assert_migrated, column, json_of, migrate};
use crate::support::{
    postgres::{Postgres, query},
    prisma::{Prisma, Said},
    root,
};

const OUTPUT_COLUMNS: &str = "SELECT count(*) FROM information_schema.columns WHERE table_name = 'PipelineRun'
    AND column_name IN ('stage1Output', 'stage2Output', 'stage3Output', 'stage4Output', 'fullReportMarkdown')";

/// A migrated database with one run that has an output.
async fn migrated(server: &Postgres) -> (String, String) {
    let url = server.fresh_database().await;
    assert_migrated(&url, &["deploy"]);
    query(
        &url,
        r#"INSERT INTO "User" ("id", "clerkId", "email", "updatedAt") VALUES ('u', 'c', 'e', now());
           INSERT INTO "PipelineRun" ("id", "userId", "documentName", "companyName", "pipelineVersion", "stage1Output")
           VALUES ('r', 'u', 'd', 'c', '1', '{}'), ('s', 'u', 'd', 'c', '1', NULL)"#,
    )
    .await;
    let database = url.rsplit('/').next().unwrap().to_owned();
    (url, database)
}

fn rollback<'a>(method: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["rollback", STAGE_OUTPUTS, "--method", method];
    arguments.extend(more);
    arguments
}

#[tokio::test]
async fn a_rollback_requires_the_databases_name() {
    let server = Postgres::start();
    let (url, database) = migrated(&server).await;
    let plan = assert_migrated(&url, &rollback("drop", &["--dry-run", "--json"]));
    let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
    assert_eq!(plan["rollback"]["runs_with_outputs"], 1);
    assert_eq!(plan["done"], false);
    let command = format!("innovation migrate rollback {STAGE_OUTPUTS} --method drop --confirm {database}");
    assert_eq!(plan["next"], json!([command]));
    for more in [&["--json"][..], &["--json", "--confirm", "production"]] {
        let refused = migrate(&url, &rollback("drop", more));
        assert_eq!(refused.status.code(), Some(1));
        assert_eq!(json_of(&refused)["error"]["code"], "NOT_CONFIRMED");
        assert_eq!(json_of(&refused)["error"]["next"], json!([command]));
    }
    assert_eq!(column(&url, OUTPUT_COLUMNS).await, ["5"]);
    Said::new(&migrate(&url, &["rollback", "20251022123459_init", "--method", "drop", "--dry-run"]))
        .assert(false, "NO_ROLLBACK");
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn redeploying_either_way_restores_dropped_columns() {
    let server = Postgres::start();
    let (url, database) = migrated(&server).await;
    let prisma = Prisma::of_repository(&url);
    // An operator would try this first.
    prisma.run(&["migrate", "resolve", "--rolled-back", STAGE_OUTPUTS]).assert(false, "P3012");
    assert_migrated(&url, &rollback("drop", &["--confirm", &database]));
    assert_eq!(column(&url, OUTPUT_COLUMNS).await, ["0"]);
    prisma.run(&["migrate", "status"]).assert(false, STAGE_OUTPUTS);
    assert_eq!(json_of(&migrate(&url, &["status", "--json"]))["status"]["schema"], "behind");
    Said::new(&migrate(&url, &rollback("drop", &["--dry-run"]))).assert(false, "P3011");

    assert_migrated(&url, &["deploy"]);
    assert_eq!(column(&url, OUTPUT_COLUMNS).await, ["5"]);
    prisma.run(&["migrate", "status"]).assert(true, "up to date");

    assert_migrated(&url, &rollback("drop", &["--confirm", &database]));
    prisma.run(&["migrate", "deploy"]).assert(true, "successfully applied");
    assert_eq!(column(&url, OUTPUT_COLUMNS).await, ["5"]);
    assert_migrated(&url, &["status"]);
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn a_forward_rollback_and_its_undo_are_migrations() {
    let server = Postgres::start();
    let (url, database) = migrated(&server).await;
    let prisma = Prisma::copy(&url, usize::MAX);
    Said::new(&migrate(&url, &rollback("restore", &["--confirm", &database]))).assert(false, "NOTHING_TO_DO");
    for (method, columns) in [("forward", "0"), ("restore", "5")] {
        let done = assert_migrated(&url, &rollback(method, &["--confirm", &database, "--json"]));
        let done: serde_json::Value = serde_json::from_str(&done).unwrap();
        assert_eq!(column(&url, OUTPUT_COLUMNS).await, [columns]);
        assert_eq!(assert_migrated(&url, &["deploy"]), "nothing is pending\n");

        // With the script in the folder, as the command says, the histories agree.
        let name = done["rollback"]["new_migration"].as_str().unwrap();
        let script = root().join(format!("prisma/rollback/stage-outputs/{method}.sql"));
        assert!(done["next"][0].as_str().unwrap().contains(name), "{done}");
        prisma.add_migration(name, &std::fs::read_to_string(script).unwrap());
        prisma.run(&["migrate", "status"]).assert(true, "up to date");
        prisma.run(&["migrate", "deploy"]).assert(true, "No pending migrations");
        Said::new(&migrate(&url, &rollback(method, &["--dry-run"]))).assert(false, "NOTHING_TO_DO");
    }
    let records = r#"SELECT concat_ws(' ', "actor", "action", "target", "new"->>'method') FROM "innovation"."AuditRecord"
                     WHERE "action" = 'migrate.rollback' ORDER BY "id""#;
    let done = |method| format!("command migrate.rollback {STAGE_OUTPUTS} {method}");
    assert_eq!(column(&url, records).await, ["forward", "restore"].map(done), "a plan leaves none");
}

/// The answer of `migrate status --json`. The command succeeds only if all is well.
fn status_of(url: &str, is_well: bool) -> serde_json::Value {
    let output = migrate(url, &["status", "--json"]);
    assert_eq!(output.status.code(), Some(i32::from(!is_well)));
    json_of(&output)
}

#[tokio::test]
async fn status_names_the_way_back_after_forward() {
    let server = Postgres::start();
    let (url, database) = migrated(&server).await;
    assert_eq!(status_of(&url, true)["status"]["schema"], "current");
    assert_migrated(&url, &rollback("forward", &["--confirm", &database]));
    let status = status_of(&url, false);
    assert_eq!(status["status"]["schema"], "differs");
    assert_eq!(status["status"]["differences"].as_array().unwrap().len(), 5);
    let command =
        format!("innovation migrate rollback {STAGE_OUTPUTS} --method restore --confirm {database}");
    assert_eq!(status["next"], json!([command]));
    let command: Vec<&str> = command.split(' ').skip(2).collect();
    assert_migrated(&url, &command);
    assert_eq!(status_of(&url, true)["next"], json!([]));
}

#[tokio::test]
async fn status_compares_the_real_columns_and_types() {
    let server = Postgres::start();
    let (url, _) = migrated(&server).await;
    query(&url, r#"ALTER TABLE "PipelineRun" DROP COLUMN "stage3Output", DROP COLUMN "unsyncedStages""#)
        .await;
    let status = status_of(&url, false);
    let dropped = |column: &str, wanted: &str| json!({"kind": "missing_column", "table": "PipelineRun", "column": column, "wanted": wanted});
    let both = [dropped("stage3Output", "jsonb"), dropped("unsyncedStages", "_int4")];
    assert_eq!(status["status"]["differences"], json!(both));
    let next = status["next"][0].as_str().unwrap();
    let repair = next.split('\'').nth(1).unwrap();
    query(&url, repair).await;
    status_of(&url, true);
    query(&url, r#"ALTER TABLE "StageOutput" ALTER COLUMN "stageNumber" TYPE text"#).await;
    let changed = json!({"kind": "other_type", "table": "StageOutput", "column": "stageNumber", "wanted": "int4", "found": "text"});
    assert_eq!(status_of(&url, false)["status"]["differences"], json!([changed]));
}

#[tokio::test]
async fn a_blocked_rollback_changes_nothing() {
    let server = Postgres::start();
    let (url, database) = migrated(&server).await;
    query(&url, "CREATE VIEW uses_it AS SELECT \"stage1Output\" FROM \"PipelineRun\"").await;
    Said::new(&migrate(&url, &rollback("drop", &["--confirm", &database]))).assert(false, "2BP01");
    assert_eq!(column(&url, OUTPUT_COLUMNS).await, ["5"]);
    assert_migrated(&url, &["status"]);
}
