//! The routes of operators.

pub(super) mod keys;
