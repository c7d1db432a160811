//! Undoes the migration of the stage outputs, directly or by a new migration.

use pipeline::clock::{Clock, Timestamp};
use serde::Serialize;
use sqlx::{Connection as _, PgConnection};

use super::{
    apply,
    error::MigrateError,
    ledger::{self, Row},
    method::{Method, STAGE_OUTPUTS},
    replicas::wait_for_files,
    scripts::{self, Migration},
    session::unreachable,
};

/// The columns that it added.
pub(super) const COLUMNS: [&str; 5] =
    ["stage1Output", "stage2Output", "stage3Output", "stage4Output", "fullReportMarkdown"];

/// The suffixes of the migrations that `forward` and `restore` create.
const ROLLBACK_SUFFIX: &str = "_rollback_stage_outputs";
const RESTORE_SUFFIX: &str = "_restore_stage_outputs";

/// A planned or performed rollback.
#[derive(Debug, Clone, Serialize)]
pub struct Rollback {
    /// The migration that is undone.
    pub name: String,
    pub method: Method,
    /// The name of the database.
    pub database: String,
    /// The migration that is created for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_migration: Option<String>,
    /// Runs whose outputs this database loses.
    pub runs_with_outputs: i64,
    pub sql: &'static str,
}

impl Rollback {
    /// The commands to type after the rollback.
    #[must_use]
    pub fn next(&self) -> Vec<String> {
        let Some(new) = &self.new_migration else {
            return vec!["innovation migrate deploy".to_owned()];
        };
        // The folder must hold the migration too, byte for byte. Otherwise, Prisma reports diverged
        // histories.
        let folder = format!("prisma/migrations/{new}");
        let script = format!("prisma/rollback/stage-outputs/{}.sql", self.method.word());
        vec![format!("mkdir {folder} && cp {script} {folder}/migration.sql && git add {folder}")]
    }
}

/// Plans the rollback, if it is possible.
pub(super) async fn plan(
    connection: &mut PgConnection,
    name: &str,
    method: Method,
    now: Timestamp,
) -> Result<Rollback, MigrateError> {
    if name != STAGE_OUTPUTS {
        return Err(match scripts::find(name) {
            Some(_) => MigrateError::NoRollback { name: name.to_owned() },
            None => MigrateError::unknown(name),
        });
    }
    let rows = ledger::read(connection).await?.unwrap_or_default();
    ledger::refuse_failed(&rows)?;
    if !rows.iter().any(|row| row.migration_name == name && row.is_applied()) {
        return Err(MigrateError::NeverApplied { name: name.to_owned() });
    }
    let is_away = is_away(&rows);
    match method {
        Method::Drop | Method::Forward if is_away => {
            return Err(nothing("a separate migration has removed the columns already"));
        }
        Method::Restore if !is_away => {
            return Err(nothing("only columns that `--method forward` removed can be restored"));
        }
        Method::Drop | Method::Forward | Method::Restore => {}
    }
    let new_migration = match method {
        Method::Drop => None,
        Method::Forward => Some(format!("{}{ROLLBACK_SUFFIX}", now.format("%Y%m%d%H%M%S"))),
        Method::Restore => Some(format!("{}{RESTORE_SUFFIX}", now.format("%Y%m%d%H%M%S"))),
    };
    let database = sqlx::query_scalar("SELECT current_database()::text").fetch_one(&mut *connection).await;
    Ok(Rollback {
        name: name.to_owned(),
        method,
        database: database.map_err(|error| unreachable(&error))?,
        new_migration,
        runs_with_outputs: runs_with_outputs(connection).await?,
        sql: method.sql(),
    })
}

fn nothing(what: &'static str) -> MigrateError {
    MigrateError::NothingToDo { what, next: "innovation migrate status" }
}

/// Whether the latest of these migrations removed the columns.
pub(super) fn is_away(rows: &[Row]) -> bool {
    rows.iter()
        .filter(|row| row.is_applied())
        .map(|row| row.migration_name.as_str())
        .rfind(|name| name.ends_with(ROLLBACK_SUFFIX) || name.ends_with(RESTORE_SUFFIX))
        .is_some_and(|name| name.ends_with(ROLLBACK_SUFFIX))
}

/// Counts the runs with outputs. Somebody may have dropped some of the columns manually.
async fn runs_with_outputs(connection: &mut PgConnection) -> Result<i64, MigrateError> {
    let present: Vec<String> = sqlx::query_scalar(
        "SELECT attname::text FROM pg_attribute
         WHERE attrelid = to_regclass('\"PipelineRun\"') AND attname = ANY($1) AND NOT attisdropped",
    )
    .bind(COLUMNS)
    .fetch_all(&mut *connection)
    .await
    .map_err(|error| unreachable(&error))?;
    if present.is_empty() {
        return Ok(0);
    }
    // The names come from `COLUMNS`.
    let columns = format!("\"{}\"", present.join("\", \""));
    let count = format!("SELECT count(*) FROM \"PipelineRun\" WHERE num_nonnulls({columns}) > 0");
    sqlx::query_scalar(sqlx::AssertSqlSafe(count))
        .fetch_one(connection)
        .await
        .map_err(|error| unreachable(&error))
}

/// Performs the planned rollback.
pub(super) async fn carry_out(
    connection: &mut PgConnection,
    rollback: &Rollback,
    clock: &dyn Clock,
) -> Result<(), MigrateError> {
    if rollback.method != Method::Restore {
        wait_for_files(connection).await?;
    }
    match &rollback.new_migration {
        Some(name) => {
            let migration = Migration { name, sql: rollback.sql };
            apply::apply(connection, &migration, clock).await
        }
        None => drop_and_mark(connection, rollback, clock.now()).await,
    }
}

/// Drops the columns and marks the migration in one transaction.
async fn drop_and_mark(
    connection: &mut PgConnection,
    rollback: &Rollback,
    now: Timestamp,
) -> Result<(), MigrateError> {
    apply::wait_at_most(connection, apply::TABLE_WAIT).await?;
    let mut transaction = connection.begin().await.map_err(|error| unreachable(&error))?;
    sqlx::raw_sql(rollback.sql).execute(&mut *transaction).await.map_err(|error| {
        let failure = apply::Failure::new(&error);
        MigrateError::Rollback { sqlstate: failure.sqlstate, message: failure.message }
    })?;
    let rows = ledger::read(&mut transaction).await?.unwrap_or_default();
    for row in rows.iter().filter(|row| row.migration_name == rollback.name && row.is_applied()) {
        ledger::roll_back(&mut transaction, &row.id, now).await?;
    }
    transaction.commit().await.map_err(|error| unreachable(&error))
}
