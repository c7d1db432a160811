//! Bulk operations by filter, over the real binary and PostgreSQL.

use serde_json::{Value, json};

use crate::{
    control_plane::{ADMIN_KEY, CLIENT_KEY, KEYS, ask, keys},
    support::{
        innovation,
        postgres::Stop,
        service::{Answer, Service, TestEnv},
        wait::{eventually, wanted},
    },
};

const OPERATIONS: &str = "/api/admin/operations";

/// Settings of a service that accepts and changes runs, and works on none: what was retried stays as it is.
fn idle<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    KEYS.iter().chain(&[("ROLE", "web")]).chain(more).copied().collect()
}

/// Adds rows of ended runs: `{prefix}-1` to `{prefix}-{count}`.
pub(crate) async fn add_runs(env: &TestEnv, prefix: &str, count: usize, columns: &str, values: &str) {
    env.query(&format!(
        r#"
WITH known AS (SELECT "id" FROM "User" WHERE "clerkId" = 'c'),
person AS (
  INSERT INTO "User" ("id", "clerkId", "email", "updatedAt")
  SELECT 'u', 'c', 'e', now() WHERE NOT EXISTS (SELECT FROM known) RETURNING "id"
)
INSERT INTO "PipelineRun" ("id", "userId", "documentName", "companyName", "brandId", "requestDigest", "pipelineVersion",
  "createdAt", "acceptedAt", "completedAt", {columns})
SELECT '{prefix}-' || n, p."id", 'report.pdf', 'Decathlon', 'decathlon', repeat('a', 64), '1.0',
  now() AT TIME ZONE 'UTC' - n * interval '1 second', now(), now() AT TIME ZONE 'UTC', {values}
FROM (SELECT "id" FROM known UNION ALL SELECT "id" FROM person) p, generate_series(1, {count}) AS n"#
    ))
    .await;
}

const FAILED: &str = r#""status", "errorCode", "errorMessage", "errorCanRetry""#;

async fn preview(service: &Service, action: &str, filter: Value) -> Answer {
    let body = json!({ "action": action, "filter": filter });
    ask(service, ADMIN_KEY, "POST", &format!("{OPERATIONS}/preview"), Some(body)).await
}

/// The order that a preview leads to.
fn order_of(preview: &Value) -> Value {
    json!({
        "action": preview["action"], "filter": preview["filter"], "expected": preview["count"],
        "as_of": preview["as_of"], "operation_id": preview["operation_id"], "reason": "the model is back",
    })
}

async fn start(service: &Service, order: &Value) -> Answer {
    ask(service, ADMIN_KEY, "POST", OPERATIONS, Some(order.clone())).await
}

async fn operation(service: &Service, id: &Value) -> Value {
    let path = format!("{OPERATIONS}/{}", id.as_str().unwrap());
    ask(service, ADMIN_KEY, "GET", &path, None).await.body
}

async fn when_over(service: &Service, id: &Value) -> Value {
    eventually("the end of the operation", async || {
        wanted(operation(service, id).await, |operation| operation["status"] != "running")
    })
    .await
}

fn wrong_fields(answer: &Answer) -> Vec<&str> {
    assert_eq!(answer.code(), (422, "invalid_fields"), "{}", answer.body);
    answer.body["errors"].as_array().unwrap().iter().map(|one| one["field"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn one_operation_retries_the_previewed_runs() {
    let env = TestEnv::with_database().await;
    add_runs(&env, "timeout", 30, FAILED, "'FAILED', 'LLM_TIMEOUT', 'late', true").await;
    add_runs(&env, "crypt", 3, FAILED, "'FAILED', 'DOCUMENT_ENCRYPTED', 'locked', false").await;
    add_runs(
        &env,
        "done",
        2,
        r#""status", "stage1Output""#,
        r#"'COMPLETED',
      '{"meta": {"usage": {"cost_usd": 0.5}}}'"#,
    )
    .await;
    let service = env.serve(&idle(&[])).await;
    let all = preview(&service, "retry", json!({ "status": "FAILED" })).await.body;
    assert_eq!((&all["count"], &all["not_retryable"]), (&30.into(), &3.into()), "{all}");
    assert_eq!((&all["missing_stages"], &all["is_count_exact"]), (&120.into(), &true.into()));
    let named = preview(&service, "retry", json!({ "error_code": "DOCUMENT_ENCRYPTED" })).await.body;
    assert_eq!((&named["count"], &named["not_retryable"]), (&3.into(), &0.into()), "{named}");
    // It failed after the preview, and was created after it.
    add_runs(&env, "later", 2, FAILED, "'FAILED', 'LLM_TIMEOUT', 'late', true").await;
    env.query(r#"UPDATE "PipelineRun" SET "createdAt" = now() AT TIME ZONE 'UTC' + interval '1 hour' WHERE "id" LIKE 'later-%'"#).await;
    let mut order = order_of(&all);
    order["expected"] = 20.into();
    assert_eq!(start(&service, &order).await.code(), (409, "operation_changed"));
    let order = order_of(&all);
    // A person clicks twice, or a proxy repeats the request.
    let (started, twin) = tokio::join!(start(&service, &order), start(&service, &order));
    for started in [started, twin] {
        assert_eq!((started.status, &started.body["id"]), (202, &all["operation_id"]), "{}", started.body);
    }
    assert_eq!(start(&service, &order).await.status, 202, "a repetition is the same operation");
    let over = when_over(&service, &all["operation_id"]).await;
    assert_eq!(
        over["progress"],
        json!({ "total": 30, "done": 30, "refused": 0, "failed": 0, "left": 0, "by_code": {} })
    );
    assert_eq!((&over["status"], &over["reason"]), (&"completed".into(), &"the model is back".into()));
    let states = r#"SELECT string_agg(DISTINCT split_part("id", '-', 1) || ' ' || "status" || ' ' || "generation", ', ') FROM "PipelineRun""#;
    assert_eq!(
        env.value(states).await,
        "crypt FAILED 1, done COMPLETED 1, later FAILED 1, timeout PROCESSING 2"
    );
    let audit = r#"SELECT string_agg(DISTINCT "action" || ' ' || "actor" || ' ' || COALESCE(split_part("reason", ' ', 1), ''), ', ')
      || ' ' || count(*) FROM "innovation"."AuditRecord""#;
    assert_eq!(env.value(audit).await, "operation.start environment the, run.retry environment operation 31");
    assert_eq!(
        ask(
            &service,
            ADMIN_KEY,
            "POST",
            &format!("{OPERATIONS}/{}/cancel", all["operation_id"].as_str().unwrap()),
            None
        )
        .await
        .code(),
        (409, "operation_ended")
    );
}

#[tokio::test]
async fn wrong_or_forbidden_operations_start_nothing() {
    let env = TestEnv::with_database().await;
    add_runs(&env, "run", 2, FAILED, "'FAILED', 'LLM_TIMEOUT', 'late', true").await;
    let viewer = keys(&env, &["create", "--name", "watcher", "--role", "viewer"]);
    let service = env.serve(&idle(&[])).await;
    assert_eq!(wrong_fields(&preview(&service, "delete", json!({})).await), ["filter"]);
    assert_eq!(wrong_fields(&preview(&service, "retry", json!({ "status": "COMPLETED" })).await), ["status"]);
    assert_eq!(
        wrong_fields(&preview(&service, "drop", json!({ "created_from": "soon", "colour": "red" })).await),
        ["action", "filter", "created_from"]
    );
    let order = order_of(&preview(&service, "delete", json!({ "company_id": "decathlon" })).await.body);
    let mut bare = order.clone();
    for field in ["expected", "as_of", "reason"] {
        bare.as_object_mut().unwrap().remove(field);
    }
    assert_eq!(wrong_fields(&start(&service, &bare).await), ["expected", "as_of", "reason"]);
    let mut ahead = order.clone();
    ahead["as_of"] = "2999-01-01T00:00:00Z".into();
    assert_eq!(wrong_fields(&start(&service, &ahead).await), ["as_of"]);
    for key in [viewer["key"].as_str().unwrap(), CLIENT_KEY] {
        let refused = ask(&service, key, "POST", OPERATIONS, Some(order.clone())).await;
        assert_eq!(refused.code(), (403, "insufficient_role"), "{}", refused.body);
    }
    assert_eq!(ask(&service, viewer["key"].as_str().unwrap(), "GET", OPERATIONS, None).await.status, 200);
    assert_eq!(
        ask(&service, ADMIN_KEY, "GET", &format!("{OPERATIONS}/none"), None).await.code(),
        (404, "operation_not_found")
    );
    assert_eq!(env.value(r#"SELECT count(*)::text FROM "innovation"."BulkOperation""#).await, "0");
    assert_eq!(env.value(r#"SELECT count(*)::text FROM "PipelineRun""#).await, "2");
}

#[tokio::test]
async fn another_replica_completes_a_killed_ones_operation() {
    let env = TestEnv::with_database().await;
    add_runs(&env, "old", 120, r#""status""#, "'COMPLETED'").await;
    let settings = idle(&[]);
    let (mut one, two) = tokio::join!(env.replica("one", &settings), env.replica("two", &settings));
    let shown = preview(&one, "delete", json!({ "status": "COMPLETED" })).await.body;
    assert_eq!((&shown["count"], &shown["estimated_cost_usd"]), (&120.into(), &Value::Null), "{shown}");
    assert_eq!(start(&one, &order_of(&shown)).await.status, 202);
    let id = &shown["operation_id"];
    let begun = eventually("the first runs are deleted", async || {
        wanted(operation(&one, id).await, |now| now["progress"]["done"].as_u64() > Some(0))
    })
    .await;
    assert_eq!(begun["status"], "running", "{begun}");
    one.kill();
    let over = when_over(&two, id).await;
    assert_eq!((&over["progress"]["done"], &over["progress"]["left"]), (&120.into(), &0.into()), "{over}");
    assert_ne!(over["replica"], begun["replica"]);
    assert_eq!(env.value(r#"SELECT count(*)::text FROM "PipelineRun""#).await, "0");
    let records = r#"SELECT concat_ws(' ', count(*), count(DISTINCT "target")) FROM "innovation"."AuditRecord" WHERE "action" = 'run.delete'"#;
    assert_eq!(env.value(records).await, "120 120", "one for each run");
}

/// `innovation runs …` on the database of a test.
fn runs(env: &TestEnv, arguments: &[&str]) -> (Option<i32>, Value) {
    let output = innovation(&["runs"])
        .args(arguments)
        .arg("--json")
        .env("APP_BASE_DIR", env.folder.path())
        .env("DATABASE_URL", env.database_url())
        .output()
        .unwrap();
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_default())
}

#[tokio::test]
async fn the_command_starts_waits_and_cancels() {
    let mut env = TestEnv::with_database().await;
    add_runs(&env, "open", 4, r#""status""#, "'PROCESSING'").await;
    add_runs(&env, "old", 90, r#""status""#, "'COMPLETED'").await;
    let filter = ["--filter", "status=PROCESSING"];
    assert_eq!(runs(&env, &["cancel"]).0, Some(64), "a filter is required");
    assert_eq!(runs(&env, &["cancel", "--filter", "status="]).0, Some(64));
    let (code, shown) = runs(&env, &["cancel", filter[0], filter[1]]);
    assert_eq!((code, &shown["preview"]["count"]), (Some(0), &4.into()), "{shown}");
    // Without a service, an operation waits.
    let deletion = ["delete", "--filter", "status=COMPLETED", "--yes", "--reason", "old", "--no-wait"];
    let (code, waiting) = runs(&env, &deletion);
    assert_eq!((code, &waiting["progress"]["left"]), (Some(0), &90.into()), "{waiting}");
    let id = waiting["id"].as_str().unwrap();
    let (code, stopped) = runs(&env, &["operation", id, "--cancel", "--reason", "a mistake"]);
    assert_eq!((code, &stopped["status"]), (Some(0), &"cancelled".into()), "{stopped}");
    let service = env.serve(&idle(&[])).await;
    let (code, over) = runs(&env, &["cancel", filter[0], filter[1], "--yes", "--reason", "a test"]);
    assert_eq!((code, &over["progress"]["done"]), (Some(0), &4.into()), "{over}");
    let states =
        r#"SELECT string_agg(DISTINCT split_part("id", '-', 1) || ' ' || "status", ', ') FROM "PipelineRun""#;
    assert_eq!(
        env.value(states).await,
        "old COMPLETED, open CANCELLED",
        "a cancelled operation changes nothing"
    );
    assert_eq!(runs(&env, &["operation", id]).1["progress"]["left"], 90);
    env.postgres().stop(Stop::Fast);
    let away = eventually("the refusal", async || {
        wanted(preview(&service, "delete", json!({ "status": "COMPLETED" })).await, |answer| {
            answer.status == 503
        })
    })
    .await;
    assert_eq!(away.code(), (503, "operations_unavailable"), "{}", away.body);
    let (code, _) = runs(&env, &["delete", "--filter", "status=COMPLETED", "--yes", "--reason", "old"]);
    assert_eq!(code, Some(3));
}
