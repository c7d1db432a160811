//! What the operators of the service keep beside the runs: who owns a run, roles, and the audit. The tables lie in the
//! PostgreSQL schema `innovation`, the files in folders of the storage root that begin with a dot.

mod audit;
mod principal;
mod role;

pub use self::{
    audit::{AuditLog, AuditRecord},
    principal::{Principal, PrincipalError},
    role::{Permission, Role, UnknownRole},
};
