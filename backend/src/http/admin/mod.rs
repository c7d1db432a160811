//! The routes of operators, below `/api/admin`.

pub(super) mod audit;
pub(super) mod flags;
pub(super) mod keys;
