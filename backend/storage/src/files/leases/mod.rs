//! Whose a run is: its owner in the manifest.

pub(super) mod claim;
