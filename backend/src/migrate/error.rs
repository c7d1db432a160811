//! Why a migration command did not do what was asked, and what to type next.

/// A failure of a migration command. The codes are those that Prisma prints for the same situation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MigrateError {
    #[error("no database is configured: neither DATABASE_URL_NON_POOLING nor DATABASE_URL is set")]
    NotConfigured,
    #[error("the database could not be asked: {what}")]
    Unreachable { what: String },
    #[error("another migration holds the lock; it was waited for {seconds} s")]
    Locked { seconds: u64 },
    #[error("the database has tables, but no record of migrations")]
    NotEmpty,
    #[error("earlier migrations failed and nothing is applied before they are resolved: {}", .names.join(", "))]
    Failed { names: Vec<String> },
    #[error("migration {name} failed: {message}{}", sqlstate_suffix(.sqlstate.as_deref()))]
    Script {
        name: String,
        sqlstate: Option<String>,
        message: String,
    },
    #[error("there is no migration {name} in this version")]
    UnknownMigration { name: String },
    #[error("migration {name} was never applied to this database")]
    NeverApplied { name: String },
    #[error("migration {name} is already applied")]
    AlreadyApplied { name: String },
    #[error("migration {name} did not fail: only a failed one can be marked as rolled back")]
    NotFailed { name: String },
    #[error("there is nothing to do: {what}")]
    NothingToDo { what: &'static str, next: &'static str },
}

fn sqlstate_suffix(sqlstate: Option<&str>) -> String {
    sqlstate.map(|state| format!(" (SQLSTATE {state})")).unwrap_or_default()
}

impl MigrateError {
    /// A stable code: Prisma's where it has one.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotConfigured => "NOT_CONFIGURED",
            Self::Unreachable { .. } => "P1001",
            Self::Locked { .. } => "P1002",
            Self::NotEmpty => "P3005",
            Self::AlreadyApplied { .. } => "P3008",
            Self::Failed { .. } => "P3009",
            Self::NeverApplied { .. } => "P3011",
            Self::NotFailed { .. } => "P3012",
            Self::UnknownMigration { .. } => "P3017",
            Self::Script { .. } => "P3018",
            Self::NothingToDo { .. } => "NOTHING_TO_DO",
        }
    }

    /// Whether the state of the database is unknown (as opposed to known and wrong).
    #[must_use]
    pub fn is_could_not_check(&self) -> bool {
        matches!(self, Self::NotConfigured | Self::Unreachable { .. } | Self::Locked { .. })
    }

    /// The exact commands to type next; where there are several, all in this order.
    #[must_use]
    pub fn next(&self) -> Vec<String> {
        match self {
            Self::NotConfigured => vec![
                "DATABASE_URL=postgresql://user:password@host:5432/database innovation migrate status".to_owned(),
            ],
            Self::Unreachable { .. }
            | Self::Locked { .. }
            | Self::AlreadyApplied { .. }
            | Self::UnknownMigration { .. }
            | Self::NeverApplied { .. } => vec!["innovation migrate status".to_owned()],
            Self::NotFailed { name } if name == super::rollback::STAGE_OUTPUTS => {
                vec!["innovation migrate rollback stage-outputs --method drop --dry-run".to_owned()]
            }
            Self::NotFailed { .. } => vec!["innovation migrate status".to_owned()],
            Self::NotEmpty => baseline(),
            Self::Failed { names } => names.iter().flat_map(|name| resolution(name)).collect(),
            Self::Script { name, .. } => resolution(name),
            Self::NothingToDo { next, .. } => vec![(*next).to_owned()],
        }
    }
}

/// How a database that has the tables already is told so: every migration that it holds, in order.
pub(super) fn baseline() -> Vec<String> {
    super::scripts::MIGRATIONS
        .iter()
        .take(super::scripts::LIVE_BEFORE_US)
        .map(|migration| format!("innovation migrate resolve --applied {}", migration.name))
        .chain(["innovation migrate deploy".to_owned()])
        .collect()
}

/// How a failed migration is resolved: a script is one transaction, so what it did is undone; only an index that
/// was being built concurrently is left behind.
pub(super) fn resolution(name: &str) -> Vec<String> {
    let leftover = super::scripts::find(name)
        .and_then(super::scripts::Migration::concurrent_index)
        .map(|index| format!("psql \"$DATABASE_URL\" -c 'DROP INDEX CONCURRENTLY IF EXISTS \"{index}\"'"));
    leftover
        .into_iter()
        .chain([
            format!("innovation migrate resolve --rolled-back {name}"),
            "innovation migrate deploy".to_owned(),
        ])
        .collect()
}
