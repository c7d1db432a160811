//! Accepts failed checks until a time.

use chrono::TimeDelta;
use pipeline::clock::Timestamp;
use serde_json::json;
use storage::{
    StorageError,
    control_plane::{AuditRecord, Waiver, Waivers},
};

use crate::audit::Actor;

/// How long a waiver holds, unless the operator says otherwise: one week, so that it is looked at again.
pub const DEFAULT_DAYS: i64 = 7;

/// The longest waiver. A longer one is a decision about the check, and belongs into its code.
pub const DAYS_MAX: i64 = 90;

/// The acceptance of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acceptance {
    pub check_id: String,
    pub reason: String,
}

/// Why a text is no acceptance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write ID=REASON, with the id of a check and at least one word of a reason")]
pub struct NoAcceptance;

impl std::str::FromStr for Acceptance {
    type Err = NoAcceptance;

    fn from_str(text: &str) -> Result<Self, NoAcceptance> {
        let (id, reason) = text.split_once('=').ok_or(NoAcceptance)?;
        let (id, reason) = (id.trim(), reason.trim());
        if id.is_empty() || reason.is_empty() {
            return Err(NoAcceptance);
        }
        Ok(Self { check_id: id.to_owned(), reason: reason.to_owned() })
    }
}

/// Stores the acceptances until `until`, each with its audit record.
///
/// # Errors
///
/// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
pub async fn accept(
    store: &dyn Waivers,
    accepted: &[Acceptance],
    until: Timestamp,
    now: Timestamp,
    deployment: Option<&str>,
) -> Result<(), StorageError> {
    for Acceptance { check_id, reason } in accepted {
        let waiver = Waiver {
            check_id: check_id.clone(),
            reason: reason.clone(),
            actor: Actor::command().name,
            created_at: now,
            expires_at: until,
        };
        let new = json!({ "expires_at": until });
        let record = record("check.accept", check_id, new, now, deployment);
        let record = AuditRecord { reason: Some(reason.clone()), ..record };
        store.accept(&waiver, &record).await?;
    }
    Ok(())
}

/// The audit record of somebody at a shell of the service.
#[must_use]
pub fn record(
    action: &str,
    target: &str,
    new: serde_json::Value,
    now: Timestamp,
    deployment: Option<&str>,
) -> AuditRecord {
    let record = Actor::command().record(action, target, now, deployment.map(str::to_owned));
    AuditRecord { new: Some(new), ..record }
}

/// When a waiver ends that begins now.
#[must_use]
pub fn default_end(now: Timestamp) -> Timestamp {
    now + TimeDelta::days(DEFAULT_DAYS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acceptance_has_an_id_and_reason() {
        let parsed: Acceptance = "backup = taken by hand".parse().unwrap();
        assert_eq!((parsed.check_id.as_str(), parsed.reason.as_str()), ("backup", "taken by hand"));
        for wrong in ["backup", "backup=", "=why", " = "] {
            assert_eq!(wrong.parse::<Acceptance>(), Err(NoAcceptance), "{wrong:?}");
        }
    }
}
