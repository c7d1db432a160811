//! The migration that can be undone, and the methods of undoing it.

use serde::Serialize;

/// The migration that can be undone.
pub const STAGE_OUTPUTS: &str = "20251029043929_add_stage_outputs_and_report";

/// The method of undoing it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Drop the columns and mark the migration as rolled back; the next deploy adds them again, empty
    Drop,
    /// Drop the columns by a new migration; they stay away for every tool until `restore`
    Forward,
    /// Undo `forward` by a new migration; the columns return empty
    Restore,
}

impl Method {
    /// The name of the method on the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::Forward => "forward",
            Self::Restore => "restore",
        }
    }

    /// The command that performs it.
    #[must_use]
    pub fn command(self, name: &str, database: &str) -> String {
        format!("innovation migrate rollback {name} --method {} --confirm {database}", self.word())
    }

    /// The script in `prisma/rollback/stage-outputs/`.
    #[must_use]
    pub fn sql(self) -> &'static str {
        match self {
            Self::Drop => include_str!("../../../prisma/rollback/stage-outputs/drop.sql"),
            Self::Forward => include_str!("../../../prisma/rollback/stage-outputs/forward.sql"),
            Self::Restore => include_str!("../../../prisma/rollback/stage-outputs/restore.sql"),
        }
    }
}
