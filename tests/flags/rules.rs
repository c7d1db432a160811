//! The limits of a change, and the answers of the interfaces.

use futures_util::future::join_all;
use serde_json::json;

use super::{PAUSE_ACCEPTANCE, flag, flags, flags_json, send, set, wait_for_flag};
use crate::support::{service::TestEnv, stderr};

#[tokio::test]
async fn one_of_many_changes_at_once_wins() {
    let env = TestEnv::with_database().await;
    let service = env.serve(&[]).await;
    let path = format!("/api/admin/flags/{PAUSE_ACCEPTANCE}");
    let body = |value, expected| json!({"value": value, "reason": "a test", "expected_revision": expected});
    let change = body(json!(true), 0);
    let answers = join_all((0..10).map(|_| send(&service, "PUT", &path, &change))).await;
    let won = answers.iter().filter(|answer| answer.status == 200).count();
    let lost = answers.iter().filter(|answer| answer.code() == (409, "flag_changed")).count();
    assert_eq!((won, lost), (1, 9), "{answers:?}");
    let other = "/api/admin/flags/PERFORMANCE_EXTRACTION_POOL";
    assert_eq!(
        send(&service, "PUT", other, &body(json!(50), 0)).await.status,
        200,
        "another flag is no obstacle"
    );
    let nul = json!({"value": 51, "reason": "a\u{0}b", "expected_revision": 2});
    assert_eq!(send(&service, "PUT", other, &nul).await.status, 200, "PostgreSQL stores no NUL");
    let reasons = r#"SELECT string_agg(concat_ws(' ', c."reason", a."reason"), ', ') FROM "innovation"."FlagChange" c
        JOIN "innovation"."AuditRecord" a ON a."new" = c."new" WHERE c."revision" = 3"#;
    assert_eq!(env.value(reasons).await, "ab ab");
    let stale = send(&service, "PUT", &path, &body(json!(false), 0)).await;
    assert_eq!(stale.code(), (409, "flag_changed"), "{}", stale.body);
    let made_up = send(&service, "PUT", &path, &body(json!(false), 99)).await;
    assert_eq!(made_up.code(), (409, "flag_changed"), "{}", made_up.body);
    let history = service.call("GET", &format!("{path}/history")).await.body;
    assert_eq!(history["changes"][0]["revision"], 1, "{history}");
    let gaps = r#"SELECT count(*)::text || max("revision") FROM "innovation"."FlagChange""#;
    assert_eq!(env.value(gaps).await, "33");
    for (wrong, code) in [
        (json!({"value": "yes", "reason": "a test", "expected_revision": 9}), "invalid_fields"),
        (json!({"value": true, "reason": " ", "expected_revision": 9}), "invalid_fields"),
        (json!({"reason": "a test"}), "invalid_fields"),
    ] {
        assert_eq!(send(&service, "PUT", &path, &wrong).await.code(), (422, code), "{wrong}");
    }
    let unknown = send(&service, "PUT", "/api/admin/flags/NONE", &body(json!(true), 0)).await;
    assert_eq!(unknown.code(), (404, "flag_not_found"));
}

#[tokio::test]
async fn nobody_switches_all_storage_off() {
    let env = TestEnv::with_database().await;
    let service = env.serve(&[]).await;
    set(&env, "ENABLE_FILE_FALLBACK", "false").await;
    wait_for_flag(&service, "ENABLE_FILE_FALLBACK", json!(false), "database").await;
    let off = json!({"value": false, "reason": "a test", "expected_revision": 1});
    let answer = send(&service, "PUT", "/api/admin/flags/ENABLE_DATABASE_WRITES", &off).await;
    assert_eq!(answer.code(), (409, "flags_invalid"), "{}", answer.body);
    let output = flags(&env, &["set", "ENABLE_DATABASE_WRITES", "false", "--reason", "a test"], &[]).await;
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let reverted = flags_json(&env, &["revert", "1", "--reason", "a test", "--wait"]).await;
    assert_eq!((&reverted["change"]["revision"], &reverted["change"]["new"]), (&json!(2), &json!(null)));
    wait_for_flag(&service, "ENABLE_FILE_FALLBACK", json!(true), "default").await;
    let again = flags(&env, &["revert", "1", "--reason", "a test"], &[]).await;
    assert_eq!(again.status.code(), Some(1), "it was changed since: {}", stderr(&again));
    assert_eq!(env.value(r#"SELECT max("revision")::text FROM "innovation"."FlagChange""#).await, "2");
}

#[tokio::test]
async fn other_clients_evaluate_by_the_protocol() {
    let env = TestEnv::with_database().await;
    let service = env.serve(&[]).await;
    let pool = "PERFORMANCE_EXTRACTION_POOL";
    set(&env, pool, "40").await;
    wait_for_flag(&service, pool, json!(40), "database").await;
    let one = format!("/ofrep/v1/evaluate/flags/{pool}");
    let mut on = 0;
    for number in 0..40 {
        let body = json!({"context": {"targetingKey": format!("run-{number}")}});
        let (first, second) =
            (send(&service, "POST", &one, &body).await.body, send(&service, "POST", &one, &body).await.body);
        assert_eq!((&first, &first["reason"]), (&second, &json!("SPLIT")), "it is sticky");
        on += usize::from(first["value"] == true);
    }
    assert!((4..36).contains(&on), "{on} of 40");
    let missing = send(&service, "POST", &one, &json!({"context": {}})).await;
    assert_eq!((missing.status, &missing.body["errorCode"]), (400, &json!("TARGETING_KEY_MISSING")));
    let unknown = send(&service, "POST", "/ofrep/v1/evaluate/flags/NONE", &json!({})).await;
    assert_eq!((unknown.status, &unknown.body["errorCode"]), (404, &json!("FLAG_NOT_FOUND")));
    let all = "/ofrep/v1/evaluate/flags";
    let context = json!({"context": {"targetingKey": "run-1"}});
    let bulk = send(&service, "POST", all, &context).await;
    let paused = bulk.body["flags"].as_array().unwrap().iter().find(|flag| flag["key"] == PAUSE_ACCEPTANCE);
    assert_eq!(
        paused.map(|flag| (&flag["value"], &flag["reason"], &flag["metadata"]["source"])),
        Some((&json!(false), &json!("STATIC"), &json!("default")))
    );
    let etag = bulk.header("etag").to_owned();
    let known = [("if-none-match", etag.as_str())];
    assert_eq!(service.send("POST", all, &context, &known).await.status, 304);
    let other = json!({"context": {"targetingKey": "run-2"}});
    assert_eq!(service.send("POST", all, &other, &known).await.status, 200, "the tag covers the context");
    set(&env, PAUSE_ACCEPTANCE, "true").await;
    wait_for_flag(&service, PAUSE_ACCEPTANCE, json!(true), "database").await;
    assert_eq!(service.send("POST", all, &context, &known).await.status, 200);
    assert_eq!(flag(&service, pool).await["kind"], "percentage");
}
