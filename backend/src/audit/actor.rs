//! The person or program that makes a change.

use std::net::IpAddr;

use pipeline::clock::Timestamp;
use storage::control_plane::AuditRecord;

use crate::access::Caller;

/// The person or program behind a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The key's name, or `command` for somebody at a shell of the service.
    pub name: String,
    pub role: String,
    /// The client's address, behind trusted proxies.
    pub address: Option<IpAddr>,
    pub request_id: Option<String>,
    /// Why, if all changes of the actor have one reason: that of a bulk operation.
    pub reason: Option<String>,
}

impl Actor {
    /// The caller of a request.
    #[must_use]
    pub fn of_request(caller: &Caller, address: Option<IpAddr>, request_id: Option<&str>) -> Self {
        Self {
            name: caller.name.clone(),
            role: caller.role.as_str().to_owned(),
            address,
            request_id: request_id.map(str::to_owned),
            reason: None,
        }
    }

    /// Somebody at a shell of the service, who has the service's own secrets.
    #[must_use]
    pub fn command() -> Self {
        Self {
            name: "command".to_owned(),
            role: "admin".to_owned(),
            address: None,
            request_id: None,
            reason: None,
        }
    }

    /// A record of a change that this actor makes at this time. The caller adds `old`, `new` and `reason`. `action` is
    /// the thing and the verb, such as `flag.set`, and `target` the thing's id.
    #[must_use]
    pub fn record(
        &self,
        action: &str,
        target: &str,
        at: Timestamp,
        deployment: Option<String>,
    ) -> AuditRecord {
        AuditRecord {
            id: uuid::Uuid::now_v7().to_string(),
            at,
            actor: self.name.clone(),
            role: self.role.clone(),
            address: self.address.map(|address| address.to_string()),
            action: action.to_owned(),
            target: target.to_owned(),
            old: None,
            new: None,
            reason: self.reason.clone(),
            request_id: self.request_id.clone(),
            deployment,
            imported_at: None,
        }
    }
}
