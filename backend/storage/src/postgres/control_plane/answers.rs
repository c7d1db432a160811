//! The answer cache in the database.

use std::{collections::HashSet, time::Duration};

use async_trait::async_trait;
use pipeline::run::RunId;
use sqlx::Row as _;

use super::{
    answer_statements::{EXPIRE, FORGET_RUN, NOTE_USE, OPT_OUT, PURGE, REJECT, RELEASE, RENEW, STATS},
    json::text_of,
};
use crate::{
    control_plane::{
        AnswerClaim, AnswerLease, AnswerPurge, AnswerQuestion, AnswerStats, AnswerStore, AuditRecord,
        HeldQuestion, Principal, StoredAnswer,
    },
    error::{StorageError, StorageErrorKind},
    postgres::{
        pool::{
            connections::{PooledConn, bounded},
            db_error::{Access, DbError},
        },
        store::PostgresStore,
        values::column,
    },
};

#[async_trait]
impl AnswerStore for PostgresStore {
    async fn claim(
        &self,
        question: &AnswerQuestion,
        lease: &AnswerLease,
        keep: Duration,
    ) -> Result<AnswerClaim, StorageError> {
        self.answers.claim(&self.pool, question, lease, keep).await
    }

    async fn note_use(&self, question: &AnswerQuestion) -> Result<(), StorageError> {
        bounded!(self.pool, Access::Write, |conn| note_use(conn, question))
    }

    async fn renew(
        &self,
        held: &[HeldQuestion],
        duration: Duration,
    ) -> Result<HashSet<String>, StorageError> {
        bounded!(self.pool, Access::Write, |conn| renew(conn, held, duration))
    }

    async fn keep(
        &self,
        question: &AnswerQuestion,
        leader: &str,
        answer: &StoredAnswer,
    ) -> Result<bool, StorageError> {
        self.answers.keep(&self.pool, question, leader, answer).await
    }

    async fn release(&self, question: &AnswerQuestion, leader: &str) -> Result<(), StorageError> {
        bounded!(self.pool, Access::Write, |conn| release(conn, question, leader))
    }

    async fn reject(&self, question: &AnswerQuestion) -> Result<(), StorageError> {
        bounded!(self.pool, Access::Write, |conn| reject(conn, question))
    }

    async fn opt_out(&self, run: &RunId, principal: &Principal) -> Result<(), StorageError> {
        bounded!(self.pool, Access::Write, |conn| opt_out(conn, run, principal))
    }

    async fn forget_run(&self, run: &RunId) -> Result<(), StorageError> {
        bounded!(self.pool, Access::Write, |conn| forget_run(conn, run))
    }

    async fn expire(&self, keep: Duration, limit: usize) -> Result<usize, StorageError> {
        bounded!(self.pool, Access::Write, |conn| expire(conn, keep, limit))
    }

    async fn stats(&self, limit: usize) -> Result<Vec<AnswerStats>, StorageError> {
        bounded!(self.pool, Access::Read, |conn| stats(conn, limit))
    }

    async fn purge(&self, what: &AnswerPurge, audit: &AuditRecord) -> Result<usize, StorageError> {
        let audit = text_of(audit)?;
        bounded!(self.pool, Access::Write, |conn| purge(conn, what, audit))
    }
}

async fn note_use(conn: &mut PooledConn<'_>, question: &AnswerQuestion) -> Result<(), DbError> {
    let query = conn.query(NOTE_USE).bind(question.principal.as_str()).bind(&question.key);
    query.bind(question.run.as_str()).execute(conn.connection()?).await?;
    Ok(())
}

async fn renew(
    conn: &mut PooledConn<'_>,
    held: &[HeldQuestion],
    duration: Duration,
) -> Result<HashSet<String>, DbError> {
    let rows = conn
        .query(RENEW)
        .bind(column(held, |one| one.question.principal.as_str()))
        .bind(column(held, |one| one.question.key.as_str()))
        .bind(column(held, |one| one.leader.as_str()))
        .bind(duration.as_secs_f64())
        .fetch_all(conn.connection()?)
        .await?;
    rows.iter().map(|row| Ok(row.try_get("leader")?)).collect()
}

async fn release(conn: &mut PooledConn<'_>, question: &AnswerQuestion, leader: &str) -> Result<(), DbError> {
    let query = conn.query(RELEASE).bind(question.principal.as_str()).bind(&question.key).bind(leader);
    query.execute(conn.connection()?).await?;
    Ok(())
}

async fn reject(conn: &mut PooledConn<'_>, question: &AnswerQuestion) -> Result<(), DbError> {
    let query = conn.query(REJECT).bind(question.principal.as_str()).bind(&question.key);
    query.execute(conn.connection()?).await?;
    Ok(())
}

async fn opt_out(conn: &mut PooledConn<'_>, run: &RunId, principal: &Principal) -> Result<(), DbError> {
    let query = conn.query(OPT_OUT).bind(run.as_str()).bind(principal.as_str());
    query.execute(conn.connection()?).await?;
    Ok(())
}

async fn forget_run(conn: &mut PooledConn<'_>, run: &RunId) -> Result<(), DbError> {
    conn.query(FORGET_RUN).bind(run.as_str()).execute(conn.connection()?).await?;
    Ok(())
}

async fn expire(conn: &mut PooledConn<'_>, keep: Duration, limit: usize) -> Result<usize, DbError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let query = conn.query(EXPIRE).bind(keep.as_secs_f64()).bind(limit);
    let done = query.execute(conn.connection()?).await?;
    Ok(usize::try_from(done.rows_affected()).unwrap_or(usize::MAX))
}

async fn stats(conn: &mut PooledConn<'_>, limit: usize) -> Result<Vec<AnswerStats>, DbError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = conn.query(STATS).bind(limit).fetch_all(conn.connection()?).await?;
    rows.iter()
        .map(|row| {
            let count = |name: &str| {
                Ok::<_, DbError>(u64::try_from(row.try_get::<i64, _>(name)?).unwrap_or_default())
            };
            let principal: String = row.try_get("principal")?;
            let principal = Principal::parse(&principal).map_err(|error| {
                DbError::Store(StorageError::new(StorageErrorKind::Unreadable, error.to_string()))
            })?;
            Ok(AnswerStats {
                principal,
                answers: count("answers")?,
                asked: count("asked")?,
                uses: count("uses")?,
                bytes: count("bytes")?,
                oldest_seconds: count("oldest")?,
            })
        })
        .collect()
}

async fn purge(conn: &mut PooledConn<'_>, what: &AnswerPurge, audit: String) -> Result<usize, DbError> {
    let row = conn
        .query(PURGE)
        .bind(what.principal.as_ref().map(Principal::as_str))
        .bind(what.older_than.map(|age| age.as_secs_f64()))
        .bind(audit)
        .fetch_one(conn.connection()?)
        .await?;
    Ok(usize::try_from(row.try_get::<i64, _>("purged")?).unwrap_or(usize::MAX))
}
