//! The routes of operators, below `/api/admin`.

mod actor;
pub(super) mod audit;
pub(super) mod flags;
pub(super) mod keys;
