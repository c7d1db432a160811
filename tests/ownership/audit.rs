//! Every change of a run by a person leaves a record, also while the database is away.

use serde_json::{Value, json};

use super::{ADMIN, CLIENT, ask, command, ended, post, send, with_keys};
use crate::support::{
    openrouter::Reply,
    postgres::Stop,
    s3::S3,
    service::{DATABASE_ONLY, DUAL_WRITE, TestEnv},
    wait::{eventually, wanted},
};

/// The actions of records, the newest first.
fn actions(records: &[Value]) -> Vec<&str> {
    records.iter().map(|record| record["action"].as_str().unwrap()).collect()
}

const RECORDS: &str = r#"SELECT string_agg("action", ' ' ORDER BY "id") FROM "innovation"."AuditRecord""#;

#[tokio::test]
async fn changes_of_runs_leave_audit_records() {
    let env = TestEnv::with_database().await;
    let service = env.serve(&with_keys(&[("RAILWAY_DEPLOYMENT_ID", "deployment-7")])).await;
    env.model.script([Reply::HangBeforeHeaders]);
    assert_eq!(post(&service, CLIENT, &env.request("run-1")).await.0, 202);
    eventually("the model is asked", async || env.model.calls() == 1).await;
    for _ in 0..2 {
        assert_eq!(ask(&service, CLIENT, "POST", "/api/pipeline/run-1/cancel").await.0, 200);
    }
    assert_eq!(ask(&service, ADMIN, "POST", "/api/pipeline/run-1/retry").await.0, 202);
    assert_eq!(ended(&service, "run-1").await["status"], "complete");
    for _ in 0..2 {
        assert_eq!(ask(&service, CLIENT, "DELETE", "/api/pipeline/run-1").await.0, 204);
    }
    let (_, page) = ask(&service, ADMIN, "GET", "/api/admin/audit").await;
    let records = page["records"].as_array().unwrap();
    assert_eq!(actions(records), ["run.delete", "run.retry", "run.cancel"], "one for each change");
    let cancelled = &records[2];
    assert_eq!((&cancelled["target"], &cancelled["address"]), (&"run-1".into(), &"127.0.0.1".into()));
    assert_eq!((&cancelled["actor"], &cancelled["role"]), (&"environment".into(), &"client".into()));
    assert_eq!(cancelled["request_id"], "asked-POST");
    assert_eq!(cancelled["deployment"], "deployment-7");
    assert_eq!(
        (&cancelled["old"]["status"], &cancelled["new"]["status"]),
        (&"PROCESSING".into(), &"CANCELLED".into())
    );
    assert_eq!((&records[1]["role"], &records[1]["new"]["generation"]), (&"admin".into(), &2.into()));
    let (_, first) = ask(&service, ADMIN, "GET", "/api/admin/audit?limit=2").await;
    let before = first["next"].as_str().unwrap();
    let (_, rest) = ask(&service, ADMIN, "GET", &format!("/api/admin/audit?before={before}")).await;
    assert_eq!((&rest["records"][0], &rest["next"]), (cancelled, &Value::Null));
    assert_eq!(
        ask(&service, ADMIN, "GET", "/api/admin/audit?before=x&limit=0").await.1["errors"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let (code, refusal) = ask(&service, CLIENT, "GET", "/api/admin/audit").await;
    assert_eq!((code, &refusal["code"]), (403, &"insufficient_role".into()));
    let (code, lines, _) = command(&env, &["audit", "log", "--limit", "2"]);
    assert_eq!((code, lines.as_slice()), (Some(0), &records[..2]));
}

#[tokio::test]
async fn a_change_of_a_run_may_say_why() {
    let env = TestEnv::with_database().await;
    let service = env.serve(&with_keys(&[])).await;
    env.model.script([Reply::HangBeforeHeaders]);
    assert_eq!(post(&service, CLIENT, &env.request("run-1")).await.0, 202);
    eventually("the model is asked", async || env.model.calls() == 1).await;
    let path = "/api/pipeline/run-1/cancel";
    for wrong in [json!({"reason": "x".repeat(501)}), json!({"reason": 5}), json!([])] {
        let (status, problem) = send(&service, CLIENT, "POST", path, Some(&wrong)).await;
        assert_eq!((status, &problem["code"]), (422, &"invalid_fields".into()), "{wrong}");
    }
    let long = format!("/api/pipeline/run-1?reason={}", "x".repeat(501));
    assert_eq!(ask(&service, CLIENT, "DELETE", &long).await.0, 422);
    let why = json!({"reason": " the wrong report\u{0} ", "more": 1});
    assert_eq!(send(&service, CLIENT, "POST", path, Some(&why)).await.0, 200);
    let none = send(&service, CLIENT, "POST", "/api/pipeline/run-1/retry", Some(&Value::Null)).await;
    assert_eq!(none.0, 202, "{}", none.1);
    assert_eq!(ended(&service, "run-1").await["status"], "complete");
    let delete = "/api/pipeline/run-1?reason=asked%20by%20mail";
    assert_eq!(ask(&service, CLIENT, "DELETE", delete).await.0, 204);
    let (_, page) = ask(&service, ADMIN, "GET", "/api/admin/audit").await;
    let reasons: Vec<_> =
        page["records"].as_array().unwrap().iter().map(|record| &record["reason"]).collect();
    assert_eq!(reasons, [&json!("asked by mail"), &Value::Null, &json!("the wrong report")], "{page}");
}

#[tokio::test]
async fn records_of_an_outage_are_imported_once() {
    let mut env = TestEnv::with_database().await;
    env.postgres().stop(Stop::Fast);
    let service = env.serve(&with_keys(DUAL_WRITE)).await;
    env.model.script([Reply::HangBeforeHeaders]);
    assert_eq!(post(&service, CLIENT, &env.request("run-1")).await.0, 202);
    eventually("the model is asked", async || env.model.calls() == 1).await;
    assert_eq!(ask(&service, CLIENT, "POST", "/api/pipeline/run-1/cancel").await.0, 200);
    assert_eq!(ask(&service, CLIENT, "POST", "/api/pipeline/run-1/retry").await.0, 202);
    let folder = env.folder.path().join("data/test-outputs/.audit");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2);
    let (code, page) = ask(&service, ADMIN, "GET", "/api/admin/audit").await;
    assert_eq!((code, &page["is_database_missing"]), (200, &true.into()), "{page}");
    assert_eq!(actions(page["records"].as_array().unwrap()), ["run.retry", "run.cancel"]);
    let (code, lines, text) = command(&env, &["audit", "log"]);
    assert_eq!((code, actions(&lines)), (Some(3), vec!["run.retry", "run.cancel"]), "{text}");
    // As if the process had died between the import and the removal of the file.
    let kept: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let bytes = std::fs::read(&kept[0]).unwrap();
    env.postgres().start_again();
    env.wait_for_value(RECORDS, "run.cancel run.retry").await;
    eventually("the files are gone", async || std::fs::read_dir(&folder).unwrap().next().is_none()).await;
    std::fs::write(&kept[0], bytes).unwrap();
    let service = {
        drop(service);
        env.serve(&with_keys(DUAL_WRITE)).await
    };
    eventually("it is imported again", async || !kept[0].exists()).await;
    assert_eq!(env.value(RECORDS).await, "run.cancel run.retry");
    let (_, page) = ask(&service, ADMIN, "GET", "/api/admin/audit").await;
    assert!(page["records"].as_array().unwrap().iter().all(|record| record["is_imported"] == true), "{page}");
}

/// As for a role that may not insert audit records. The role of these tests may do everything.
const REFUSE_RECORDS: &str = r#"
CREATE FUNCTION refuse_record() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  RAISE insufficient_privilege USING MESSAGE = 'permission denied for table AuditRecord';
END $$;
CREATE TRIGGER refuse BEFORE INSERT ON "innovation"."AuditRecord" FOR EACH ROW EXECUTE FUNCTION refuse_record()"#;

#[tokio::test]
async fn a_change_that_cannot_be_audited_is_refused() {
    let env = TestEnv::with_database().await;
    let service = env.serve(&with_keys(DATABASE_ONLY)).await;
    env.model.script([Reply::HangBeforeHeaders]);
    assert_eq!(post(&service, CLIENT, &env.request("run-1")).await.0, 202);
    eventually("the model is asked", async || env.model.calls() == 1).await;
    env.query(REFUSE_RECORDS).await;
    let cancel = async || ask(&service, CLIENT, "POST", "/api/pipeline/run-1/cancel").await;
    for _ in 0..5 {
        let (code, problem) = cancel().await;
        assert_eq!((code, &problem["code"]), (503, &"storage_unavailable".into()), "{problem}");
    }
    // It is no outage of the database: the service goes on.
    assert_eq!(post(&service, CLIENT, &env.request("run-2")).await.0, 202);
    assert_eq!(service.events("database_breaker_opened"), [] as [Value; 0]);
    let row = r#"SELECT concat_ws(' ', "status", "generation", "leaseEpoch") FROM "PipelineRun" WHERE "id" = 'run-1'"#;
    assert_eq!(env.value(row).await, "PROCESSING 1 1");
    env.query(r#"DROP TRIGGER refuse ON "innovation"."AuditRecord""#).await;
    assert_eq!(cancel().await.0, 200);
    assert_eq!(env.value(RECORDS).await, "run.cancel");
}

/// Two replicas see the records of both.
#[tokio::test]
async fn two_replicas_import_a_shared_record_once() {
    let (mut env, server) = (TestEnv::with_database().await, S3::start());
    let bucket = S3::environment(&server.url());
    let settings: Vec<(&str, &str)> = bucket.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let settings = with_keys(&settings);
    let (one, two) = tokio::join!(env.replica("one", &settings), env.replica("two", &settings));
    env.model.script([Reply::HangBeforeHeaders, Reply::HangBeforeHeaders]);
    for (service, run) in [(&one, "run-1"), (&two, "run-2")] {
        assert_eq!(post(service, CLIENT, &env.request(run)).await.0, 202);
    }
    eventually("the model is asked", async || env.model.calls() == 2).await;
    env.postgres().stop(Stop::Fast);
    for (service, run) in [(&two, "run-2"), (&one, "run-1")] {
        let path = format!("/api/pipeline/{run}/cancel");
        eventually("the cancellation", async || {
            wanted(ask(service, CLIENT, "POST", &path).await, |(code, _)| *code == 200)
        })
        .await;
    }
    let waiting = server.names("outputs/.audit/");
    assert_eq!(waiting.len(), 2, "{waiting:?}");
    for service in [&one, &two] {
        let (_, page) = ask(service, ADMIN, "GET", "/api/admin/audit").await;
        let targets: Vec<_> = page["records"].as_array().unwrap().iter().map(|one| &one["target"]).collect();
        assert_eq!(targets, ["run-1", "run-2"], "the newest first");
    }
    env.postgres().start_again();
    let imported = r#"SELECT string_agg("target", ' ' ORDER BY "at", "id") || count("importedAt") FROM "innovation"."AuditRecord""#;
    env.wait_for_value(imported, "run-2 run-12").await;
    eventually("the files are gone", async || server.names("outputs/.audit/").is_empty()).await;
    assert_eq!(env.value(imported).await, "run-2 run-12");
}

#[tokio::test]
async fn retention_removes_old_records_and_nothing_else() {
    let env = TestEnv::with_database().await;
    let folder = env.folder.path().join("data/test-outputs/.audit");
    std::fs::create_dir_all(&folder).unwrap();
    let insert = |id: &str, days: u32| {
        format!(
            r#"INSERT INTO "innovation"."AuditRecord" ("id", "at", "actor", "role", "action", "target")
               VALUES ('{id}', now() - interval '{days} days', 'a', 'admin', 'run.cancel', 'r')"#
        )
    };
    for (id, days) in [("database-old", 31), ("database-new", 29)] {
        env.query(&insert(id, days)).await;
        let at = env
            .value(&format!(
                r#"SELECT to_jsonb("at")#>>'{{}}' FROM "innovation"."AuditRecord" WHERE "id" = '{id}'"#
            ))
            .await;
        let id = id.replace("database", "file");
        let record = json!({ "id": id, "at": at, "actor": "a", "role": "admin", "action": "run.cancel", "target": "r" });
        std::fs::write(folder.join(format!("{id}.json")), record.to_string()).unwrap();
    }
    let flag_change = r#"INSERT INTO "innovation"."FlagChange" ("revision", "key", "actor", "reason", "at")
                         VALUES (1, 'OPERATIONS_PAUSE_CLAIMS', 'a', 'r', now() - interval '900 days')"#;
    env.query(flag_change).await;
    let _service = env.serve(&[("AUDIT_RETENTION_DAYS", "30")]).await;
    let left = r#"SELECT string_agg("id", ' ' ORDER BY "id") FROM "innovation"."AuditRecord""#;
    env.wait_for_value(left, "database-new file-new").await;
    eventually("the files are gone", async || std::fs::read_dir(&folder).unwrap().next().is_none()).await;
    assert_eq!(env.value(r#"SELECT count(*)::text FROM "innovation"."FlagChange""#).await, "1");
}
