//! The audit: records of all changes by people.
//!
//! A record goes to the database. While the database is away, the record goes to `.audit/` in the file storage, and a
//! background task imports it later ([`Audit::import`]). A statement that makes a change in the control plane takes the
//! record along instead; [`Audit::describe`] makes it.

mod actor;
mod core;
mod entry;
mod list;

pub use self::{
    actor::Actor,
    core::{Audit, Imported},
    entry::AuditEntry,
    list::{AuditPage, parse_cursor},
};
