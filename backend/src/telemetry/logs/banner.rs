//! The first log lines of a process: its version, and how it stores runs.

use crate::health::{FileStorage, Identity};
use storage::router::StorageState;

/// The content of the first log lines.
#[derive(Debug, Clone, Copy)]
pub struct Banner<'a> {
    pub identity: &'a Identity,
    pub storage: &'a StorageState,
    /// The location of files, for people.
    pub files: &'a str,
    pub file_storage: FileStorage,
    /// The analyst, for people.
    pub analyst: &'a str,
}

impl Banner<'_> {
    /// Logs the banner. Operators search for `Feature Flags Configuration` and the lines after it, so their
    /// wording is fixed.
    pub fn announce(&self) {
        let Identity { version, git_sha, environment, replica } = self.identity;
        tracing::info!(
            event = "service_started",
            version,
            git_sha,
            environment = crate::health::environment_name(*environment),
            replica,
            analyst = self.analyst,
            files = self.files,
            "innovation {version} ({git_sha}) starts"
        );
        let state = self.storage;
        tracing::info!(event = "storage_flags_listed", "Feature Flags Configuration:");
        tracing::info!(event = "storage_flags_listed", "  Mode: {}", state.mode);
        tracing::info!(
            event = "storage_flags_listed",
            "  Database Writes: {}",
            word(state.flags.database_writes)
        );
        tracing::info!(
            event = "storage_flags_listed",
            "  File Fallback: {}",
            word(state.flags.file_fallback)
        );
        if state.effective_mode != state.mode {
            let reason = state.reason.as_deref().unwrap_or("unknown");
            tracing::warn!(
                event = "storage_mode_degraded",
                mode = state.mode.as_str(),
                effective_mode = state.effective_mode.as_str(),
                reason,
                "the storage mode in effect is {}, not {}",
                state.effective_mode,
                state.mode
            );
        }
        if state.writes_files() && self.file_storage == FileStorage::Ephemeral {
            tracing::warn!(
                event = "files_ephemeral",
                files = self.files,
                file_storage = "ephemeral",
                "files are on this container's own disk and are gone at the next deploy: set STORAGE_URL to a bucket, or mount a volume"
            );
        }
    }
}

/// In the format of the earlier Python service.
const fn word(flag: bool) -> &'static str {
    if flag { "True" } else { "False" }
}
