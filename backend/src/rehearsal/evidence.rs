//! The evidence of a rehearsal.

use pipeline::clock::Timestamp;
use serde_json::json;
use storage::control_plane::{AuditRecord, Evidence};

use super::report::RehearsalReport;
use crate::audit::Actor;

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
    let new = json!({ "passed": report.passed, "total_ms": report.total_ms, "runs": report.runs });
    let record = Actor::command().record("rehearsal.run", &id, at, deployment);
    let audit = AuditRecord { new: Some(new), ..record };
    let passed = report.passed;
    (Evidence { id, kind: KIND.to_owned(), at, passed, content: json!(report) }, audit)
}
