//! Every change of a run by a person leaves a record, also while the database is away.

use serde_json::Value;

use super::{ADMIN, CLIENT, ask, command, ended, post, with_keys};
use crate::support::{
    openrouter::Reply,
    postgres::Stop,
    service::{DUAL_WRITE, TestEnv},
    wait::eventually,
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
