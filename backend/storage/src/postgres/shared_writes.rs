//! The writes of concurrent runs that share statements: stages, ends and acknowledgements of webhooks.
//!
//! A worker renews the leases of all its runs in one statement anyway. Acceptance, cancellation and deletion are never
//! combined: each answers a person.

use std::{sync::Arc, time::Duration};

use crate::{
    ports::combined::{Alone, BatchingRule, Combined, Leave},
    postgres::{
        acks::{self, AckRow},
        combiner::{Combiner, Row},
        pool::{
            config::DatabaseConfig,
            connections::{Pool, bounded},
            db_error::Access,
        },
        runs::{
            fail::{self, FailRow},
            finish::{self, EndRow},
        },
        stages::write::{self, StageRow},
    },
};

/// One line for each kind of write.
#[derive(Debug, Clone)]
pub(super) struct SharedWrites {
    stages: Combiner<StageRow>,
    ends: Combiner<EndRow>,
    failures: Combiner<FailRow>,
    acks: Combiner<AckRow>,
    write_timeout: Duration,
    /// None: all share.
    rule: Option<Arc<dyn BatchingRule>>,
}

impl SharedWrites {
    pub(super) fn new(config: &DatabaseConfig) -> Self {
        let limit = config.write_timeout;
        Self {
            stages: Combiner::new(config.shared_statements_max(), limit),
            // These are rarer than stages. One statement under way combines the most.
            ends: Combiner::new(1, limit),
            failures: Combiner::new(1, limit),
            acks: Combiner::new(1, limit),
            write_timeout: limit,
            rule: None,
        }
    }

    pub(super) fn under(self, rule: Arc<dyn BatchingRule>) -> Self {
        Self { rule: Some(rule), ..self }
    }

    /// How a row is written whose run may not share statements.
    fn alone(&self, row: &impl Row) -> Option<Combined> {
        let is_alone = self.rule.as_ref().is_some_and(|rule| !rule.shares(row.run()));
        is_alone.then(|| Combined::Alone(Alone::default()))
    }

    /// The time limit of a statement. The rows of a shared one can still be sent alone afterwards.
    fn limit<R>(&self, rows: &[R]) -> Duration {
        if rows.len() > 1 { self.write_timeout / 2 } else { self.write_timeout }
    }

    pub(super) async fn stage(&self, pool: &Pool, row: StageRow, leave: Leave<'_>) -> Combined {
        if let Some(alone) = self.alone(&row) {
            return alone;
        }
        let send = |rows: Vec<StageRow>| async move {
            bounded!(in pool.acquire_for(Access::Write, self.limit(&rows)), |conn| write::store_shared(conn, &rows))
        };
        self.stages.write(row, leave, send).await
    }

    pub(super) async fn end(&self, pool: &Pool, row: EndRow, tells: bool, leave: Leave<'_>) -> Combined {
        if let Some(alone) = self.alone(&row) {
            return alone;
        }
        let send = |rows: Vec<EndRow>| async move {
            bounded!(in pool.acquire_for(Access::Write, self.limit(&rows)), |conn| finish::complete_shared(conn, &rows, tells))
        };
        self.ends.write(row, leave, send).await
    }

    pub(super) async fn failure(&self, pool: &Pool, row: FailRow, leave: Leave<'_>) -> Combined {
        if let Some(alone) = self.alone(&row) {
            return alone;
        }
        let send = |rows: Vec<FailRow>| async move {
            bounded!(in pool.acquire_for(Access::Write, self.limit(&rows)), |conn| fail::fail_shared(conn, &rows))
        };
        self.failures.write(row, leave, send).await
    }

    /// It waits for its turn without a limit of its own: each statement before it has one.
    pub(super) async fn ack(&self, pool: &Pool, row: AckRow) -> Combined {
        if let Some(alone) = self.alone(&row) {
            return alone;
        }
        let send = |rows: Vec<AckRow>| async move {
            bounded!(in pool.acquire_for(Access::Write, self.limit(&rows)), |conn| acks::ack_shared(conn, &rows))
        };
        self.acks.write(row, std::pin::pin!(std::future::pending::<()>()), send).await
    }
}
