//! The caller of a request.

use storage::control_plane::{Permission, Principal, Role};

/// Who sent a request, by its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The owner of the runs that this request submits.
    pub principal: Principal,
    pub role: Role,
    /// The key's name, for logs and the audit. Never the key.
    pub name: String,
    /// The key's id in the database. None for a key of the environment.
    pub key_id: Option<String>,
}

impl Caller {
    /// A caller with a key of the environment, or without one where none is required.
    #[must_use]
    pub fn environment(role: Role) -> Self {
        let principal = Principal::environment();
        Self { name: principal.to_string(), principal, role, key_id: None }
    }

    #[must_use]
    pub const fn may(&self, permission: Permission) -> bool {
        self.role.may(permission)
    }

    /// Whether the caller sees the runs of this principal.
    #[must_use]
    pub fn sees(&self, owner: &Principal) -> bool {
        self.role.sees_all() || *owner == self.principal
    }
}
