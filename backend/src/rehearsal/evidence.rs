//! The evidence of a rehearsal.

use pipeline::clock::Timestamp;
use serde_json::json;
use storage::control_plane::{AuditRecord, Evidence, Role};

use super::report::RehearsalReport;

/// The kind of evidence.
pub const KIND: &str = "rehearsal";

/// The evidence of a rehearsal by somebody at a shell, with its audit record.
#[must_use]
pub fn evidence_of(
    report: &RehearsalReport,
    at: Timestamp,
    deployment: Option<String>,
) -> (Evidence, AuditRecord) {
    let id = uuid::Uuid::now_v7().to_string();
    let audit = AuditRecord {
        id: uuid::Uuid::now_v7().to_string(),
        at,
        actor: "command".to_owned(),
        role: Role::Admin.to_string(),
        address: None,
        action: "rehearsal.run".to_owned(),
        target: id.clone(),
        old: None,
        new: Some(json!({ "passed": report.passed, "total_ms": report.total_ms, "runs": report.runs })),
        reason: None,
        request_id: None,
        deployment,
        imported_at: None,
    };
    let passed = report.passed;
    (Evidence { id, kind: KIND.to_owned(), at, passed, content: json!(report) }, audit)
}
