//! The owner of a run, in its manifest.

pub(super) mod claim;
mod lost;
