//! How storage stands, for those who ask.

use crate::{
    breaker::BreakerState,
    mode::{Flags, Mode},
    router::Router,
};

/// How storage stands, for health.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageState {
    pub flags: Flags,
    /// What the flags say.
    pub mode: Mode,
    /// What is happening now.
    pub effective_mode: Mode,
    /// ReadPurpose the two differ.
    pub reason: Option<String>,
    /// None without a database.
    pub breaker: Option<BreakerState>,
    /// Path and errno of the last failed file write, while none has succeeded since.
    pub file_alarm: Option<String>,
}

impl Router {
    /// How storage stands.
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
        let file_alarm = self.alarm().clone();
        StorageState { flags, mode, effective_mode, reason, breaker, file_alarm }
    }

    /// Whether the mode in force has the database, be it there or away.
    #[must_use]
    pub fn uses_database(&self) -> bool {
        self.mode().has_database()
    }

    /// Whether the database may be called: in a mode that has it, with its breaker closed.
    #[must_use]
    pub fn is_database_open(&self) -> bool {
        self.open_database(self.mode()).is_some()
    }

    /// Whether every run belongs into these files: no other process keeps any on a disk of its own.
    #[must_use]
    pub fn keeps_all_files(&self) -> bool {
        self.config.presence.is_alone() || !self.files.is_on_disk()
    }
}
