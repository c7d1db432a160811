//! Whose a run is: the lease in its row.

pub(super) mod claim;
pub(super) mod renew;
