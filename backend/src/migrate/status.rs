//! The status of all migrations: applied, pending or failed.

use serde::Serialize;

use super::{
    error::MigrateError,
    ledger::Row,
    method::{Method, STAGE_OUTPUTS},
    rollback,
    schema::Difference,
    scripts::{self, MIGRATIONS, Migration},
};

/// The state of a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Applied,
    Pending,
    /// Started, and neither finished nor resolved.
    Failed,
}

/// One migration of this version.
#[derive(Debug, Clone, Serialize)]
pub struct MigrationStatus {
    pub name: &'static str,
    pub state: State,
    /// When it was applied, in RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied_at: Option<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logs: Option<String>,
    /// Whether the applied script differs from this version's.
    pub differs: bool,
}

/// The state of the whole schema, in the words of health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SchemaState {
    Current,
    /// A migration of this version is pending.
    Behind,
    /// A migration failed, of this version or of another.
    Failed,
    /// All migrations are applied, and the schema is not what they made: columns were removed or changed later.
    Differs,
}

/// This version's migrations as the database has applied them.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    pub schema: SchemaState,
    pub migrations: Vec<MigrationStatus>,
    /// Migrations that only the database has, from a newer version. Our migrations only add, so an older
    /// version continues to work.
    pub unknown: Vec<String>,
    /// The failed ones among the unknown.
    pub unknown_failed: Vec<String>,
    /// Tables and columns that differ from `schema.prisma`, and that no pending migration accounts for.
    pub differences: Vec<Difference>,
    /// Whether `rollback --method forward` removed the stage outputs.
    pub is_rolled_forward: bool,
    /// The name of the database.
    #[serde(skip)]
    database: String,
}

/// This version's migrations that have not been applied.
pub(super) fn pending(rows: &[Row]) -> Vec<&'static Migration<'static>> {
    let is_applied = |name: &str| rows.iter().any(|row| row.migration_name == name && row.is_applied());
    MIGRATIONS.iter().filter(|migration| !is_applied(migration.name)).collect()
}

impl Status {
    pub(super) fn new(rows: &[Row], differences: Vec<Difference>, database: String) -> Self {
        let migrations: Vec<_> = MIGRATIONS
            .iter()
            .map(|migration| {
                let mut attempts = rows.iter().filter(|row| row.migration_name == migration.name);
                // A failed attempt blocks everything, whatever came before or after it.
                let failed = attempts.clone().find(|row| row.is_failed());
                let applied = attempts.rfind(|row| row.is_applied());
                let state = match (failed, applied) {
                    (Some(_), _) => State::Failed,
                    (None, Some(_)) => State::Applied,
                    (None, None) => State::Pending,
                };
                MigrationStatus {
                    name: migration.name,
                    state,
                    applied_at: applied.and_then(|row| row.finished_at.clone()),
                    logs: failed.and_then(|row| row.logs.clone()),
                    differs: applied.is_some_and(|row| !migration.has_checksum(&row.checksum)),
                }
            })
            .collect();
        let strangers = rows.iter().filter(|row| scripts::find(&row.migration_name).is_none());
        let names = |keep: fn(&Row) -> bool| {
            strangers.clone().filter(|row| keep(row)).map(|row| row.migration_name.clone()).collect()
        };
        let unknown_failed: Vec<String> = names(Row::is_failed);
        let has = |state| migrations.iter().any(|migration| migration.state == state);
        let schema = match () {
            () if has(State::Failed) || !unknown_failed.is_empty() => SchemaState::Failed,
            () if has(State::Pending) => SchemaState::Behind,
            () if !differences.is_empty() => SchemaState::Differs,
            () => SchemaState::Current,
        };
        let (unknown, is_rolled_forward) = (names(Row::is_applied), rollback::is_away(rows));
        Self { schema, unknown, unknown_failed, migrations, differences, is_rolled_forward, database }
    }

    /// The exact commands to type next.
    #[must_use]
    pub fn next(&self) -> Vec<String> {
        match self.schema {
            SchemaState::Current => Vec::new(),
            SchemaState::Behind => vec!["innovation migrate deploy".to_owned()],
            SchemaState::Failed => {
                let ours = self.migrations.iter().filter(|migration| migration.state == State::Failed);
                let names =
                    ours.map(|migration| migration.name.to_owned()).chain(self.unknown_failed.clone());
                MigrateError::Failed { names: names.collect() }.next()
            }
            SchemaState::Differs => self.repairs(),
        }
    }

    /// The commands that remove the differences.
    fn repairs(&self) -> Vec<String> {
        let is_stage_output = |difference: &&Difference| {
            difference.table() == "PipelineRun"
                && difference.column().is_some_and(|column| rollback::COLUMNS.contains(&column))
        };
        let (of_rollback, others): (Vec<_>, Vec<_>) =
            self.differences.iter().partition(|each| self.is_rolled_forward && is_stage_output(each));
        let mut commands = Vec::new();
        if !of_rollback.is_empty() {
            commands.push(Method::Restore.command(STAGE_OUTPUTS, &self.database));
        }
        let repairs: Vec<_> = others.iter().filter_map(|difference| difference.repair()).collect();
        if !repairs.is_empty() {
            commands.push(format!("psql \"$DATABASE_URL_NON_POOLING\" -c '{}'", repairs.join("; ")));
        }
        if repairs.len() < others.len() {
            // Prisma shows the statements that change a type or create a table.
            let diff =
                "npx prisma migrate diff --from-config-datasource --to-schema prisma/schema.prisma --script";
            commands.push(diff.to_owned());
        }
        commands
    }
}
