//! The flags file, and the state of reading it.

use std::path::PathBuf;

use foundation::safe_read;
use parking_lot::Mutex;

use super::{
    content::{BYTES_MAX, text_of},
    limited::LimitedCall,
    snapshot::Snapshot,
};

/// The flags file, and the state of reading it.
#[derive(Debug)]
pub(super) struct WatchedFile {
    pub(super) path: PathBuf,
    /// None keeps the last good content only while the process lives.
    pub(super) snapshot: Option<Snapshot>,
    reads: LimitedCall,
    /// Requests take this lock, so no call to a disk is made under it.
    pub(super) state: Mutex<FileState>,
}

#[derive(Debug, Default)]
pub(super) struct FileState {
    pub(super) alarm: Option<String>,
    pub(super) basis: Option<Basis>,
}

/// Where the flags come from while the file cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Basis {
    /// The file was good since the start.
    LastGood,
    /// The file has not been good since the start, but a copy of its last good content was.
    Snapshot,
    /// The disk with the copy does not answer. As soon as it does, the copy counts.
    Unanswered,
    /// The sources below the file.
    Environment,
}

impl Basis {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::LastGood => "the last good flags stay",
            Self::Snapshot => "the last good flags from before the start stay",
            Self::Unanswered | Self::Environment => "the flags of the database and of the environment apply",
        }
    }
}

impl WatchedFile {
    pub(super) fn new(path: PathBuf, snapshot: Option<Snapshot>) -> Self {
        Self { path, snapshot, reads: LimitedCall::default(), state: Mutex::default() }
    }

    /// Reads the file. Blocks, for a limited time.
    pub(super) fn read(&self) -> Result<String, String> {
        let path = self.path.clone();
        text_of(self.reads.run(move || safe_read::read(&path, BYTES_MAX)))
    }

    /// Notes that the file cannot be used. Logs each new reason once.
    pub(super) fn reject(&self, reason: &str, basis: Basis) {
        let alarm = format!("FLAGS_FILE {}: {reason}; {}", self.path.display(), basis.as_str());
        let mut state = self.state.lock();
        if state.alarm.as_ref() != Some(&alarm) {
            tracing::error!(event = "flags_file_rejected", "{alarm}");
        }
        *state = FileState { alarm: Some(alarm), basis: Some(basis) };
    }
}
