//! The caller of a request.

use storage::control_plane::{ApiKey, Permission, Principal, Quotas, Role};

/// The sender of a request, known by its key.
#[derive(Debug, Clone, PartialEq)]
pub struct Caller {
    /// The owner of the runs that this request submits.
    pub principal: Principal,
    pub role: Role,
    /// The permissions to which the key is narrowed. Empty: all of its role.
    pub scopes: Vec<Permission>,
    /// The key's name, for logs and the audit. Never the key.
    pub name: String,
    /// The key's id in the database. None for a key of the environment.
    pub key_id: Option<String>,
    pub quotas: Quotas,
}

impl Caller {
    /// A caller with a key of the environment, or without one where none is required.
    #[must_use]
    pub fn environment(role: Role) -> Self {
        let principal = Principal::environment();
        Self {
            name: principal.to_string(),
            principal,
            role,
            scopes: Vec::new(),
            key_id: None,
            quotas: Quotas::default(),
        }
    }

    /// A caller with a key of the database.
    #[must_use]
    pub fn of_key(key: &ApiKey) -> Self {
        Self {
            principal: key.principal.clone(),
            role: key.role,
            scopes: key.scopes.clone(),
            name: key.name.clone(),
            key_id: Some(key.id.clone()),
            quotas: key.quotas,
        }
    }

    #[must_use]
    pub fn may(&self, permission: Permission) -> bool {
        self.role.may(permission) && (self.scopes.is_empty() || self.scopes.contains(&permission))
    }
}
