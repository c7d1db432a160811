//! What the system tests share.

pub(crate) mod hostile;
