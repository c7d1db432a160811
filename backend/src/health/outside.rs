//! The questions of a deep look beyond the stores' answers: the pool, the latency, the indexes, the model's endpoint, the receiver of
//! webhooks, and the figures of the previous deployment.

use std::{sync::Arc, time::Duration};

use foundation::clock::timer_now;
use storage::{
    StorageError,
    control_plane::{DatabaseInspection as _, IndexFacts},
    postgres::{Connections, PostgresStore},
};

use super::{
    baseline::{BaselineKeeper, BaselineReport},
    cached::Cached,
    check::{Check, CheckStatus},
};
use crate::{
    llm::probe::{EndpointAnswer, EndpointProbe},
    telemetry::metrics::PoolState,
    webhooks::Sender,
};

/// How long a caller waits for an answer.
const TIMEOUT: Duration = Duration::from_secs(1);

/// A query that only asks the server for its name. The contract's limit.
const QUERY_MAX: Duration = Duration::from_millis(100);

/// Above this share of the pool, callers soon wait.
const POOL_SHARE_MAX: f64 = 0.8;

/// How long an answer from outside is cached: strangers may ask for health, and their questions must not become ours.
const OUTSIDE_KEEP: Duration = Duration::from_secs(60);

/// How long a comparison with the baseline holds: shorter than the time between two looks of the alerts.
const BASELINE_KEEP: Duration = Duration::from_secs(5);

/// How long the state of the indexes is cached: it changes with migrations.
const INDEX_KEEP: Duration = Duration::from_secs(300);

/// How long the latency of the database is cached.
const LATENCY_KEEP: Duration = Duration::from_secs(5);

/// The sources of a deep look beyond the stores.
#[derive(Debug)]
pub struct Outside {
    /// None without a database.
    pub database: Option<Arc<PostgresStore>>,
    /// None without a database.
    pub baseline: Option<Arc<BaselineKeeper>>,
    /// None with the extractive analyst.
    pub model: Option<EndpointProbe>,
    /// None if webhooks are off.
    pub receiver: Option<Sender>,
    answers: Answers,
}

#[derive(Debug)]
struct Answers {
    latency: Cached<Result<Duration, StorageError>>,
    indexes: Cached<Result<IndexFacts, StorageError>>,
    baseline: Cached<Result<BaselineReport, StorageError>>,
    model: Cached<Result<EndpointAnswer, String>>,
    receiver: Cached<(Result<u16, String>, Duration)>,
}

impl Outside {
    #[must_use]
    pub fn new(
        database: Option<Arc<PostgresStore>>,
        baseline: Option<Arc<BaselineKeeper>>,
        model: Option<EndpointProbe>,
        receiver: Option<Sender>,
    ) -> Self {
        let answers = Answers {
            latency: Cached::new(LATENCY_KEEP, TIMEOUT),
            indexes: Cached::new(INDEX_KEEP, TIMEOUT),
            baseline: Cached::new(BASELINE_KEEP, TIMEOUT),
            model: Cached::new(OUTSIDE_KEEP, TIMEOUT),
            receiver: Cached::new(OUTSIDE_KEEP, TIMEOUT),
        };
        Self { database, baseline, model, receiver, answers }
    }

    /// The connections of the pool now. None without a database.
    #[must_use]
    pub fn pool_state(&self) -> Option<PoolState> {
        let Connections { open, in_use, waiting, size } = self.database.as_ref()?.connections();
        Some(PoolState { active: in_use, idle: open.saturating_sub(in_use), waiting, size })
    }

    /// All checks. Without `uses_database`, nothing asks the database.
    pub(super) async fn checks(&self, uses_database: bool) -> Vec<Check> {
        let (latency, indexes, model, receiver) = tokio::join!(
            self.latency(uses_database),
            self.indexes(uses_database),
            self.model(),
            self.receiver(),
        );
        vec![latency, self.pool(uses_database), indexes, model, receiver]
    }

    /// This hour against the previous deployment. None while unknown.
    pub(super) async fn baseline(&self, uses_database: bool) -> Option<BaselineReport> {
        let keeper = self.baseline.clone().filter(|_| uses_database)?;
        self.answers.baseline.get(|| async move { keeper.compare().await }).await?.ok()
    }

    async fn latency(&self, uses_database: bool) -> Check {
        let name = "database_latency";
        let Some(database) = self.database.clone().filter(|_| uses_database) else { return skipped(name) };
        let asked = self.answers.latency.get(|| async move {
            let begun = timer_now();
            database.server().await.map(|_| begun.elapsed())
        });
        match asked.await {
            Some(Ok(took)) if took < QUERY_MAX => check(name, CheckStatus::Ok, None, took),
            Some(Ok(took)) => {
                let what =
                    format!("a query took {} ms; the limit is {}", took.as_millis(), QUERY_MAX.as_millis());
                check(name, CheckStatus::Warning, Some(what), took)
            }
            // The check of the database says what is wrong.
            Some(Err(_)) | None => skipped(name),
        }
    }

    fn pool(&self, uses_database: bool) -> Check {
        let name = "database_pool";
        let Some(keeper) = self.baseline.as_ref().filter(|_| uses_database) else { return skipped(name) };
        let share = keeper.pool_share();
        let is_full = share >= POOL_SHARE_MAX;
        let status = if is_full { CheckStatus::Warning } else { CheckStatus::Ok };
        let what = is_full
            .then(|| format!("{:.0} % of the database pool is in use; the limit is 80 %", share * 100.0));
        check(name, status, what, Duration::ZERO)
    }

    async fn indexes(&self, uses_database: bool) -> Check {
        let name = "indexes";
        let Some(database) = self.database.clone().filter(|_| uses_database) else { return skipped(name) };
        let begun = timer_now();
        let facts = self.answers.indexes.get(|| async move { database.indexes().await }).await;
        let names = |facts: &[storage::control_plane::IndexFact]| {
            facts.iter().map(|fact| fact.name.clone()).collect::<Vec<_>>().join(", ")
        };
        match facts {
            Some(Ok(facts)) if !facts.invalid.is_empty() => {
                let what = format!("invalid indexes: {}; run `innovation doctor`", names(&facts.invalid));
                check(name, CheckStatus::Failed, Some(what), begun.elapsed())
            }
            Some(Ok(facts)) => {
                let unused = (!facts.unused.is_empty())
                    .then(|| format!("never read on a large table: {}", names(&facts.unused)));
                check(name, CheckStatus::Ok, unused, begun.elapsed())
            }
            Some(Err(_)) | None => skipped(name),
        }
    }

    async fn model(&self) -> Check {
        let name = "model_endpoint";
        let Some(probe) = self.model.clone() else { return skipped(name) };
        match self.answers.model.get(|| async move { probe.probe().await }).await {
            Some(Ok(answer)) if answer.status < 500 => check(name, CheckStatus::Ok, None, answer.elapsed),
            Some(Ok(answer)) => {
                let what = format!("the endpoint answers {}", answer.status);
                check(name, CheckStatus::Warning, Some(what), answer.elapsed)
            }
            Some(Err(reason)) => {
                let what = format!("the endpoint gives no answer: {reason}; runs wait for it");
                check(name, CheckStatus::Warning, Some(what), Duration::ZERO)
            }
            None => check(name, CheckStatus::Warning, Some("no answer yet".to_owned()), TIMEOUT),
        }
    }

    async fn receiver(&self) -> Check {
        let name = "webhook_receiver";
        let Some(sender) = self.receiver.clone() else { return skipped(name) };
        let asked = self.answers.receiver.get(|| async move {
            let begun = timer_now();
            (sender.probe().await, begun.elapsed())
        });
        match asked.await {
            Some((Ok(status), took)) if status < 500 => check(name, CheckStatus::Ok, None, took),
            Some((Ok(status), took)) => {
                let what = format!("the receiver answers {status}; webhooks wait for it");
                check(name, CheckStatus::Warning, Some(what), took)
            }
            Some((Err(reason), took)) => {
                let what = format!("the receiver gives no answer: {reason}; webhooks wait for it");
                check(name, CheckStatus::Warning, Some(what), took)
            }
            None => check(name, CheckStatus::Warning, Some("no answer yet".to_owned()), TIMEOUT),
        }
    }
}

fn check(name: &'static str, status: CheckStatus, detail: Option<String>, elapsed: Duration) -> Check {
    Check { name, status, detail, elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX) }
}

fn skipped(name: &'static str) -> Check {
    check(name, CheckStatus::Skipped, None, Duration::ZERO)
}
