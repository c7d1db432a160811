//! Evidence and its audit record.

use pipeline::clock::Timestamp;
use serde_json::json;
use storage::{
    contract::at,
    control_plane::{AuditFilter, AuditLog, AuditRecord, Evidence, EvidenceLog},
};

use super::{migrated, store};
use crate::support::postgres::Postgres;

fn rehearsal(id: &str, at: Timestamp, passed: bool) -> Evidence {
    Evidence { id: id.to_owned(), kind: "rehearsal".to_owned(), at, passed, content: json!({"steps": [1]}) }
}

fn audit_of(evidence: &Evidence) -> AuditRecord {
    AuditRecord {
        id: format!("audit-{}", evidence.id),
        at: evidence.at,
        actor: "command".to_owned(),
        role: "admin".to_owned(),
        address: None,
        action: "rehearsal.run".to_owned(),
        target: evidence.id.clone(),
        old: None,
        new: Some(json!({"passed": evidence.passed})),
        reason: None,
        request_id: None,
        deployment: None,
        imported_at: None,
    }
}

#[tokio::test]
async fn evidence_is_audited_once_and_newest_wins() {
    let server = Postgres::start();
    let store = store(&migrated(&server).await);
    let log: &dyn EvidenceLog = &store;
    assert_eq!(log.newest("rehearsal").await.unwrap(), None);

    let (older, newer) =
        (rehearsal("b", at("2026-12-01T00:00:01Z"), true), rehearsal("a", at("2026-12-01T00:00:02Z"), false));
    for evidence in [&newer, &older, &newer] {
        log.add(evidence, &audit_of(evidence)).await.unwrap();
    }
    let other = Evidence { kind: "backup".to_owned(), ..rehearsal("c", at("2026-12-01T00:00:03Z"), true) };
    log.add(&other, &audit_of(&other)).await.unwrap();

    assert_eq!(log.newest("rehearsal").await.unwrap(), Some(newer.clone()));
    let audited = AuditLog::newest(&store, &AuditFilter::default(), None, 9).await.unwrap();
    assert_eq!(audited, [&other, &newer, &older].map(audit_of));

    // An audit record of that id is there already, and the evidence is new: the record of the change stays the first.
    let again = rehearsal("d", at("2026-12-01T00:00:04Z"), true);
    log.add(&again, &audit_of(&older)).await.unwrap();
    assert_eq!(log.newest("rehearsal").await.unwrap(), Some(again));
}
