//! A database that a rehearsal may fill and empty.
//!
//! # Invariants
//!
//! * The database is never one that the service uses. Both addresses may differ and lead to one database, so the servers say
//!   which database they are.
//! * The database is empty, or a schema of this module's marks it as an earlier rehearsal's. Nothing else is ever dropped.
//! * One rehearsal at a time uses it.

use std::time::Duration;

use secrecy::SecretString;
use sqlx::{ConnectOptions as _, PgConnection, Row as _};

use super::{
    error::MigrateError,
    rollback::COLUMNS,
    session::{self, unreachable},
};
use storage::postgres::address::{Address, Malformed};

/// How long a server may take to say which database it is. It is one check among those of the command, which have 5 s.
const IDENTITY_TIMEOUT: Duration = Duration::from_secs(5);

/// The key of the lock that one rehearsal holds.
const LOCK_KEY: i64 = 5_820_174_410;

/// The server's start and the database's number. Two addresses with the same answer lead to one database.
const IDENTITY: &str =
    "SELECT extract(epoch FROM pg_postmaster_start_time())::text || ' ' || oid::text AS identity
FROM pg_database WHERE datname = current_database()";

/// Tables, views and sequences that no extension owns.
const CONTENT: &str = "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')";

const IS_MARKED: &str = "SELECT to_regnamespace('innovation_rehearsal') IS NOT NULL";
const MARK: &str = r#"CREATE SCHEMA "innovation_rehearsal""#;

/// Drops what migrations make: tables and types of the address's schema, and the control plane's schema. The mark goes last,
/// so that an interrupted cleaning is continued.
const CLEAN: &str = r#"
DO $$
DECLARE one record;
BEGIN
  FOR one IN SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p')
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
  LOOP EXECUTE 'DROP TABLE IF EXISTS ' || one.name || ' CASCADE'; END LOOP;
  FOR one IN SELECT format('%I.%I', n.nspname, t.typname) AS name FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE n.nspname = current_schema() AND t.typtype = 'e'
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e')
  LOOP EXECUTE 'DROP TYPE IF EXISTS ' || one.name || ' CASCADE'; END LOOP;
END $$;
DROP SCHEMA IF EXISTS "innovation" CASCADE;
DROP SCHEMA IF EXISTS "innovation_rehearsal""#;

/// Copies of one run under other ids. $1 its id, $2 how many
const FILL: &str = r#"
INSERT INTO "PipelineRun"
SELECT copy.* FROM "PipelineRun" run, generate_series(1, $2::int8) n,
  jsonb_populate_record(NULL::"PipelineRun", to_jsonb(run) || jsonb_build_object('id', 'rehearsal-copy-' || n)) copy
WHERE run."id" = $1"#;

/// How many runs have all outputs, and one digest over all of these.
const DIGEST: &str = r#"
SELECT count(*) AS runs,
  encode(sha256(convert_to(coalesce(string_agg("id" || ' ' || digest, E'\n' ORDER BY "id"), ''), 'UTF8')), 'hex') AS digest
FROM (
  SELECT "id", md5(jsonb_build_array("stage1Output", "stage2Output", "stage3Output", "stage4Output", "fullReportMarkdown")::text) AS digest
  FROM "PipelineRun"
  WHERE num_nonnulls("stage1Output", "stage2Output", "stage3Output", "stage4Output", "fullReportMarkdown") = 5
) AS run"#;

/// $1 the columns
const PRESENT: &str = "SELECT count(*) FROM pg_attribute
WHERE attrelid = to_regclass('\"PipelineRun\"') AND attname = ANY($1) AND NOT attisdropped";

/// Why a database cannot be used for a rehearsal. Nothing in it was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScratchError {
    #[error("REHEARSAL_DATABASE_URL leads to the service's own database, {0:?}")]
    ServicesOwn(String),
    #[error(
        "the database {database:?} is not empty: it has {count} tables, views or sequences, and no rehearsal made them"
    )]
    NotEmpty { database: String, count: i64 },
    #[error("another rehearsal uses the database {0:?}")]
    Busy(String),
    #[error("REHEARSAL_DATABASE_URL: {0}")]
    Malformed(#[from] Malformed),
    #[error("REHEARSAL_DATABASE_URL: {0}")]
    Database(#[from] MigrateError),
    #[error(
        "the service's own database cannot say which one it is, and must not be taken for the scratch database: {0}"
    )]
    ServiceUnknown(MigrateError),
}

/// The outputs of all runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outputs {
    pub runs: i64,
    pub digest: String,
}

/// The database of one rehearsal. Dropping it releases the lock.
#[derive(Debug)]
pub struct Scratch {
    connection: PgConnection,
    database: String,
}

impl Scratch {
    /// Connects, makes sure that the database may be used, marks it, and empties it of an earlier rehearsal.
    ///
    /// # Errors
    ///
    /// [`ScratchError`] says why the database may not be used.
    pub async fn open(url: &SecretString, service: &SecretString) -> Result<Self, ScratchError> {
        let address = Address::parse(url)?;
        if address.is_pooled {
            return Err(MigrateError::Pooled.into());
        }
        let own = Address::parse(service).map_err(|malformed| {
            ScratchError::ServiceUnknown(MigrateError::Unreachable { what: malformed.to_string() })
        })?;
        let own = identity_at(&own).await.map_err(ScratchError::ServiceUnknown)?;
        let here = identity_at(&address).await?;
        let mut connection = session::open(&address).await?;
        let database: String = scalar(&mut connection, "SELECT current_database()::text").await?;
        if here == own {
            return Err(ScratchError::ServicesOwn(database));
        }
        let mut scratch = Self { connection, database };
        scratch.take().await?;
        Ok(scratch)
    }

    /// The name of the database, which confirms a rollback.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.database
    }

    async fn take(&mut self) -> Result<(), ScratchError> {
        let is_locked: bool =
            scalar(&mut self.connection, &format!("SELECT pg_try_advisory_lock({LOCK_KEY})")).await?;
        if !is_locked {
            return Err(ScratchError::Busy(self.database.clone()));
        }
        if scalar(&mut self.connection, IS_MARKED).await? {
            self.clean().await?;
        }
        let count: i64 = scalar(&mut self.connection, CONTENT).await?;
        if count > 0 {
            return Err(ScratchError::NotEmpty { database: self.database.clone(), count });
        }
        Ok(self.execute(MARK).await?)
    }

    /// Empties the database, and removes the mark.
    ///
    /// # Errors
    ///
    /// [`MigrateError`] if the database does not do it. The next rehearsal continues it.
    pub async fn clean(&mut self) -> Result<(), MigrateError> {
        self.execute(CLEAN).await
    }

    /// Adds copies of a run.
    ///
    /// # Errors
    ///
    /// [`MigrateError`] if the database does not take them.
    pub async fn fill(&mut self, run: &str, copies: u32) -> Result<u64, MigrateError> {
        let fill = sqlx::query(FILL).bind(run).bind(i64::from(copies)).persistent(false);
        let done = fill.execute(&mut self.connection).await.map_err(|error| unreachable(&error))?;
        Ok(done.rows_affected())
    }

    /// Digests the outputs of all runs.
    ///
    /// # Errors
    ///
    /// [`MigrateError`] if they cannot be read, for example because the columns are away.
    pub async fn outputs(&mut self) -> Result<Outputs, MigrateError> {
        let read = async {
            let row = sqlx::query(DIGEST).persistent(false).fetch_one(&mut self.connection).await?;
            Ok(Outputs { runs: row.try_get("runs")?, digest: row.try_get("digest")? })
        };
        read.await.map_err(|error: sqlx::Error| unreachable(&error))
    }

    /// Counts the columns of the stage outputs that are there: five, or none.
    ///
    /// # Errors
    ///
    /// [`MigrateError`] if the catalogue cannot be read.
    pub async fn output_columns(&mut self) -> Result<i64, MigrateError> {
        let present = sqlx::query_scalar(PRESENT).bind(COLUMNS).persistent(false);
        present.fetch_one(&mut self.connection).await.map_err(|error| unreachable(&error))
    }

    async fn execute(&mut self, sql: &'static str) -> Result<(), MigrateError> {
        let done = sqlx::raw_sql(sql).execute(&mut self.connection).await;
        done.map(drop).map_err(|error| unreachable(&error))
    }
}

async fn scalar<T>(connection: &mut PgConnection, sql: &str) -> Result<T, MigrateError>
where
    T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
{
    // Every statement is a constant of this file.
    let row = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).fetch_one(connection).await;
    row.and_then(|row| row.try_get(0)).map_err(|error| unreachable(&error))
}

/// Asks a server which database an address leads to, also through a pooler.
async fn identity_at(address: &Address) -> Result<String, MigrateError> {
    let asking = async {
        let options = address.options.clone().application_name("innovation rehearse");
        let mut connection = options.connect().await.map_err(|error| unreachable(&error))?;
        let identity = scalar(&mut connection, IDENTITY).await;
        session::close(connection).await;
        identity
    };
    tokio::time::timeout(IDENTITY_TIMEOUT, asking).await.unwrap_or_else(|_| {
        Err(MigrateError::Unreachable { what: format!("no answer within {} s", IDENTITY_TIMEOUT.as_secs()) })
    })
}
