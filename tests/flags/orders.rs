//! The emergency rollback, with the database and without it.

use serde_json::{Value, json};

use super::{flag, flags, flags_json, send, wait_for_flag};
use crate::{
    alerts::{self, FAST},
    control_plane::{ADMIN_KEY, KEYS, ask},
    support::{
        postgres::Stop,
        proxy::Proxy,
        service::TestEnv,
        stderr,
        wait::{eventually, wanted},
    },
};

const WRITES: &str = "ENABLE_DATABASE_WRITES";
const SECRET: (&str, &str) = ("ADMIN_SECRET", "0123456789abcdef-of-the-test");
const ROLLBACK: [&str; 6] = ["rollback", "--to", "FILE_ONLY", "--reason", "a test", "--json"];

#[tokio::test]
async fn a_mode_that_stops_acceptance_takes_force() {
    let env = TestEnv::with_database().await;
    let (one, two) = tokio::join!(env.replica("one", &[]), env.replica("two", &[]));
    let refused = flags(&env, &ROLLBACK, &[]).await;
    assert_eq!(refused.status.code(), Some(1), "{}", stderr(&refused));
    assert!(stderr(&refused).matches("will accept NO run").count() == 2, "{}", stderr(&refused));
    assert_eq!(flag(&one, WRITES).await["value"], true);
    let body = json!({"to": "FILE_ONLY", "reason": "a test"});
    let answer = send(&two, "POST", "/api/admin/emergency-rollback", &body).await;
    assert_eq!(answer.code(), (409, "rollback_refused"), "{}", answer.body);
    let forced = json!({"to": "FILE_ONLY", "reason": "a test", "force": true});
    let answer = send(&two, "POST", "/api/admin/emergency-rollback", &forced).await;
    assert_eq!((answer.status, &answer.body["acknowledged"]), (200, &json!(true)), "{}", answer.body);
    assert_eq!(answer.body["replicas"].as_array().unwrap().len(), 2);
    for service in [&one, &two] {
        wait_for_flag(service, WRITES, json!(false), "database").await;
    }
    // The way back goes through the database too, although no replica uses it for runs.
    let back = flags_json(&env, &["rollback", "--to", "DUAL_WRITE", "--reason", "a test"]).await;
    assert_eq!(back["acknowledged"], true, "{back}");
}

#[tokio::test]
async fn ephemeral_disks_alone_keep_no_outputs() {
    let env = TestEnv::with_database().await;
    // A deployment of one replica, which accepts runs by its own files.
    let deployed = [
        ("ENVIRONMENT", "staging"),
        ("ANALYST", "extractive"),
        ("SINGLE_REPLICA", "true"),
        ("DATABASE_URL", &env.database_url()),
    ];
    let service = env.serve(&[&deployed[..], &KEYS].concat()).await;
    let plan = async |environment: &[(&str, &str)]| {
        let output = flags(&env, &[&ROLLBACK[..], &["--dry-run"]].concat(), environment).await;
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code(), told["plan"].clone())
    };
    let (code, planned) = plan(&deployed).await;
    let replicas = planned["replicas"].as_array().unwrap();
    assert!(!replicas.is_empty() && replicas.iter().all(|replica| replica["accepts"] == true), "{planned}");
    assert_eq!((code, planned["objections"].as_array().unwrap().len()), (Some(1), 1), "{planned}");
    let refused = flags(&env, &ROLLBACK, &deployed).await;
    assert_eq!(refused.status.code(), Some(1), "{}", stderr(&refused));
    let rollback = "/api/admin/emergency-rollback";
    let mut body = json!({"to": "FILE_ONLY", "reason": "a test"});
    let refused = ask(&service, ADMIN_KEY, "POST", rollback, Some(body.clone())).await;
    assert_eq!(refused.code(), (409, "rollback_refused"), "{}", refused.body);
    body["force"] = json!(true);
    let forced = ask(&service, ADMIN_KEY, "POST", rollback, Some(body)).await;
    assert_eq!((forced.status, &forced.body["acknowledged"]), (200, &json!(true)), "{}", forced.body);
    // On a volume they outlive the container.
    let volume = ("RAILWAY_VOLUME_MOUNT_PATH", env.folder.path().to_str().unwrap());
    let (code, planned) = plan(&[&deployed[..], &[volume]].concat()).await;
    assert_eq!((code, &planned["objections"]), (Some(0), &json!([])), "{planned}");
}

#[tokio::test]
async fn an_order_is_imported_once() {
    let mut env = TestEnv::with_database().await;
    let service = env.serve(&[SECRET]).await;
    let other = env.replica("other", &[SECRET, ("SINGLE_REPLICA", "true")]).await;
    eventually("both are known", async || {
        let listing = service.call("GET", "/api/admin/flags").await.body;
        wanted(listing, |listing| listing["replicas"].as_array().is_some_and(|all| all.len() == 2))
    })
    .await;
    env.postgres().stop(Stop::Immediate);
    let without = flags(&env, &ROLLBACK, &[]).await;
    assert_eq!(without.status.code(), Some(1), "without a secret there is no order: {}", stderr(&without));
    let orders = env.folder.path().join("data/test-outputs/.flags/orders");
    std::fs::create_dir_all(&orders).unwrap();
    std::fs::write(orders.join("forged"), r#"{"order": "{}", "signature": "00"}"#).unwrap();
    service.wait_for_event("flag_order_refused").await;
    let refused = flags(&env, &ROLLBACK, &[SECRET]).await;
    assert_eq!(refused.status.code(), Some(1), "two replicas on disks of their own: {}", stderr(&refused));
    let given = flags(&env, &[&ROLLBACK[..], &["--force"]].concat(), &[SECRET]).await;
    assert_eq!(given.status.code(), Some(1), "one has not followed: {}", stderr(&given));
    let report: Value = serde_json::from_slice(&given.stdout).unwrap();
    assert!(report["order_id"].is_string() && report["acknowledged"] == false, "{report}");
    let followed: Vec<_> = report["replicas"]
        .as_array()
        .unwrap()
        .iter()
        .map(|replica| replica["acknowledged"] == true)
        .collect();
    assert_eq!(followed.iter().filter(|followed| **followed).count(), 1, "{report}");
    assert_eq!(followed.len(), 2, "{report}");
    assert_eq!(flag(&service, WRITES).await["source"], "order");
    assert_eq!(flag(&other, WRITES).await["value"], true, "it has a disk of its own");
    let (_, log, _) = crate::ownership::command(&env, &["audit", "log"]);
    let is_order =
        |record: &Value| record["action"] == "flag.order" && record["target"] == report["order_id"];
    assert!(log.iter().any(is_order), "{log:?}");
    env.postgres().start_again();
    for service in [&service, &other] {
        wait_for_flag(service, WRITES, json!(false), "database").await;
    }
    let imported = format!(
        r#"SELECT count(*) || ' ' || count(DISTINCT "revision") || ' ' || (SELECT count("importedAt") FROM "innovation"."AuditRecord")
           FROM "innovation"."FlagChange" WHERE "orderId" = '{}'"#,
        report["order_id"].as_str().unwrap()
    );
    assert_eq!(env.value(&imported).await, "2 2 2");
    eventually("the order has gone", async || {
        let listing = service.call("GET", "/api/admin/flags").await.body;
        wanted(listing, |listing| listing["order_id"].is_null())
    })
    .await;
}

#[tokio::test]
async fn a_person_settles_a_contradicted_order() {
    let env = TestEnv::with_database().await;
    let (mut proxy, through) = Proxy::before(&env.database_url()).await;
    let service = env.serve(&[&FAST[..], &[SECRET, ("DATABASE_URL", through.as_str())]].concat()).await;
    proxy.refuse().await;
    let body = json!({"to": "FILE_ONLY", "reason": "a test"});
    let answer = send(&service, "POST", "/api/admin/emergency-rollback", &body).await;
    assert_eq!((answer.status, &answer.body["acknowledged"]), (200, &json!(true)), "{}", answer.body);
    let order = answer.body["order_id"].as_str().unwrap().to_owned();
    // Somebody with a way to the database keeps writing to it alone, and does not know of the order.
    let change = ["set", "ENABLE_FILE_FALLBACK", "false", "--reason", "another mind"];
    let output = flags(&env, &change, &[]).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    proxy.mend().await;
    service.wait_for_event("flag_order_conflict").await;
    let health = service.call("GET", "/health").await.body;
    assert_eq!(health["degraded_reasons"], json!(["flags"]), "{health}");
    assert_eq!(flag(&service, WRITES).await["source"], "order", "it holds until somebody decides");
    alerts::wait_for(&service, "flags-alarm", "firing").await;
    let settle = ["settle", &order, "--keep", "database", "--reason", "a test", "--wait", "--json"];
    let settled = flags(&env, &settle, &[SECRET]).await;
    assert_eq!(settled.status.code(), Some(0), "{}", stderr(&settled));
    // The database has no value of this one.
    wait_for_flag(&service, WRITES, json!(true), "default").await;
    wait_for_flag(&service, "ENABLE_FILE_FALLBACK", json!(false), "database").await;
    alerts::wait_for(&service, "flags-alarm", "resolved").await;
}
