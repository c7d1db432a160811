//! Which deployments are judged, and after which faults the platform goes back.

use serde_json::{Value, json};
use storage::control_plane::Deployment;

use super::{action::why_no_rollback, arbiter::is_open, rules::Fault, watched::has_never_served};

fn deployment(changes: &Value) -> Deployment {
    let mut all = json!({
        "id": "d-1", "environment": "production", "service": "s", "version": "1", "commitSha": "c", "errorCount": 0,
        "startedAt": "2026-12-02T10:00:00Z", "status": "in_progress", "deploymentMetadata": {},
    });
    all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    serde_json::from_value(all).unwrap()
}

fn served() -> Deployment {
    deployment(&json!({"completedAt": "2026-12-02T10:01:00Z"}))
}

#[test]
fn a_deployment_that_was_taken_back_is_not_judged() {
    assert!(is_open(&served()));
    assert!(!is_open(&deployment(&json!({"status": "rolled_back", "rolledBackTo": "d-0"}))));
    assert!(is_open(&deployment(&json!({"verdict": "failing"}))), "its action is still to be done");
}

#[test]
fn a_success_by_hand_is_no_crash() {
    assert!(has_never_served(&deployment(&json!({}))));
    assert!(has_never_served(&deployment(&json!({"status": "failed"}))));
    assert!(!has_never_served(&deployment(&json!({"status": "success"}))));
    assert!(!has_never_served(&served()));
}

#[test]
fn a_rollback_that_helps_nobody_is_not_done() {
    let crashed = deployment(&json!({}));
    assert!(why_no_rollback(&crashed, Fault::Crash).is_some(), "the one before still serves");
    assert_eq!(why_no_rollback(&served(), Fault::Crash), None);
    for fault in [Fault::DatabaseLost, Fault::ModelLost] {
        assert!(why_no_rollback(&served(), fault).is_some(), "{fault:?}");
    }
    for fault in [Fault::Storage, Fault::Service] {
        assert_eq!(why_no_rollback(&served(), fault), None, "{fault:?}");
    }
}
