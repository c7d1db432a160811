//! Migrations. This binary contains those of `prisma/migrations/` and applies them by Prisma's own protocol.
//! So either tool can continue after the other at any time.

mod apply;
mod error;
mod ledger;
mod method;
mod replicas;
mod rollback;
mod schema;
mod scratch;
mod scripts;
mod session;
mod status;

use std::sync::Arc;

use pipeline::clock::Clock;
use sqlx::PgConnection;

pub use error::MigrateError;
pub use method::{Method, STAGE_OUTPUTS};
pub use rollback::Rollback;
pub use schema::Difference;
pub use scratch::{Outputs, Scratch, ScratchError};
pub use scripts::{MIGRATIONS, Migration};
pub use status::{MigrationStatus, SchemaState, State, Status};

use crate::config::DatabaseConfig;
use storage::postgres::{address::Address, shares_server_processes};

/// The migrations of one database.
#[derive(Debug, Clone)]
pub struct Migrator {
    address: Address,
    clock: Arc<dyn Clock>,
}

impl Migrator {
    /// Creates a migrator without connecting.
    ///
    /// # Errors
    ///
    /// [`MigrateError::NotConfigured`] without an address. [`MigrateError::Unreachable`] for a malformed one.
    /// [`MigrateError::Pooled`] if the address leads through a pooler, because Prisma's lock belongs to a
    /// session.
    pub fn new(config: &DatabaseConfig, clock: Arc<dyn Clock>) -> Result<Self, MigrateError> {
        let address = config.session_url().ok_or(MigrateError::NotConfigured)?;
        let address = Address::parse(address)
            .map_err(|malformed| MigrateError::Unreachable { what: format!("its address: {malformed}") })?;
        if address.is_pooled {
            return Err(MigrateError::Pooled);
        }
        Ok(Self { address, clock })
    }

    /// Reads the applied, pending and failed migrations. Changes nothing and waits for no lock.
    ///
    /// # Errors
    ///
    /// [`MigrateError::Unreachable`] if the database cannot be queried.
    pub async fn status(&self) -> Result<Status, MigrateError> {
        let mut connection = session::open(&self.address).await?;
        let status = read_status(&mut connection).await;
        session::close(connection).await;
        status
    }

    /// Applies pending migrations, and returns their names in order.
    ///
    /// # Errors
    ///
    /// [`MigrateError::Locked`] if another migration runs. [`MigrateError::NotEmpty`] or
    /// [`MigrateError::Failed`] if an operator must resolve the state first. [`MigrateError::Script`] if a
    /// script fails. [`MigrateError::Unreachable`] if the database cannot be queried.
    pub async fn deploy(&self) -> Result<Vec<&'static str>, MigrateError> {
        let mut connection = self.locked().await?;
        let applied = self.deploy_locked(&mut connection).await;
        session::close(connection).await;
        applied
    }

    async fn deploy_locked(&self, connection: &mut PgConnection) -> Result<Vec<&'static str>, MigrateError> {
        session::ensure_schema(connection, &self.address.schema).await?;
        let rows = match ledger::read(connection).await? {
            Some(rows) => rows,
            None if ledger::has_tables(connection).await? => return Err(MigrateError::NotEmpty),
            None => {
                ledger::create(connection).await?;
                Vec::new()
            }
        };
        ledger::refuse_failed(&rows)?;
        let mut applied = Vec::new();
        for migration in MIGRATIONS {
            if rows.iter().any(|row| row.migration_name == migration.name && row.is_applied()) {
                continue;
            }
            apply::apply(connection, migration, self.clock.as_ref()).await?;
            applied.push(migration.name);
        }
        Ok(applied)
    }

    /// Records a migration as applied without running it.
    ///
    /// # Errors
    ///
    /// [`MigrateError::UnknownMigration`] or [`MigrateError::AlreadyApplied`] for a wrong name.
    /// [`MigrateError::Locked`] if another migration runs. [`MigrateError::Unreachable`] if the database
    /// cannot be queried.
    pub async fn resolve_applied(&self, name: &str) -> Result<(), MigrateError> {
        let migration = scripts::find(name).ok_or_else(|| MigrateError::unknown(name))?;
        let mut connection = self.locked().await?;
        let resolved = self.resolve_applied_locked(&mut connection, migration).await;
        session::close(connection).await;
        resolved
    }

    async fn resolve_applied_locked(
        &self,
        connection: &mut PgConnection,
        migration: &Migration<'_>,
    ) -> Result<(), MigrateError> {
        let rows = match ledger::read(connection).await? {
            Some(rows) => rows,
            None => {
                ledger::create(connection).await?;
                Vec::new()
            }
        };
        let attempts: Vec<_> = rows.iter().filter(|row| row.migration_name == migration.name).collect();
        if attempts.iter().any(|row| row.is_applied()) {
            return Err(MigrateError::AlreadyApplied { name: migration.name.to_owned() });
        }
        for row in attempts.into_iter().filter(|row| row.is_failed()) {
            ledger::roll_back(connection, &row.id, self.clock.now()).await?;
        }
        ledger::record_applied(connection, migration.name, &migration.checksum(), self.clock.now()).await
    }

    /// Marks a failed migration as rolled back, so that the next deploy runs it again.
    ///
    /// # Errors
    ///
    /// [`MigrateError::NeverApplied`], [`MigrateError::AlreadyApplied`] or [`MigrateError::NotFailed`] for a
    /// wrong name. [`MigrateError::Locked`] if another migration runs. [`MigrateError::Unreachable`] if the
    /// database cannot be queried.
    pub async fn resolve_rolled_back(&self, name: &str) -> Result<(), MigrateError> {
        let mut connection = self.locked().await?;
        let resolved = self.resolve_rolled_back_locked(&mut connection, name).await;
        session::close(connection).await;
        resolved
    }

    async fn resolve_rolled_back_locked(
        &self,
        connection: &mut PgConnection,
        name: &str,
    ) -> Result<(), MigrateError> {
        let rows = ledger::read(connection).await?.unwrap_or_default();
        let attempts: Vec<_> = rows.iter().filter(|row| row.migration_name == name).collect();
        if attempts.is_empty() {
            return Err(MigrateError::NeverApplied { name: name.to_owned() });
        }
        let failed: Vec<_> = attempts.iter().filter(|row| row.is_failed()).collect();
        if failed.is_empty() && attempts.iter().any(|row| row.is_applied()) {
            return Err(MigrateError::NotFailed { name: name.to_owned() });
        }
        if let Some(migration) = scripts::find(name) {
            apply::drop_leftover(connection, migration).await?;
        }
        for row in failed {
            ledger::roll_back(connection, &row.id, self.clock.now()).await?;
        }
        Ok(())
    }

    /// Plans a rollback, and counts the runs that would lose outputs.
    ///
    /// # Errors
    ///
    /// [`MigrateError::NoRollback`], [`MigrateError::NothingToDo`] or a wrong name's error if no rollback is
    /// possible. [`MigrateError::Unreachable`] if the database cannot be queried.
    pub async fn plan_rollback(&self, name: &str, method: Method) -> Result<Rollback, MigrateError> {
        let mut connection = session::open(&self.address).await?;
        let plan = rollback::plan(&mut connection, name, method, self.clock.now()).await;
        session::close(connection).await;
        plan
    }

    /// Performs a rollback. `confirmed` is the name of the database, typed by the operator.
    ///
    /// # Errors
    ///
    /// As [`Migrator::plan_rollback`]. [`MigrateError::NotConfirmed`] for another name.
    /// [`MigrateError::FilesBehind`] if the files of a replica lack what the database would lose.
    /// [`MigrateError::Rollback`] if the script fails. [`MigrateError::Locked`] if another migration runs.
    pub async fn rollback(
        &self,
        name: &str,
        method: Method,
        confirmed: &str,
    ) -> Result<Rollback, MigrateError> {
        let mut connection = self.locked().await?;
        let plan = rollback::plan(&mut connection, name, method, self.clock.now()).await;
        let done = match plan {
            Ok(plan) if plan.database != confirmed => {
                Err(MigrateError::NotConfirmed { name: name.to_owned(), method, database: plan.database })
            }
            Ok(plan) => {
                let done = rollback::carry_out(&mut connection, &plan, self.clock.as_ref()).await;
                done.map(|()| plan)
            }
            Err(error) => Err(error),
        };
        session::close(connection).await;
        done
    }

    async fn locked(&self) -> Result<PgConnection, MigrateError> {
        let unanswered = match shares_server_processes(&self.address.options).await {
            Ok(true) => return Err(MigrateError::Pooled),
            Ok(false) => None,
            Err(error) => Some(MigrateError::Unreachable { what: error.message }),
        };
        // Its error says more.
        let mut connection = session::open(&self.address).await?;
        if let Some(unanswered) = unanswered {
            session::close(connection).await;
            return Err(unanswered);
        }
        session::lock(&mut connection).await?;
        Ok(connection)
    }
}

/// As [`Migrator::status`] on an open connection, also through a pooler.
///
/// # Errors
///
/// [`MigrateError::Unreachable`] if the database cannot be queried.
pub async fn read_status(connection: &mut PgConnection) -> Result<Status, MigrateError> {
    let rows = ledger::read(&mut *connection).await?.unwrap_or_default();
    let pending = status::pending(&rows);
    let differences = schema::differences(&mut *connection, &pending).await?;
    let database = sqlx::query_scalar("SELECT current_database()::text").persistent(false);
    let database = database.fetch_one(connection).await.map_err(|error| session::unreachable(&error))?;
    Ok(Status::new(&rows, differences, database))
}
