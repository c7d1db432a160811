//! Whose answers a run may use, and when they go.

use serde_json::{Value, json};

use super::{BRANDS, ON, complete, meta, request, stored};
use crate::{
    control_plane::{CLIENT_KEY, KEYS},
    support::{
        assert_ok, innovation,
        service::TestEnv,
        wait::{eventually, wanted},
    },
};

#[tokio::test]
async fn another_owner_pays_its_own() {
    let env = TestEnv::with_database().await;
    let mut create = innovation(&["keys", "create", "--name", "other", "--role", "client", "--json"]);
    let created = create.env("DATABASE_URL", env.database_url()).output().unwrap();
    assert_ok(&created);
    let created: Value = serde_json::from_slice(&created.stdout).unwrap();
    let service = env.serve(&[&KEYS[..], &[ON]].concat()).await;
    for (run, key) in [("ours", CLIENT_KEY), ("theirs", created["key"].as_str().unwrap())] {
        let header = format!("Bearer {key}");
        let body = request(&env, run, BRANDS[0]);
        // A key of the database is known after the first look.
        eventually("the key", async || {
            let answer = service.send("POST", "/run", &body, &[("authorization", &header)]).await;
            wanted(answer.status, |status| *status == 202)
        })
        .await;
        let status = format!(r#"SELECT "status"::text FROM "PipelineRun" WHERE "id" = '{run}'"#);
        env.wait_for_value(&status, "COMPLETED").await;
    }
    assert_eq!(env.model.paid(), 8);
    assert_eq!(meta(&env, "theirs", 1).await["reuse"], Value::Null);
}

#[tokio::test]
async fn answers_go_with_their_last_run() {
    let env = TestEnv::with_database().await;
    let service = env.serve(&[ON]).await;
    complete(&service, &request(&env, "first", BRANDS[0])).await;
    complete(&service, &request(&env, "second", BRANDS[1])).await;
    assert_eq!(stored(&env).await, "5");
    assert_eq!(service.call("DELETE", "/api/pipeline/first").await.status, 204);
    assert_eq!(stored(&env).await, "4", "three are shared, one is the second run's own");
    let user = ["forget", "--user", "user_2abc", "--yes"];
    assert_ok(
        &innovation(&user)
            .env("DATABASE_URL", env.database_url())
            .env("APP_BASE_DIR", env.folder.path())
            .output()
            .unwrap(),
    );
    assert_eq!(stored(&env).await, "0");
}

#[tokio::test]
async fn operators_count_and_purge_answers() {
    let env = TestEnv::with_database().await;
    let service = env.serve(&[ON]).await;
    complete(&service, &request(&env, "first", BRANDS[0])).await;
    let cache = |arguments: &[&str]| {
        let mut command = innovation(&["cache"]);
        let output =
            command.args(arguments).arg("--json").env("DATABASE_URL", env.database_url()).output().unwrap();
        assert_ok(&output);
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let owner = &cache(&["stats"])["owners"][0];
    assert_eq!(
        (&owner["principal"], &owner["answers"], &owner["uses"]),
        (&json!("environment"), &json!(4), &json!(4))
    );
    assert_eq!(cache(&["purge", "--older-than", "1d"]), json!({"purged": 0}));
    assert_eq!(cache(&["purge", "--principal", "other"]), json!({"purged": 0}));
    assert_eq!(cache(&["purge", "--principal", "environment"]), json!({"purged": 4}));
    let audited = r#"SELECT ("new"->>'purged') FROM "innovation"."AuditRecord"
        WHERE "action" = 'cache.purge' ORDER BY "id" DESC LIMIT 1"#;
    assert_eq!(env.value(audited).await, "4");
}
