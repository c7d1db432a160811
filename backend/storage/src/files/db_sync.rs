//! A file writer's knowledge about the database.

use crate::files::manifest::DatabaseSide;

/// Whether the database holds the same write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DbSync {
    /// No database is meant to hold it.
    NotTracked,
    Synced,
    /// The database holds this write, and other content that the files lack or contradict. The reconciler
    /// compares both.
    Diverged,
    /// The database lacks this write. The reconciler adds it later.
    Pending,
}

impl DbSync {
    /// Whether the database holds the same write.
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
