//! `innovation rehearse` on a real PostgreSQL.

use std::process::Output;

use serde_json::Value;

use crate::{
    storage::{migrated, value},
    support::{
        innovation,
        postgres::{Postgres, query},
    },
};

/// Tables and types of all schemas but the system's, and the rehearsal's mark.
const CONTENT: &str =
    "SELECT (SELECT count(*) FROM pg_class c WHERE relkind = 'r' AND relnamespace IN (SELECT oid FROM mine))
     + (SELECT count(*) FROM pg_type WHERE typtype = 'e' AND typnamespace IN (SELECT oid FROM mine))
     + (SELECT count(*) FROM mine WHERE nspname LIKE 'innovation%')
   FROM (SELECT 1) one";

fn content() -> String {
    format!(
        "WITH mine AS (SELECT oid, nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema')
         {CONTENT}"
    )
}

fn rehearse(service: &str, scratch: Option<&str>) -> (Output, Value) {
    let mut command = innovation(&["rehearse", "--runs", "3", "--json"]);
    command.env("DATABASE_URL", service);
    if let Some(scratch) = scratch {
        command.env("REHEARSAL_DATABASE_URL", scratch);
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let json = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
    (output, json)
}

#[tokio::test]
async fn a_rehearsal_leaves_evidence_and_an_empty_database() {
    let server = Postgres::start();
    let service = migrated(&server).await;
    let scratch = server.fresh_database().await;
    // An interrupted rehearsal leaves its mark, and tables.
    query(&scratch, r#"CREATE SCHEMA "innovation_rehearsal"; CREATE TABLE "left" (n int)"#).await;
    let (output, said) = rehearse(&service, Some(&scratch));
    assert_eq!(output.status.code(), Some(0), "{said:#}");
    let rehearsal = &said["rehearsal"];
    assert_eq!((&rehearsal["passed"], &rehearsal["runs"]), (&true.into(), &3.into()), "{said:#}");
    let steps = rehearsal["steps"].as_array().unwrap();
    let of = |id: &str| &steps.iter().find(|step| step["id"] == id).unwrap()["detail"];
    assert_eq!(of("modes.flip"), "DUAL_WRITE, FILE_ONLY, FILE_ONLY, DUAL_WRITE");
    assert_eq!(of("modes.reconcile"), "1 runs differed, 3 stages written");
    for method in ["drop", "forward"] {
        assert_eq!(of(&format!("refill.{method}")), "3 runs differed, 12 stages written");
    }
    assert_eq!(value(&scratch, &content()).await, "0");
    let stored = r#"SELECT count(*) FROM "innovation"."Evidence" e JOIN "innovation"."AuditRecord" a
        ON a."target" = e."id" AND a."action" = 'rehearsal.run'
        WHERE e."kind" = 'rehearsal' AND e."passed" AND e."content" -> 'steps' IS NOT NULL"#;
    assert_eq!(value(&service, stored).await, "1");
}

#[tokio::test]
async fn a_failed_rollback_is_evidence_too() {
    let server = Postgres::start();
    let (service, scratch) = (migrated(&server).await, server.fresh_database().await);
    query(
        &scratch,
        "CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
           IF EXISTS (SELECT FROM pg_event_trigger_dropped_objects() WHERE object_identity LIKE '%stage1Output%') THEN
             RAISE 'columns stay';
           END IF;
         END $$;
         CREATE EVENT TRIGGER refuse ON sql_drop WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION refuse()",
    )
    .await;
    let (output, said) = rehearse(&service, Some(&scratch));
    assert_eq!(output.status.code(), Some(1), "{said:#}");
    let steps = said["rehearsal"]["steps"].as_array().unwrap();
    let failed: Vec<_> =
        steps.iter().filter(|step| step["passed"] == false).map(|step| &step["id"]).collect();
    assert_eq!(failed, ["rollback.drop"]);
    assert_eq!(value(&service, r#"SELECT "passed"::text FROM "innovation"."Evidence""#).await, "false");
    assert_eq!(value(&scratch, &content()).await, "0");
}

#[tokio::test]
async fn only_an_empty_database_of_its_own_is_used() {
    let server = Postgres::start();
    let (service, other) = (migrated(&server).await, server.fresh_database().await);
    query(&other, "CREATE TABLE somebodys (n int)").await;
    let before = value(&service, &content()).await;
    // Another name of the same database.
    let alias = service.replace("127.0.0.1", "localhost");
    for scratch in [
        None,
        Some(service.as_str()),
        Some(&alias),
        Some(&other),
        Some("postgresql://nobody@127.0.0.1:9/none"),
    ] {
        let (output, said) = rehearse(&service, scratch);
        assert_eq!(output.status.code(), Some(3), "{scratch:?}: {said:#}");
        assert!(said["error"]["next"][0].is_string(), "{said:#}");
    }
    assert_eq!(value(&service, &content()).await, before);
    assert_eq!(value(&other, &content()).await, "1");
    // Without the place for the evidence, nothing is rehearsed either.
    let empty = server.fresh_database().await;
    assert_eq!(rehearse(&empty, Some(&server.fresh_database().await)).0.status.code(), Some(3));
}
