//! Keys of the database: made, used, rotated, revoked, and known while the database is away.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{ADMIN_KEY, KEYS, ask, keys, text};
use crate::support::{
    innovation,
    postgres::Stop,
    service::{Service, TestEnv},
    stderr,
    wait::{eventually, wanted},
};

/// The answer to a key that asks for a run that does not exist.
async fn code(service: &Service, key: &str) -> (u16, String) {
    let answer = ask(service, key, "GET", "/status/nobody", None).await;
    (answer.status, answer.code().1.to_owned())
}

const ACCEPTED: (u16, &str) = (404, "run_not_found");

async fn until(service: &Service, key: &str, code: (u16, &str)) {
    eventually("the key", async || wanted(self::code(service, key).await, |got| (got.0, &*got.1) == code))
        .await;
}

#[tokio::test]
async fn a_key_opens_and_closes_every_replica() {
    let env = TestEnv::with_database().await;
    let (one, two) = tokio::join!(env.replica("one", &KEYS), env.replica("two", &KEYS));
    let made = keys(&env, &["create", "--name", "Team A", "--role", "client", "--runs-per-minute", "7"]);
    let (key, id) = (text(&made, "key"), text(&made, "id"));
    let listed = keys(&env, &["list"]);
    for field in ["id", "name", "role", "principal", "runs_per_minute"] {
        assert_eq!(listed["keys"][0][field], made[field], "{field}");
    }
    assert!(!listed.to_string().contains(key));
    until(&one, key, ACCEPTED).await;
    until(&two, key, ACCEPTED).await;
    let rights = ask(&one, key, "GET", "/api/admin/keys", None).await;
    assert_eq!(rights.code(), (403, "insufficient_role"));

    let body = json!({"grace_seconds": 60, "reason": "a lost laptop"});
    let rotated = ask(&one, ADMIN_KEY, "POST", &format!("/api/admin/keys/{id}/rotate"), Some(body)).await;
    assert_eq!(rotated.status, 201, "{:?}", rotated.body);
    let next = text(&rotated.body, "key");
    for field in ["name", "role", "principal", "runs_per_minute"] {
        assert_eq!(rotated.body[field], made[field], "{field}");
    }
    assert_eq!(
        (rotated.body["rotated_from"].as_str(), code(&one, key).await.0),
        (Some(id), 404),
        "in its grace"
    );
    until(&two, next, ACCEPTED).await;

    let path = format!("/api/admin/keys/{}?reason=left", text(&rotated.body, "id"));
    let begun = Instant::now();
    assert_eq!(ask(&one, ADMIN_KEY, "DELETE", &path, None).await.status, 204);
    for (method, path, status) in
        [("DELETE", "/api/admin/keys/a%00b", 404), ("GET", "/api/admin/audit?before=1.%00", 200)]
    {
        assert_eq!(ask(&one, ADMIN_KEY, method, path, None).await.status, status, "PostgreSQL has no NUL");
    }
    assert_eq!(code(&one, next).await.1, "invalid_api_key", "at once where it was asked for");
    until(&two, next, (403, "invalid_api_key")).await;
    assert!(begun.elapsed() < Duration::from_millis(2_500), "{:?}", begun.elapsed());

    assert_eq!(keys(&env, &["list"])["keys"].as_array().unwrap().len(), 1, "the old key has some grace");
    let all = keys(&env, &["list", "--all"]);
    let revoked: Vec<_> = all["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| (&key["id"], key["revoked_at"].is_string()))
        .collect();
    assert!(revoked.contains(&(&rotated.body["id"], true)), "{all}");

    let rows = env
        .query(r#"SELECT "action", "actor", "address" IS NOT NULL, COALESCE("reason", '') FROM "innovation"."AuditRecord" ORDER BY "id""#)
        .await;
    let rows: Vec<Vec<&str>> =
        rows.iter().map(|row| row.iter().map(|value| value.as_deref().unwrap()).collect()).collect();
    let expected = [
        ["key.create", "command", "f", ""],
        ["key.rotate", "environment", "t", "a lost laptop"],
        ["key.revoke", "environment", "t", "left"],
    ];
    assert_eq!(rows, expected);
    let stored = env.value(r#"SELECT string_agg(k::text, ' ') FROM "innovation"."ApiKey" k"#).await;
    let audited = env.value(r#"SELECT string_agg(a::text, ' ') FROM "innovation"."AuditRecord" a"#).await;
    for secret in [key, next] {
        let logs = one.log() + &two.log();
        assert!(![&stored, &audited, &logs].iter().any(|text| text.contains(secret)));
    }
    let digest = pipeline::record::sha256_hex(key.as_bytes());
    assert!(stored.contains(&digest) && !audited.contains(&digest));
}

#[tokio::test]
async fn a_race_of_revocations_leaves_an_admin() {
    let env = TestEnv::with_database().await;
    let service = env.serve(&KEYS).await;
    let admins: Vec<_> =
        (0..6).map(|n| keys(&env, &["create", "--name", &format!("admin-{n}"), "--role", "admin"])).collect();
    let brief = keys(&env, &["create", "--name", "brief", "--role", "admin", "--expires", "1h"]);
    until(&service, text(&brief, "key"), ACCEPTED).await;
    let own = ask(
        &service,
        text(&admins[0], "key"),
        "DELETE",
        &format!("/api/admin/keys/{}", text(&admins[0], "id")),
        None,
    )
    .await;
    assert_eq!(own.code(), (409, "key_in_use"));

    let revocations = admins.iter().map(|admin| {
        let path = format!("/api/admin/keys/{}", text(admin, "id"));
        let service = &service;
        async move { ask(service, ADMIN_KEY, "DELETE", &path, None).await }
    });
    let answers = futures_util::future::join_all(revocations).await;
    let mut codes: Vec<_> = answers.iter().map(|answer| answer.code()).collect();
    codes.sort_unstable();
    assert_eq!(codes, [[(204, ""); 5].as_slice(), &[(409, "last_admin_key")]].concat());
    let left = r#"SELECT count(*)::text FROM "innovation"."ApiKey" WHERE "revokedAt" IS NULL AND "expiresAt" IS NULL"#;
    assert_eq!(env.value(left).await, "1");
    let audited = r#"SELECT count(*)::text FROM "innovation"."AuditRecord" WHERE "action" = 'key.revoke'"#;
    assert_eq!(env.value(audited).await, "5");

    let last = env
        .value(r#"SELECT "id" FROM "innovation"."ApiKey" WHERE "revokedAt" IS NULL AND "expiresAt" IS NULL"#)
        .await;
    let mut shorten = innovation(&["keys", "rotate", &last, "--expires", "1h", "--json"]);
    let output = shorten.env("DATABASE_URL", env.database_url()).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "its successor would end today: {}", stderr(&output));
    assert_eq!(env.value(left).await, "1");

    let mut command = innovation(&["keys", "revoke", text(&brief, "id"), "--json"]);
    let output = command.env("DATABASE_URL", env.database_url()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "one that ends today anyway is not the last one");
}

#[tokio::test]
async fn cached_keys_open_a_start_without_database() {
    let mut env = TestEnv::with_database().await;
    let cached = [&KEYS[..], &[("KEY_CACHE_SECRET", "cache-secret-0123456789")]].concat();
    let made = keys(&env, &["create", "--name", "team", "--role", "client"]);
    let boss = keys(&env, &["create", "--name", "boss", "--role", "admin"]);
    let gone = keys(&env, &["create", "--name", "gone", "--role", "client"]);
    keys(&env, &["revoke", text(&gone, "id")]);
    let before = env.serve(&cached).await;
    until(&before, text(&made, "key"), ACCEPTED).await;
    let file = env.folder.path().join("data/test-outputs/.keys/cache");
    eventually("the cache", async || file.exists()).await;
    drop(before);
    env.postgres().stop(Stop::Immediate);

    let service = env.serve(&cached).await;
    let answer = async |key: &str| ask(&service, key, "GET", "/api/admin/keys", None).await;
    service.wait_for_event("cached_keys_taken").await;
    assert_eq!(answer(text(&made, "key")).await.code(), (403, "insufficient_role"));
    assert_eq!(answer(text(&boss, "key")).await.code(), (503, "keys_unavailable"));
    assert_eq!(answer(ADMIN_KEY).await.code(), (503, "storage_unavailable"));
    assert_eq!(answer(text(&gone, "key")).await.code(), (403, "invalid_api_key"));

    let without_cache = env.serve(&KEYS).await;
    assert_eq!(code(&without_cache, text(&made, "key")).await, (503, "keys_unavailable".to_owned()));

    env.postgres().start_again();
    eventually("the boss", async || answer(text(&boss, "key")).await.status == 200).await;
    let used = format!(
        r#"SELECT ("lastUsedAt" IS NOT NULL)::text FROM "innovation"."ApiKey" WHERE "id" = '{}'"#,
        text(&boss, "id")
    );
    env.wait_for_value(&used, "true").await;
}
