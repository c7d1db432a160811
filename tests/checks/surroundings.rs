//! Everything around the service: files, brands, model, receiver, replicas.

use super::{next, report, type_next};
use crate::support::service::TestEnv;

/// Nothing listens there.
const CLOSED: &str = "http://127.0.0.1:1";

#[tokio::test]
async fn broken_surroundings_fail_one_by_one() {
    let env = TestEnv::files_only().await;
    let base = env.folder.path().join("elsewhere");
    let profiles = base.join("data/brand-profiles");
    std::fs::create_dir_all(&profiles).unwrap();
    std::fs::write(profiles.join("acme.yaml"), "brand_id: 7").unwrap();
    std::fs::write(base.join("data/test-outputs"), "no folder").unwrap();
    let broken = [
        ("APP_BASE_DIR", base.to_str().unwrap()),
        ("OPENROUTER_BASE_URL", CLOSED),
        ("FRONTEND_WEBHOOK_URL", CLOSED),
    ];
    let seen = report(&env, &broken, "doctor");
    assert_eq!(seen.code, Some(1));
    for id in ["brands", "files", "model-endpoint", "webhook-receiver", "database"] {
        assert_eq!(seen.verdict(id), "fail", "{}", seen.check(id));
    }
    let whole = report(&env, &[("ENABLE_DATABASE_WRITES", "false")], "doctor");
    assert_eq!(whole.ids("fail"), Vec::<&str>::new());
    assert_eq!(env.model.requests().len(), 0, "no call that costs something");
}

#[tokio::test]
async fn a_wrong_environment_is_told_completely() {
    let env = TestEnv::files_only().await;
    let seen = report(&env, &[("PORT", "eighty"), ("LEASE_SECONDS", "soon")], "doctor");
    assert_eq!((seen.code, seen.verdict("configuration")), (Some(1), "fail"));
    let lines = seen.check("configuration")["next"].as_array().unwrap();
    assert!(lines.len() == 2 && lines.iter().any(|line| line == "PORT=8000"), "{lines:?}");
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
    type_next(&env, &[], before.check("unsynced"));
    assert_eq!(report(&env, &[], "doctor").verdict("unsynced"), "ok");
    assert_eq!(report(&env, &deployed, "doctor").verdict("durability-forecast"), "ok");
    let _service = env.serve(&[]).await;
    env.wait_for_value(r#"SELECT count(*)::text FROM "Replica""#, "1").await;
    let healthy = report(&env, &[], "doctor --strict");
    assert_eq!((healthy.ids("fail"), healthy.verdict("replicas")), (Vec::new(), "ok"));
}
