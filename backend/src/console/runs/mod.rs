//! The pages about runs: the list, one run, and what people do with it.

pub(super) mod actions;
mod filter;
pub(super) mod list;
pub(super) mod one;
mod stages;
