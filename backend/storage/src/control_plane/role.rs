//! Roles of keys, and what each may do.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The role of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Submits runs, and sees, cancels, retries and deletes those of its principal.
    Client,
    /// Reads everything.
    Viewer,
    /// Also acts on every run, and on flags, alerts and deployments.
    Operator,
    /// Also makes and revokes keys.
    Admin,
}

/// A right that a route needs. By the same names, a key is narrowed to some permissions of its role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// Submit a run.
    Submit,
    /// Read runs: all of them, or those of the own principal.
    ReadRuns,
    /// Cancel, retry and delete runs: all of them, or those of the own principal.
    ControlRuns,
    /// Read flags, audit and other state of the service.
    ReadOperations,
    /// Change flags, alerts and deployments.
    Operate,
    /// Make, change and revoke keys.
    Administer,
}

/// A text that names no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no role; roles are client, viewer, operator and admin")]
pub struct UnknownRole(String);

/// A text that names no permission.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no scope; scopes are submit, read_runs, control_runs, read_operations, operate and administer"
)]
pub struct UnknownPermission(String);

impl Role {
    pub const ALL: [Self; 4] = [Self::Client, Self::Viewer, Self::Operator, Self::Admin];

    #[must_use]
    pub const fn may(self, permission: Permission) -> bool {
        match permission {
            Permission::ReadRuns => true,
            Permission::Submit | Permission::ControlRuns => !matches!(self, Self::Viewer),
            Permission::ReadOperations => !matches!(self, Self::Client),
            Permission::Operate => matches!(self, Self::Operator | Self::Admin),
            Permission::Administer => matches!(self, Self::Admin),
        }
    }

    /// Whether the role sees the runs of every principal.
    #[must_use]
    pub const fn sees_all(self) -> bool {
        !matches!(self, Self::Client)
    }

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl Permission {
    pub const ALL: [Self; 6] = [
        Self::Submit,
        Self::ReadRuns,
        Self::ControlRuns,
        Self::ReadOperations,
        Self::Operate,
        Self::Administer,
    ];

    /// Its name as a scope.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::ReadRuns => "read_runs",
            Self::ControlRuns => "control_runs",
            Self::ReadOperations => "read_operations",
            Self::Operate => "operate",
            Self::Administer => "administer",
        }
    }

    /// The lowest roles that have it, for people.
    #[must_use]
    pub const fn roles(self) -> &'static str {
        match self {
            Self::ReadRuns => "client (its own runs), viewer, operator, admin",
            Self::Submit => "client, operator, admin",
            Self::ControlRuns => "client (its own runs), operator, admin",
            Self::ReadOperations => "viewer, operator, admin",
            Self::Operate => "operator, admin",
            Self::Administer => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or_else(|| UnknownRole(text.to_owned()))
    }
}

impl FromStr for Permission {
    type Err = UnknownPermission;

    fn from_str(text: &str) -> Result<Self, UnknownPermission> {
        let named = Self::ALL.into_iter().find(|permission| permission.as_str() == text);
        named.ok_or_else(|| UnknownPermission(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_what_its_description_says() {
        for role in Role::ALL {
            for permission in Permission::ALL {
                let named = permission.roles().split(", ").any(|name| name.starts_with(role.as_str()));
                assert_eq!(role.may(permission), named, "{role} {permission:?}");
            }
        }
    }

    #[test]
    fn scopes_have_the_names_of_their_json() {
        for permission in Permission::ALL {
            assert_eq!(serde_json::to_value(permission).unwrap(), permission.as_str());
            assert_eq!(permission.as_str().parse(), Ok(permission));
        }
    }
}
