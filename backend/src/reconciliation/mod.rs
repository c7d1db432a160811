//! The use cases of reconciliation for people: what differs, the plan of a pass, a pass now, and conflicts.

mod desk;
mod difference;

pub(crate) use self::desk::NAMED_MAX;
pub use self::{
    desk::{ConflictView, DeskError, Planned, ReconcileDesk, ReconcileLook},
    difference::{DifferenceRow, PartDifference, ROWS_MAX},
};
