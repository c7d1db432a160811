//! Records what a person or a command has proved.

use pipeline::clock::Timestamp;
use serde_json::{Value, json};
use storage::{
    StorageError,
    control_plane::{Evidence, EvidenceLog},
};

use super::{evidence, waive::record};

/// Records that a person has seen a backup. `reference` says where it is.
///
/// # Errors
///
/// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
pub async fn confirm_backup(
    store: &dyn EvidenceLog,
    reference: &str,
    taken_at: Timestamp,
    now: Timestamp,
    deployment: Option<&str>,
) -> Result<Evidence, StorageError> {
    let content = json!({ "reference": reference, "confirmed_at": now });
    add(store, evidence::BACKUP, taken_at, true, content, now, deployment).await
}

/// Records the report of a golden path.
///
/// # Errors
///
/// As [`confirm_backup`].
pub async fn record_smoke(
    store: &dyn EvidenceLog,
    passed: bool,
    content: Value,
    now: Timestamp,
    deployment: Option<&str>,
) -> Result<Evidence, StorageError> {
    add(store, evidence::SMOKE, now, passed, content, now, deployment).await
}

async fn add(
    store: &dyn EvidenceLog,
    kind: &str,
    at: Timestamp,
    passed: bool,
    content: Value,
    now: Timestamp,
    deployment: Option<&str>,
) -> Result<Evidence, StorageError> {
    let id = uuid::Uuid::now_v7().to_string();
    let evidence = Evidence { id: id.clone(), kind: kind.to_owned(), at, passed, content };
    let new = json!({ "kind": kind, "at": at, "passed": passed });
    let audit = record("evidence.add", &id, new, now, deployment);
    store.add(&evidence, &audit).await?;
    Ok(evidence)
}
