//! The operations on a run's files, from its acceptance to its end, and its commands.

pub(super) mod accept;
mod document;
mod expire;
pub(super) mod finish;
pub(super) mod forecast;
pub(super) mod kept_document;
mod leftovers;
pub(super) mod list;
mod retry_cancel;
pub(super) mod unsynced;
