//! A run's files from its acceptance to its end, and the commands on them.

pub(super) mod accept;
mod expire;
pub(super) mod finish;
mod retry_cancel;
pub(super) mod unsynced;
