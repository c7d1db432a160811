//! The stages of a run in its row, and the frontend's rows that go with them.

pub(super) mod frontend_steps;
pub(super) mod write;
