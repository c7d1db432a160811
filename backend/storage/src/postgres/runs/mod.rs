//! The statements on a run's row, from its request to its end, and its commands.

pub(super) mod accept;
pub(super) mod adopt;
pub(super) mod finish;
mod list;
pub(super) mod load;
mod retry_cancel;
