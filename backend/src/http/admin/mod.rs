//! The routes of operators, below `/api/admin`.

pub(super) mod alerts;
pub(super) mod audit;
pub(super) mod deployments;
pub(super) mod flags;
pub(super) mod keys;
pub(super) mod operations;
