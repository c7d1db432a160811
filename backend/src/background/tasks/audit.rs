//! Imports the audit records that went to files while the database was away, and removes expired ones.

use std::time::Duration;

use async_trait::async_trait;
use foundation::resilience::Backoff;

use crate::{
    audit::Audit,
    background::{Outcome, Pass, Schedule, Task, TaskError},
};

/// Other replicas of a bucket may have left records. Our own wake the task.
const PERIOD: Duration = Duration::from_secs(60);

/// While the database is away. Its return wakes the task where a breaker noticed the outage.
const RETRY: Backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(60));

/// How many passes go by between two sweeps of expired records. The unit of retention is a day.
const PASSES_PER_SWEEP: u32 = 60;

#[derive(Debug)]
pub struct ImportAudit {
    audit: Audit,
    /// Passes until the next sweep.
    passes_left: u32,
}

impl ImportAudit {
    #[must_use]
    pub fn new(audit: Audit) -> Self {
        Self { audit, passes_left: 0 }
    }
}

#[async_trait]
impl Task for ImportAudit {
    fn name(&self) -> &'static str {
        "audit"
    }

    fn schedule(&self) -> Schedule {
        Schedule::every(PERIOD).with_jitter().retry(RETRY)
    }

    fn log_outage(&self, error: &TaskError) {
        tracing::warn!(event = "audit_import_failed", task = self.name(), %error, "audit records wait in files; will retry");
    }

    async fn woken(&mut self) {
        self.audit.woken().await;
    }

    async fn pass(&mut self, _: &Pass<'_>) -> Result<Outcome, TaskError> {
        let done = self.audit.import().await?;
        let mut expired = done.expired;
        if self.passes_left == 0 {
            expired += self.audit.expire().await?;
            self.passes_left = PASSES_PER_SWEEP;
        }
        self.passes_left -= 1;
        if expired > 0 {
            tracing::info!(
                event = "audit_expired",
                records = expired,
                "audit records removed (AUDIT_RETENTION_DAYS)"
            );
        }
        Ok(Outcome::done(format!("{} records imported, {expired} expired", done.imported)))
    }
}
