//! Which deployments are judged, and after which faults the platform goes back.

use serde_json::{Value, json};
use storage::control_plane::Deployment;

use super::{
    action::why_no_rollback,
    arbiter::is_open,
    candidates::{healthy_mode, last_good},
    rules::Fault,
    watched::has_never_served,
};

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

#[test]
fn flags_go_back_to_a_healthy_mode_alone() {
    let earlier = |id: &str, hour: u32, verdict: &str, mode: &str| {
        deployment(&json!({
            "id": id, "commitSha": id, "status": "success", "verdict": verdict, "mode": mode,
            "startedAt": format!("2026-12-02T{hour:02}:00:00Z"),
        }))
    };
    let quiet = earlier("d-0", 9, "inconclusive", "FILE_ONLY");
    let now = served();
    let listed = [now.clone(), quiet.clone()];
    assert_eq!(healthy_mode(&listed, &now), None);
    assert_eq!(last_good(&listed, &now).map(|known| known.id.as_str()), Some("d-0"), "the platform may");
    let listed = [now.clone(), quiet, earlier("d-9", 8, "healthy", "DUAL_WRITE")];
    assert_eq!(healthy_mode(&listed, &now).as_deref(), Some("DUAL_WRITE"));
    assert_eq!(last_good(&listed, &now).map(|known| known.id.as_str()), Some("d-9"));
}
