//! The statements for the stages in a run's row, and for the frontend's rows of these stages.

pub(super) mod frontend_steps;
pub(super) mod write;
