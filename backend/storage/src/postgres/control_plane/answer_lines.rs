//! The questions of the answer cache that share statements: each stage of each run asks for its answer, and most leave one.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use sqlx::Row as _;

use super::answer_statements::{CLAIM, KEEP};
use crate::{
    control_plane::{AnswerClaim, AnswerLease, AnswerQuestion, StoredAnswer},
    error::StorageError,
    gather::{Answers, Asked, Gather},
    postgres::{
        pool::{
            connections::{Pool, PooledConn, bounded},
            db_error::{Access, DbError},
        },
        values::column,
    },
};

/// About as many bytes as a question has beside its answer.
const QUESTION_BYTES: usize = 256;

/// One line for each kind of question. Clones share them.
#[derive(Debug, Clone, Default)]
pub(in crate::postgres) struct AnswerLines {
    claims: Gather<Claim, AnswerClaim>,
    keeps: Gather<Keep, bool>,
}

/// A look-up of one run.
#[derive(Debug, Clone)]
struct Claim {
    question: AnswerQuestion,
    lease: AnswerLease,
    /// The age of the oldest usable answer.
    keep: Duration,
}

/// The answer of one leader.
#[derive(Debug)]
struct Keep {
    question: AnswerQuestion,
    leader: String,
    answer: StoredAnswer,
}

impl Asked for Claim {
    type Key = (String, String);

    fn key(&self) -> Self::Key {
        key_of(&self.question)
    }

    fn bytes(&self) -> usize {
        QUESTION_BYTES
    }
}

impl Asked for Keep {
    type Key = (String, String);

    fn key(&self) -> Self::Key {
        key_of(&self.question)
    }

    fn bytes(&self) -> usize {
        self.answer.text.len() + QUESTION_BYTES
    }
}

fn key_of(question: &AnswerQuestion) -> (String, String) {
    (question.principal.as_str().to_owned(), question.key.clone())
}

impl AnswerLines {
    /// A locked row ends the statement of all, so each claim of the group is sent once more, alone. That one fails
    /// only if its own row is locked.
    pub(super) async fn claim(
        &self,
        pool: &Pool,
        question: &AnswerQuestion,
        lease: &AnswerLease,
        keep: Duration,
    ) -> Result<AnswerClaim, StorageError> {
        let shared = pool.clone();
        let send = move |group: Vec<Claim>| {
            let pool = shared.clone();
            async move { bounded!(pool, Access::Write, |conn| claim_all(conn, &group)) }
        };
        let claim = Claim { question: question.clone(), lease: lease.clone(), keep };
        match self.claims.ask(claim.clone(), send).await {
            Err(error) if error.is_of_a_lock() => claim_alone(pool, &claim).await,
            asked => asked,
        }
    }

    pub(super) async fn keep(
        &self,
        pool: &Pool,
        question: &AnswerQuestion,
        leader: &str,
        answer: &StoredAnswer,
    ) -> Result<bool, StorageError> {
        let pool = pool.clone();
        let send = move |group: Vec<Keep>| {
            let pool = pool.clone();
            async move { bounded!(pool, Access::Write, |conn| keep_all(conn, &group)) }
        };
        let keep = Keep { question: question.clone(), leader: leader.to_owned(), answer: answer.clone() };
        self.keeps.ask(keep, send).await
    }
}

async fn claim_alone(pool: &Pool, claim: &Claim) -> Result<AnswerClaim, StorageError> {
    let group = std::slice::from_ref(claim);
    let claimed = bounded!(pool, Access::Write, |conn| claim_all(conn, group))?;
    Ok(claimed.into_iter().next().unwrap_or(AnswerClaim::Taken))
}

/// One round trip. The answers are in the order of the claims.
async fn claim_all(conn: &mut PooledConn<'_>, group: &[Claim]) -> Answers<AnswerClaim, DbError> {
    // All runs of a process have the same settings.
    let Some(Claim { lease, keep, .. }) = group.first() else { return Ok(Vec::new()) };
    let rows = conn
        .query(CLAIM)
        .bind(column(group, |one| one.question.principal.as_str()))
        .bind(column(group, |one| one.question.key.as_str()))
        .bind(column(group, |one| i32::from(one.question.stage.number())))
        .bind(column(group, |one| one.lease.leader.as_str()))
        .bind(column(group, |one| one.question.run.as_str()))
        .bind(lease.duration.as_secs_f64())
        .bind(keep.as_secs_f64())
        .fetch_all(conn.connection()?)
        .await?;
    let mut claimed: HashMap<(String, String), AnswerClaim> = HashMap::new();
    for row in &rows {
        let claim = if row.try_get("isOff")? {
            AnswerClaim::OptedOut
        } else if row.try_get("isLed")? {
            AnswerClaim::Led
        } else {
            let found = row.try_get::<Option<String>, _>("answer")?.zip(row.try_get("sha256")?);
            found.map_or(AnswerClaim::Taken, |(text, sha256)| {
                AnswerClaim::Found(StoredAnswer { text, sha256 })
            })
        };
        claimed.insert((row.try_get("principal")?, row.try_get("key")?), claim);
    }
    let claim = |one: &Claim| claimed.remove(&one.key()).unwrap_or(AnswerClaim::Taken);
    Ok(group.iter().map(claim).collect())
}

/// One round trip. Says of each leader, in their order, whether its answer is stored.
async fn keep_all(conn: &mut PooledConn<'_>, group: &[Keep]) -> Answers<bool, DbError> {
    let rows = conn
        .query(KEEP)
        .bind(column(group, |one| one.question.principal.as_str()))
        .bind(column(group, |one| one.question.key.as_str()))
        .bind(column(group, |one| one.leader.as_str()))
        .bind(column(group, |one| one.answer.text.as_str()))
        .bind(column(group, |one| one.answer.sha256.as_str()))
        .bind(column(group, |one| one.question.run.as_str()))
        .fetch_all(conn.connection()?)
        .await?;
    let mut kept: HashSet<(String, String)> = HashSet::new();
    for row in &rows {
        kept.insert((row.try_get("principal")?, row.try_get("key")?));
    }
    Ok(group.iter().map(|one| kept.contains(&one.key())).collect())
}
