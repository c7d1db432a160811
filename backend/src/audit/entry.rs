//! A record as clients and commands show it.

use pipeline::{clock::Timestamp, record::millis};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use storage::control_plane::AuditRecord;

/// One change by a person.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct AuditEntry {
    pub id: String,
    #[serde(with = "millis")]
    #[schemars(schema_with = "millis::schema")]
    pub at: Timestamp,
    /// The key's name, or `command` for somebody at a shell of the service.
    pub actor: String,
    pub role: String,
    /// The client's address.
    pub address: Option<String>,
    /// The thing and the verb, such as `run.cancel`.
    pub action: String,
    /// The thing's id.
    pub target: String,
    /// The value before the change.
    pub old: Option<Value>,
    /// The value after the change.
    pub new: Option<Value>,
    pub reason: Option<String>,
    pub request_id: Option<String>,
    /// The platform's id of the deployment.
    pub deployment: Option<String>,
    /// Whether the record came into the database from a file, where it waited while the database was away.
    pub is_imported: bool,
}

impl From<AuditRecord> for AuditEntry {
    fn from(record: AuditRecord) -> Self {
        Self {
            id: record.id,
            at: record.at,
            actor: record.actor,
            role: record.role,
            address: record.address,
            action: record.action,
            target: record.target,
            old: record.old,
            new: record.new,
            reason: record.reason,
            request_id: record.request_id,
            deployment: record.deployment,
            is_imported: record.imported_at.is_some(),
        }
    }
}
