//! What a writer of files knows of the database.

use crate::files::manifest::DatabaseSide;

/// What the database has of the same write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DbSync {
    /// No database is meant to have it.
    NotTracked,
    Synced,
    /// It has this, and something that the files lack or hold otherwise: reconciliation is to look at both.
    Diverged,
    /// It is to be brought there later.
    Pending,
}

impl DbSync {
    /// Whether the database has the same write.
    pub(super) fn is_synced(self) -> bool {
        matches!(self, Self::Synced | Self::Diverged)
    }

    pub(super) fn side(self) -> Option<DatabaseSide> {
        match self {
            Self::NotTracked => None,
            Self::Synced | Self::Diverged => Some(DatabaseSide { has_row: true, has_end: false }),
            Self::Pending => Some(DatabaseSide::default()),
        }
    }
}
