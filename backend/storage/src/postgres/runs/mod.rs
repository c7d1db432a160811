//! The statements on a run's row, from its request to its end, and its commands.

pub(super) mod accept;
pub(super) mod adopt;
mod batches;
mod ended;
pub(super) mod fail;
pub(super) mod finish;
pub(super) mod list;
pub(super) mod load;
pub(super) mod retry_cancel;
mod search;
pub(super) mod tombstones;
