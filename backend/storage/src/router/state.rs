//! The state of storage, for health and metrics.

use crate::{
    breaker::BreakerState,
    mode::{Flags, Mode},
    router::core::Router,
};

/// The state of storage, for health.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageState {
    pub flags: Flags,
    /// The mode that the flags select.
    pub mode: Mode,
    /// The mode that holds now.
    pub effective_mode: Mode,
    /// Why the two modes differ, if they do.
    pub reason: Option<String>,
    /// None without a database.
    pub breaker: Option<BreakerState>,
    /// Path and errno of the last failed file write, until a write succeeds.
    pub file_alarm: Option<String>,
}

impl StorageState {
    /// Whether outputs go to the database now.
    #[must_use]
    pub const fn writes_database(&self) -> bool {
        self.effective_mode.has_database()
    }

    /// Whether outputs go to files now.
    #[must_use]
    pub const fn writes_files(&self) -> bool {
        self.effective_mode.has_files()
    }

    /// Whether outputs go to files alone now, by the flags or because the database is down.
    #[must_use]
    pub const fn writes_files_alone(&self) -> bool {
        self.writes_files() && !self.writes_database()
    }
}

impl Router {
    /// Reads the state of storage.
    #[must_use]
    pub fn state(&self) -> StorageState {
        let flags = self.flags();
        let mode = flags.mode();
        let breaker = self.database.as_ref().map(|database| database.breaker.state());
        let (effective_mode, reason) = match (mode, &breaker) {
            (Mode::DatabaseOnly | Mode::DualWrite, None) => {
                (Mode::FileOnly, Some("DATABASE_URL is not set".to_owned()))
            }
            (Mode::DualWrite, Some(BreakerState::Open { reason, .. })) => {
                (Mode::FileOnly, Some(format!("the database breaker is open: {reason}")))
            }
            _ => (mode, None),
        };
        let file_alarm = self.file_alarm.message();
        StorageState { flags, mode, effective_mode, reason, breaker, file_alarm }
    }

    /// Whether both storage flags are off, so that the service accepts nothing.
    #[must_use]
    pub fn is_disabled(&self) -> bool {
        self.flags().accepts_nothing()
    }

    /// Whether outputs go to files alone now, by the flags or because the database is down.
    #[must_use]
    pub fn writes_files_alone(&self) -> bool {
        self.state().writes_files_alone()
    }

    /// Whether outputs go to the database now.
    #[must_use]
    pub fn writes_database(&self) -> bool {
        self.state().writes_database()
    }

    /// Whether the operator's flags ask for files.
    #[must_use]
    pub fn expects_files(&self) -> bool {
        self.flags().expects_files()
    }

    /// Whether the operator's flags ask for the database.
    #[must_use]
    pub fn is_database_expected(&self) -> bool {
        self.flags().expects_database()
    }

    /// Whether the current mode has a database, even if it is down.
    #[must_use]
    pub fn uses_database(&self) -> bool {
        self.mode().has_database()
    }

    /// Whether the database may be called: the mode has it, and its breaker is closed.
    #[must_use]
    pub fn is_database_open(&self) -> bool {
        self.open_database(self.mode()).is_some()
    }

    /// Whether these files hold every run, because no other process keeps runs on its own disk.
    #[must_use]
    pub fn keeps_all_files(&self) -> bool {
        self.config.presence.is_alone() || !self.files.is_on_disk()
    }
}
