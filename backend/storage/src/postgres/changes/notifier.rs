//! Sends notifications between replicas through the database.

use std::collections::HashMap;

use async_trait::async_trait;
use pipeline::run::RunId;
use sqlx::Row as _;

use crate::{
    error::StorageError,
    ports::changes::{ChangeNotifier, Mark},
    postgres::{
        pool::{
            connections::{PooledConn, bounded},
            db_error::{Access, DbError},
        },
        runs::load,
        store::PostgresStore,
        values::run_id,
    },
};

/// The most runs in one notification. With ids of 100 characters, 50 runs take about 5 KB of the 8 KB that a
/// payload may have.
const RUNS_PER_PAYLOAD: usize = 50;

/// Sends notifications in a statement separate from the changes of runs. Transactions that notify commit one
/// after the other in the whole cluster, and each would wait for the others' flush. This statement flushes
/// nothing. $1 payloads
const NOTIFY: &str = r#"
SELECT count(pg_notify('innovation_run_changed', payload)::text)
FROM unnest($1::text[]) AS payload, set_config('synchronous_commit', 'off', true)"#;

async fn notify(conn: &mut PooledConn<'_>, by: &str, runs: &[RunId]) -> Result<(), DbError> {
    let payloads: Vec<String> = runs
        .chunks(RUNS_PER_PAYLOAD)
        .map(|runs| runs.iter().fold(by.to_owned(), |payload, run| format!("{payload} {run}")))
        .collect();
    conn.query(NOTIFY).bind(payloads).fetch_one(conn.connection()?).await?;
    Ok(())
}

/// Parses the sender and the runs of a payload. It skips additions of another version.
pub(in crate::postgres) fn parse_payload(payload: &str) -> Option<(&str, Vec<RunId>)> {
    let mut words = payload.split(' ');
    let by = words.next()?;
    Some((by, words.filter_map(|word| RunId::parse(word).ok()).collect()))
}

/// Reads which outputs exist, but not the outputs. $1 runs
const MARKS: &str = r#"
SELECT "id", "generation", "status"::text AS "status",
  num_nonnulls("stage1Output", "stage2Output", "stage3Output", "stage4Output") AS "stages"
FROM "PipelineRun" WHERE "id" = ANY($1)"#;

async fn marks(conn: &mut PooledConn<'_>, runs: &[RunId]) -> Result<HashMap<RunId, Mark>, DbError> {
    let names: Vec<&str> = runs.iter().map(RunId::as_str).collect();
    let rows = conn.query(MARKS).bind(names).fetch_all(conn.connection()?).await?;
    rows.iter()
        .map(|row| {
            let stages: i32 = row.try_get("stages")?;
            let mark = Mark {
                generation: row.try_get("generation")?,
                status: load::status(row.try_get("status")?)?,
                stages: usize::try_from(stages).unwrap_or(0),
            };
            Ok((run_id(row.try_get("id")?)?, mark))
        })
        .collect()
}

#[async_trait]
impl ChangeNotifier for PostgresStore {
    async fn notify(&self, by: &str, runs: &[RunId]) -> Result<(), StorageError> {
        bounded!(self.pool, Access::Write, |conn| notify(conn, by, runs))
    }

    async fn marks(&self, runs: &[RunId]) -> Result<HashMap<RunId, Mark>, StorageError> {
        bounded!(self.pool, Access::Read, |conn| marks(conn, runs))
    }
}
