//! Keeps the leases of the worker's runs, and stops the work on runs that are no longer its own.

use std::time::Duration;

use async_trait::async_trait;

use crate::{
    background::{Outcome, Pass, Schedule, Task, TaskError},
    worker::{RENEWALS_PER_LEASE, Renewal, Worker},
};

/// Between two looks for runs that others have ended: paid work stops within a second of that.
const VERIFY_PERIOD: Duration = Duration::from_millis(500);

fn renewals(worker: &Worker) -> Schedule {
    Schedule::every(worker.lease().duration / RENEWALS_PER_LEASE).after_a_period()
}

/// Renews the leases of runs that are worked on, and reports runs without progress.
#[derive(Debug)]
pub struct RenewLeases {
    pub worker: Worker,
}

#[async_trait]
impl Task for RenewLeases {
    fn name(&self) -> &'static str {
        "lease_renewal"
    }

    fn schedule(&self) -> Schedule {
        renewals(&self.worker)
    }

    fn log_outage(&self, error: &TaskError) {
        tracing::warn!(event = "lease_renewal_failed", task = self.name(), %error, "leases could not be renewed; will retry");
    }

    async fn pass(&mut self, _: &Pass<'_>) -> Result<Outcome, TaskError> {
        self.worker.report_stalled();
        Ok(match self.worker.renew_leases().await? {
            Renewal::Renewed { leases } => Outcome::done(format!("{leases} leases renewed")),
            Renewal::NoRuns => Outcome::done("no run is worked on"),
            Renewal::Ended => Outcome::Finished("the worker has stopped"),
        })
    }
}

/// Takes the rows of runs that came from shared files while the database was away. A task of its own, because it reads files,
/// and a slow bucket must not hold up the leases.
#[derive(Debug)]
pub struct TakeRows {
    pub worker: Worker,
}

#[async_trait]
impl Task for TakeRows {
    fn name(&self) -> &'static str {
        "row_takeover"
    }

    fn schedule(&self) -> Schedule {
        renewals(&self.worker)
    }

    fn log_outage(&self, error: &TaskError) {
        tracing::warn!(event = "rows_not_taken", task = self.name(), %error, "rows of runs that came from files could not be taken; will retry");
    }

    async fn pass(&mut self, _: &Pass<'_>) -> Result<Outcome, TaskError> {
        Ok(match self.worker.take_rows().await? {
            Renewal::Renewed { .. } => Outcome::done("every run has its row"),
            Renewal::NoRuns => Outcome::done("no run is worked on"),
            Renewal::Ended => Outcome::Finished("the worker has stopped"),
        })
    }
}

/// Renews the leases of runs that have ended in files alone, also while the process ends: until the end is in the database,
/// or the process gone. A task of its own, which does not hold up the leases of runs that are worked on.
#[derive(Debug)]
pub struct RenewRetainedLeases {
    pub worker: Worker,
}

#[async_trait]
impl Task for RenewRetainedLeases {
    fn name(&self) -> &'static str {
        "retained_lease_renewal"
    }

    fn schedule(&self) -> Schedule {
        renewals(&self.worker)
    }

    fn log_outage(&self, error: &TaskError) {
        tracing::warn!(event = "retained_lease_renewal_failed", task = self.name(), %error, "leases of runs that ended in files could not be renewed; will retry");
    }

    async fn pass(&mut self, _: &Pass<'_>) -> Result<Outcome, TaskError> {
        self.worker.renew_retained_leases().await?;
        Ok(Outcome::done("renewed"))
    }
}

/// Finds out soon that a run was cancelled on another replica: a renewal would, within a fifth of a lease, which may be long.
#[derive(Debug)]
pub struct VerifyLeases {
    pub worker: Worker,
}

#[async_trait]
impl Task for VerifyLeases {
    fn name(&self) -> &'static str {
        "lease_verification"
    }

    fn schedule(&self) -> Schedule {
        Schedule::every(VERIFY_PERIOD).after_a_period()
    }

    fn log_outage(&self, error: &TaskError) {
        tracing::warn!(event = "lease_verification_failed", task = self.name(), %error, "the worker could not ask whether its leases still hold; will retry");
    }

    async fn woken(&mut self) {
        self.worker.ownership_doubted().await;
    }

    async fn pass(&mut self, _: &Pass<'_>) -> Result<Outcome, TaskError> {
        Ok(match self.worker.verify_leases().await? {
            Renewal::Renewed { leases } => Outcome::done(format!("{leases} leases verified")),
            Renewal::NoRuns => Outcome::done("no run is worked on"),
            Renewal::Ended => Outcome::Finished("the worker has stopped"),
        })
    }
}
