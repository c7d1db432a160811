//! The lease in a run's row, which names the run's owner.

pub(super) mod claim;
pub(super) mod lost;
pub(super) mod postpone;
pub(super) mod renew;
