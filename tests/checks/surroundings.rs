//! Everything around the service: files, brands, model, receiver, replicas.

use super::{Running, next, report, report_with_lines, type_next, until};
use crate::support::{
    origin::{Answer, Origin},
    postgres::Postgres,
    proxy::connect_proxy,
    receiver::Receiver,
    root,
    service::TestEnv,
};

/// Nothing listens there.
const CLOSED: &str = "http://127.0.0.1:1";

/// The servers answer while a command blocks the test.
#[tokio::test(flavor = "multi_thread")]
async fn broken_surroundings_are_repaired_by_their_lines() {
    let env = TestEnv::files_only().await;
    let base = env.folder.path().join("else where");
    let profiles = base.join("data/brand-profiles");
    std::fs::create_dir_all(&profiles).unwrap();
    let valid = root().join("data/brand-profiles/decathlon.yaml");
    std::fs::copy(valid, profiles.join("decathlon.yaml")).unwrap();
    std::fs::write(profiles.join("acme.yaml"), "brand_id: 7").unwrap();
    std::fs::write(base.join("data/test-outputs"), "no folder").unwrap();
    // The printed line leads to the real name of the endpoint. The system's proxy leads on from there.
    let endpoint = Origin::start(|_, _| Answer::new("401 Unauthorized", "", "{}")).await;
    let proxy = connect_proxy("openrouter.ai:443", format!("127.0.0.1:{}", endpoint.port())).await;
    let broken = [
        ("APP_BASE_DIR", base.to_str().unwrap()),
        ("OPENROUTER_BASE_URL", CLOSED),
        ("FRONTEND_WEBHOOK_URL", CLOSED),
        ("EXTRA_CA_FILE", endpoint.authority.path().to_str().unwrap()),
        ("HTTPS_PROXY", &proxy),
    ];
    let seen = report(&env, &broken, "doctor");
    assert_eq!(seen.code, Some(1));
    for id in ["brands", "files", "model-endpoint", "webhook-receiver", "database"] {
        assert_eq!(seen.verdict(id), "fail", "{}", seen.check(id));
    }
    let typable = ["brands", "files", "model-endpoint"];
    let repaired = report_with_lines(&seen, &typable, &env, &broken, "doctor");
    for id in typable {
        assert_eq!(repaired.verdict(id), "ok", "{}", repaired.check(id));
    }
    assert_eq!(endpoint.asked().len(), 1);
    // Only the operator knows these addresses.
    let (receiver, postgres) = (Receiver::start().await, Postgres::start());
    let (database, receiver) = (postgres.url(), receiver.url());
    let addresses = [("webhook-receiver", &receiver), ("database", &database)];
    let mut settings = broken.to_vec();
    for (id, address) in addresses {
        let (name, _) = next(seen.check(id)).split_once('=').unwrap();
        settings.push((name, address));
    }
    let repaired = report(&env, &settings, "doctor");
    for (id, _) in addresses {
        assert_eq!(repaired.verdict(id), "ok", "{}", repaired.check(id));
    }
    let nowhere = [("APP_BASE_DIR", "/nowhere"), ("ENABLE_DATABASE_WRITES", "false")];
    let seen = report(&env, &nowhere, "doctor");
    assert_eq!(seen.verdict("brands"), "fail");
    let here = report_with_lines(&seen, &["brands"], &env, &nowhere, "doctor");
    assert_eq!(here.ids("fail"), Vec::<&str>::new(), "{}", here.body);
    assert_eq!(env.model.requests().len(), 0, "no call that costs something");
}

#[tokio::test]
async fn a_wrong_environment_is_repaired_by_its_lines() {
    let env = TestEnv::files_only().await;
    let short = ("WEBHOOK_SIGNING_SECRETS", "whsec_c2hvcnQ=");
    let unreadable = [("PORT", "eighty"), ("LEASE_SECONDS", "soon"), short];
    // A service demands more than a command.
    let weak = [
        ("ENVIRONMENT", "staging"),
        ("ENABLE_DATABASE_WRITES", "false"),
        ("ANALYST", "extractive"),
        ("ADMIN_SECRET", "guess-me"),
    ];
    for (wrong, count) in [(&unreadable[..], 3), (&weak[..], 2)] {
        let seen = report(&env, wrong, "doctor");
        assert_eq!((seen.code, seen.verdict("configuration")), (Some(1), "fail"));
        let lines = seen.check("configuration")["next"].as_array().unwrap();
        assert_eq!(lines.len(), count, "{lines:?}");
        let repaired = report_with_lines(&seen, &["configuration"], &env, wrong, "doctor");
        assert_eq!(repaired.verdict("configuration"), "ok", "{}", repaired.check("configuration"));
    }
}

/// The replica answers while a command blocks the test.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_is_started_by_the_line() {
    let env = TestEnv::with_database().await;
    let seen = report(&env, &[], "doctor");
    assert_eq!(seen.verdict("replicas"), "fail", "{}", seen.check("replicas"));
    let _service = Running::start(&env, &[], next(seen.check("replicas")));
    until(&env, "replicas", "ok").await;
    let address = env.database_url();
    let closed = format!("{}:1/postgres", address.rsplit_once(':').unwrap().0);
    let away = report(&env, &[("DATABASE_URL", &closed)], "doctor");
    assert_eq!(away.verdict("database"), "fail", "{}", away.check("database"));
    let (name, _) = next(away.check("database")).split_once('=').unwrap();
    assert_eq!(report(&env, &[(name, &address)], "doctor").verdict("database"), "ok");
}

#[tokio::test]
async fn an_unsynced_run_is_repaired_by_reconcile() {
    let env = TestEnv::with_database().await;
    let mut service = env.serve(&[("ENABLE_DATABASE_WRITES", "false")]).await;
    service.submit(&env.request("by-file")).await;
    assert_eq!(service.ended("by-file").await["status"], "complete");
    service.kill();
    let before = report(&env, &[], "doctor");
    assert_eq!(before.verdict("unsynced"), "fail", "{}", before.check("unsynced"));
    // On a container's disk the same run would be gone with the next deploy.
    let deployed =
        [("ENVIRONMENT", "staging"), ("ANALYST", "extractive"), ("BLOB_ALLOW_PRIVATE_NETWORK", "false")];
    let container = report(&env, &deployed, "doctor");
    assert_eq!(container.verdict("durability-forecast"), "fail");
    assert_eq!(next(container.check("durability-forecast")), next(before.check("unsynced")));
    assert!(report(&env, &deployed, "gate").ids("fail").contains(&"durability-forecast"));
    type_next(&env, &[], before.check("unsynced"));
    assert_eq!(report(&env, &[], "doctor").verdict("unsynced"), "ok");
    assert_eq!(report(&env, &deployed, "doctor").verdict("durability-forecast"), "ok");
    let _service = env.serve(&[]).await;
    env.wait_for_value(r#"SELECT count(*)::text FROM "Replica""#, "1").await;
    let healthy = report(&env, &[], "doctor --strict");
    assert_eq!((healthy.ids("fail"), healthy.verdict("replicas")), (Vec::new(), "ok"));
}
