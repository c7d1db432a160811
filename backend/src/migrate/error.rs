//! Why a migration command failed, and which command to type next.

use super::{
    method::{Method, STAGE_OUTPUTS},
    scripts,
};

/// A failure of a migration command. Its code is the one that Prisma prints in the same situation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MigrateError {
    #[error("no database is configured: neither DATABASE_URL_NON_POOLING nor DATABASE_URL is set")]
    NotConfigured,
    #[error("the address leads through a pooler, which cannot hold Prisma's lock")]
    Pooled,
    #[error("the database cannot be reached: {what}")]
    Unreachable { what: String },
    #[error("the database refused: {what}")]
    Refused { code: &'static str, what: String },
    #[error("another migration holds the lock; this command waited {seconds} s")]
    Locked { seconds: u64 },
    #[error("the database has tables, but no record of migrations")]
    NotEmpty,
    #[error("earlier migrations failed and must be resolved before others are applied: {}", .names.join(", "))]
    Failed { names: Vec<String> },
    #[error("migration {name} failed: {message}{}", sqlstate_suffix(.sqlstate.as_deref()))]
    Script { name: String, sqlstate: Option<String>, message: String },
    #[error("there is no migration {name} in this version")]
    UnknownMigration { name: String },
    #[error("migration {name} was never applied to this database")]
    NeverApplied { name: String },
    #[error("migration {name} is already applied")]
    AlreadyApplied { name: String },
    #[error("migration {name} did not fail: only a failed one can be marked as rolled back")]
    NotFailed { name: String },
    #[error("migration {name} has no rollback")]
    NoRollback { name: String },
    #[error("not done: it changes database {database:?}, and must be confirmed by that name")]
    NotConfirmed { name: String, method: Method, database: String },
    #[error("nothing was rolled back: {message}{}", sqlstate_suffix(.sqlstate.as_deref()))]
    Rollback { sqlstate: Option<String>, message: String },
    #[error("nothing was rolled back: the files of these replicas do not have what the database has yet: {}", .replicas.join(", "))]
    FilesBehind { replicas: Vec<String> },
    #[error("there is nothing to do: {what}")]
    NothingToDo { what: &'static str, next: &'static str },
}

fn sqlstate_suffix(sqlstate: Option<&str>) -> String {
    sqlstate.map(|state| format!(" (SQLSTATE {state})")).unwrap_or_default()
}

impl MigrateError {
    pub(super) fn unknown(name: &str) -> Self {
        Self::UnknownMigration { name: name.to_owned() }
    }

    /// A stable code: Prisma's, if it has one.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotConfigured => "NOT_CONFIGURED",
            Self::Unreachable { .. } => "P1001",
            Self::Refused { code, .. } => code,
            Self::Locked { .. } => "P1002",
            Self::NotEmpty => "P3005",
            Self::AlreadyApplied { .. } => "P3008",
            Self::Failed { .. } => "P3009",
            Self::NeverApplied { .. } => "P3011",
            Self::NotFailed { .. } => "P3012",
            Self::UnknownMigration { .. } => "P3017",
            Self::Script { .. } => "P3018",
            Self::Pooled => "POOLED",
            Self::NoRollback { .. } => "NO_ROLLBACK",
            Self::NotConfirmed { .. } => "NOT_CONFIRMED",
            Self::Rollback { .. } => "ROLLBACK_FAILED",
            Self::FilesBehind { .. } => "FILES_BEHIND",
            Self::NothingToDo { .. } => "NOTHING_TO_DO",
        }
    }

    /// The exact commands to type next, in this order.
    #[must_use]
    pub fn next(&self) -> Vec<String> {
        let one = |command: &str| vec![command.to_owned()];
        match self {
            Self::NotConfigured => {
                one("DATABASE_URL=postgresql://user:password@host:5432/database innovation migrate status")
            }
            Self::Pooled => one(
                "DATABASE_URL_NON_POOLING=postgresql://user:password@host:5432/database innovation migrate status",
            ),
            Self::Unreachable { .. }
            | Self::Refused { .. }
            | Self::Locked { .. }
            | Self::AlreadyApplied { .. }
            | Self::UnknownMigration { .. }
            | Self::NeverApplied { .. } => one("innovation migrate status"),
            Self::NotFailed { name } if name != STAGE_OUTPUTS => one("innovation migrate status"),
            Self::NotFailed { .. } | Self::NoRollback { .. } | Self::Rollback { .. } => {
                vec![format!("innovation migrate rollback {STAGE_OUTPUTS} --method drop --dry-run")]
            }
            Self::FilesBehind { .. } => one("innovation doctor"),
            Self::NotConfirmed { name, method, database } => {
                vec![method.command(name, database)]
            }
            Self::NotEmpty => baseline(),
            Self::Failed { names } => {
                names.iter().flat_map(|name| resolution(name)).chain([deploy()]).collect()
            }
            Self::Script { name, .. } => resolution(name).chain([deploy()]).collect(),
            Self::NothingToDo { next, .. } => one(next),
        }
    }
}

fn deploy() -> String {
    "innovation migrate deploy".to_owned()
}

/// The commands that mark a database with existing tables as migrated: one for each migration that it holds,
/// in order.
fn baseline() -> Vec<String> {
    let live = scripts::MIGRATIONS.iter().take(scripts::LIVE_BEFORE_US);
    live.map(|migration| format!("innovation migrate resolve --applied {}", migration.name))
        .chain([deploy()])
        .collect()
}

/// The command that resolves a failed migration. A script is one transaction, so the database has undone its
/// changes. The command drops an index of an interrupted concurrent build.
fn resolution(name: &str) -> impl Iterator<Item = String> {
    std::iter::once(format!("innovation migrate resolve --rolled-back {name}"))
}
