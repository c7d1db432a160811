//! schemathesis asks the running service everything that its description allows, and much that it does not.

use std::process::Command;

use serde_json::json;

use super::{KEY, complete, service};
use crate::support::root;

const RUN_ID: &str = "complete";

/// By turns: a deletion would be the end of the run that the others ask about.
const TURNS: [&str; 2] = ["--exclude-operation-id", "--include-operation-id"];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: make test-long"]
async fn the_service_keeps_to_its_description() {
    let program = root().join("target/schemathesis/bin/schemathesis");
    assert!(program.exists(), "schemathesis is missing: run `make setup`");
    let (env, service) = service().await;
    complete(&env, &service, RUN_ID).await;
    let folder = tempfile::tempdir().unwrap();
    for turn in TURNS {
        let output = Command::new(&program)
            .arg("--config-file")
            .arg(root().join("tests/support/schemathesis/schemathesis.toml"))
            .args(["run", turn, "deleteRun"])
            .arg(format!("http://127.0.0.1:{}/openapi.json", service.port))
            .current_dir(folder.path())
            .env("API_KEY", KEY)
            .env("RUN_ID", RUN_ID)
            .output()
            .unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{out}{err}\n{}", service.log());
        // It has changed the mode, too.
        let order = json!({"to": "DUAL_WRITE", "reason": "the next turn", "force": true});
        let key = [("x-api-key", KEY)];
        let changed = service.send("POST", "/api/admin/emergency-rollback", &order, &key).await;
        assert_eq!(changed.status, 200, "{:?}", changed.body);
        service.wait_for_path("/health", |_, health| health["status"] == "healthy").await;
    }
    // The service still works after all requests.
    let health = service.get("/health").await.unwrap();
    assert_eq!((health.0, &health.1["status"]), (200, &json!("healthy")), "{}", service.log());
}
