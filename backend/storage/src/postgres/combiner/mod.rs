//! Combines the writes of concurrent runs: what arrives while statements of its kind are under way goes together into
//! the next one.
//!
//! # Invariants
//!
//! * A write that meets none of its kind under way is sent at once.
//! * A statement holds each run once, and at most 64 rows and 4 MB.
//! * The task of a write sends the statement that holds it: there is no further task, and no timer. A task that ends early
//!   leaves nobody waiting: the rows of its statement are sent alone, and the next one in line sends the next statement.

mod line;
mod pace;

use std::{collections::HashSet, sync::Arc, time::Duration};

use foundation::{clock::timer_now, failpoints};
use tokio::sync::oneshot;

pub(in crate::postgres) use self::line::Row;
use self::line::{Joined, Lead, Line, Told};
use crate::{
    error::{StorageError, StorageErrorKind},
    ports::combined::{Alone, Combined, Leave},
};

/// Combines the writes of one kind. Clones share the line.
#[derive(Debug)]
pub(in crate::postgres) struct Combiner<R> {
    line: Arc<Line<R>>,
    /// The time limit of a write that is sent alone.
    write_timeout: Duration,
}

impl<R> Clone for Combiner<R> {
    fn clone(&self) -> Self {
        Self { line: self.line.clone(), write_timeout: self.write_timeout }
    }
}

/// The ids of the runs whose rows a statement has stored.
pub(in crate::postgres) type StoredRuns = Result<HashSet<String>, StorageError>;

impl<R: Row> Combiner<R> {
    /// Lets so many statements be under way at once.
    pub(in crate::postgres) fn new(statements_max: usize, write_timeout: Duration) -> Self {
        Self { line: Arc::new(Line::new(statements_max, write_timeout)), write_timeout }
    }

    /// Writes a row together with those that wait. `send` sends one statement.
    pub(in crate::postgres) async fn write<F>(
        &self,
        row: R,
        leave: Leave<'_>,
        send: impl FnOnce(Vec<R>) -> F + Send,
    ) -> Combined
    where
        F: Future<Output = StoredRuns> + Send,
    {
        let (mut told, ticket) = match self.line.join(row) {
            Joined::Lead(lead) => return self.send(lead, send).await,
            Joined::Waits(told, ticket) => (told, ticket),
            Joined::Full => return Combined::Alone(Alone::default()),
        };
        let first = tokio::select! {
            biased;
            first = &mut told => Some(first),
            () = leave => None,
        };
        match first {
            Some(first) => self.on(first, send).await,
            None if self.line.withdraw(ticket) => Combined::Left,
            // Its statement is under way, so its end is awaited.
            None => match told.await {
                Ok(Told::Ended(ended)) => ended,
                Ok(Told::Lead(_)) => Combined::Left,
                Err(_) => unanswered(),
            },
        }
    }

    async fn on<F>(
        &self,
        told: Result<Told<R>, oneshot::error::RecvError>,
        send: impl FnOnce(Vec<R>) -> F + Send,
    ) -> Combined
    where
        F: Future<Output = StoredRuns> + Send,
    {
        match told {
            Ok(Told::Ended(ended)) => ended,
            Ok(Told::Lead(lead)) => self.send(lead, send).await,
            Err(_) => unanswered(),
        }
    }

    /// Sends the statement that holds our row, and tells the others how it ended.
    async fn send<F>(&self, lead: Lead<R>, send: impl FnOnce(Vec<R>) -> F + Send) -> Combined
    where
        F: Future<Output = StoredRuns> + Send,
    {
        let group = self.line.group(lead);
        let count = group.rows.len();
        let began = timer_now();
        failpoints::hit("group-formed");
        let stored = send(group.rows).await;
        failpoints::hit("group-ended");
        let took = began.elapsed();
        self.line.note(count, took, stored.is_ok());
        // The next statement begins before the others hear of this one.
        drop(group.turn);
        let within = stored.is_err().then(|| self.write_timeout.saturating_sub(took));
        let may_be_stored = stored.as_ref().is_err_and(|error| error.kind == StorageErrorKind::Indeterminate);
        let of = |run: &str| match &stored {
            Ok(stored) if stored.contains(run) => Combined::Stored,
            _ => Combined::Alone(Alone { within, may_be_stored, outage: None }),
        };
        for (run, tell) in group.others {
            // A caller that has gone needs no answer.
            let _ = tell.send(Told::Ended(of(run.as_str())));
        }
        match (of(group.own.as_str()), stored) {
            (Combined::Alone(_), Err(error)) if count == 1 && !error.is_of_a_lock() => {
                Combined::Failed(error)
            }
            (Combined::Alone(alone), Err(error)) => {
                tracing::debug!(event = "group_failed", rows = count, %error, "a shared statement failed; its rows are sent alone");
                let outage = error.is_failure_of_the_store() && !error.is_of_a_lock();
                Combined::Alone(Alone { outage: outage.then_some(error), ..alone })
            }
            (ended, _) => ended,
        }
    }
}

/// The task that sent the statement ended before it. The statement may have been executed.
fn unanswered() -> Combined {
    Combined::Alone(Alone { may_be_stored: true, ..Alone::default() })
}

#[cfg(test)]
mod tests;
