//! What the system tests stand on.

pub(crate) mod openrouter;
