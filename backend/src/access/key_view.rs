//! A key as people and programs see it: without anything that opens the service.

use pipeline::{clock::Timestamp, record::millis};
use schemars::JsonSchema;
use serde::Serialize;
use storage::{
    control_plane::{ApiKey, Permission},
    optional_millis,
};

/// A key of the database. The key itself is shown once, when it is made.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "ApiKey")]
pub struct KeyView {
    pub id: String,
    pub name: String,
    /// `client`, `viewer`, `operator` or `admin`.
    pub role: &'static str,
    /// The owner of the runs that the key submits.
    pub principal: String,
    /// The permissions to which the key is narrowed. Empty: all of its role.
    pub scopes: Vec<&'static str>,
    pub runs_per_minute: Option<u32>,
    pub runs_under_way: Option<u32>,
    pub usd_per_day: Option<f64>,
    #[serde(with = "millis")]
    #[schemars(schema_with = "millis::schema")]
    pub created_at: Timestamp,
    #[serde(with = "optional_millis")]
    #[schemars(schema_with = "optional_millis::schema")]
    pub expires_at: Option<Timestamp>,
    /// To a minute.
    #[serde(with = "optional_millis")]
    #[schemars(schema_with = "optional_millis::schema")]
    pub last_used_at: Option<Timestamp>,
    #[serde(with = "optional_millis")]
    #[schemars(schema_with = "optional_millis::schema")]
    pub revoked_at: Option<Timestamp>,
    /// The id of the key that this one replaces.
    pub rotated_from: Option<String>,
}

impl From<ApiKey> for KeyView {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id,
            name: key.name,
            role: key.role.as_str(),
            principal: key.principal.to_string(),
            scopes: key.scopes.into_iter().map(Permission::as_str).collect(),
            runs_per_minute: key.quotas.runs_per_minute,
            runs_under_way: key.quotas.runs_under_way,
            usd_per_day: key.quotas.usd_per_day,
            created_at: key.created_at,
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
            revoked_at: key.revoked_at,
            rotated_from: key.rotated_from,
        }
    }
}
