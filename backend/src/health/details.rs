//! Level 3 of health: every dependency as one check.

use std::{collections::BTreeMap, time::Duration};

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Audience, COUNTED_MAX, Connection, Durability, Figures, Health, HealthStatus, HealthSummary, NotReady,
    Stores, messages,
};
use crate::{
    background::TaskStatus, config::Role, documents::readers::ReaderReport, llm::gate::Pause,
    telemetry::metrics::Measured, worker::wait_reason,
};
use storage::{
    ClockSkew, Replica, StorageError, StorageErrorKind, WaitReason,
    breaker::BreakerState,
    files::{DurabilityForecast, Unsynced},
    mode::Mode,
    router::FileAcceptance,
    sync::ReconcileStatus,
};

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CheckStatus {
    Ok,
    Warning,
    Failed,
    /// The check does not apply here.
    Skipped,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Check {
    pub name: &'static str,
    pub status: CheckStatus,
    /// A sentence for people, if there is something to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    pub elapsed_ms: u64,
}

/// Whether the database has all migrations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Schema {
    Ok,
    Behind,
    Unknown,
}

/// The breaker in front of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum DatabaseBreaker {
    Closed,
    Open {
        open_for_ms: u64,
        /// The database answers, but its schema lacks something.
        is_schema: bool,
    },
}

/// The state of storage, in numbers and names.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct StorageReport {
    #[schemars(with = "Mode")]
    pub mode: &'static str,
    #[schemars(with = "Mode")]
    pub effective_mode: &'static str,
    /// Why the two modes differ.
    pub reason: Option<String>,
    pub flags_revision: u64,
    /// None without a database.
    pub breaker: Option<DatabaseBreaker>,
    pub schema: Schema,
    pub schema_detail: Option<String>,
    /// Ended runs of which the database lacks a part. None while unknown.
    pub unsynced: Option<usize>,
    /// Stages that the database lacks, of ended and open runs. For very many runs, a lower bound.
    pub unsynced_stages: Option<usize>,
    /// How long the oldest missing part has waited. None if the database lacks nothing.
    pub oldest_unsynced_seconds: Option<u64>,
    /// The state of reconciliation. None without a database.
    pub reconciliation: Option<ReconcileStatus>,
    /// How far the database's clock is ahead of this process's, by the last probe. None while unknown.
    pub database_clock_ahead_ms: Option<i64>,
    pub local_disk: Durability,
    /// The runs and stages that a redeploy now would lose. None while unknown.
    pub durability_forecast: Option<DurabilityForecast>,
    /// Whether this replica may accept runs by file alone.
    pub may_accept_by_file: bool,
    /// Why it may, or why not.
    pub file_acceptance: FileAcceptance,
    /// How much of a run's outputs survives the loss of this container.
    pub durability: Durability,
}

/// A pause of the model in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ModelPause {
    pub reason: WaitReason,
    pub since_seconds: u64,
    /// The time until the next probe.
    pub retry_in_seconds: u64,
}

impl From<Pause> for ModelPause {
    fn from(pause: Pause) -> Self {
        Self {
            reason: wait_reason(pause.code),
            since_seconds: pause.lasts.as_secs(),
            retry_in_seconds: pause.retry_in.as_secs(),
        }
    }
}

/// The whole report of `GET /health/deep`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct HealthDetails {
    #[serde(flatten)]
    pub basic: HealthSummary,
    pub replica: String,
    pub storage: StorageReport,
    /// Accepted runs that no worker executes yet. None while unknown.
    pub queue_depth: Option<usize>,
    pub runs_in_flight: usize,
    /// The live replicas. None while unknown.
    pub replicas: Option<Vec<Replica>>,
    /// `closed`, `open` or `probing`. None with the extractive analyst.
    pub model_breaker: Option<&'static str>,
    /// How documents are read, and what confines their reader. None until the first one is read.
    pub document_reader: Option<ReaderReport>,
    /// Why and since when the model is not asked. None while it is asked.
    pub model_pause: Option<ModelPause>,
    /// Waiting runs by reason. None while unknown.
    pub waiting_runs: Option<BTreeMap<WaitReason, usize>>,
    /// Why the flags file is rejected.
    pub flags_alarm: Option<String>,
    /// This process's background tasks, and how the last pass of each went.
    pub background: Vec<TaskStatus>,
    pub checks: Vec<Check>,
}

impl HealthDetails {
    /// Whether the service would accept a run.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.basic.status != HealthStatus::Unhealthy
    }
}

impl Health {
    /// Level 3: checks everything concurrently. `has_key` is whether an operator's key asks.
    pub async fn deep(&self, has_key: bool) -> HealthDetails {
        let begun = self.sources.clock.monotonic();
        // The stores' own time, because the parser's self-test takes longer.
        let stores = async { (self.stores().await, self.elapsed(begun)) };
        let ((stores, stores_elapsed), figures, queue_depth, waiting_runs, replicas, parser) = tokio::join!(
            stores,
            self.figures(),
            self.queue_depth(),
            self.waiting_runs(),
            self.replicas(),
            self.check_parser(),
        );
        let not_ready = self.reason_against(&stores);
        let audience = if has_key {
            Audience::Operator
        } else {
            Audience::without_key(self.sources.identity.environment)
        };
        let mut basic = self.basic_of(&stores, not_ready, &figures, audience);
        let flags_alarm = self.sources.flags.as_ref().and_then(|flags| {
            if audience == Audience::Operator { flags.alarm() } else { flags.public_alarm() }
        });
        let storage = self.storage_report(&stores, figures, audience);
        let model_breaker = self.sources.model.as_ref().map(|model| model.state_name());
        let model_pause = self.model_pause();
        let mut checks = self.store_checks(&stores, &basic, stores_elapsed, audience);
        checks.push(Check::of_schema(&storage));
        checks.push(Check::of_reconciliation(&storage));
        checks.push(parser);
        checks.push(Check::of_model(model_breaker, model_pause));
        checks.push(Check::of_flags(flags_alarm.clone()));
        checks.push(Check::of_clock(self.clock_skew()));
        checks.push(Check::of_workers(replicas.as_deref()));
        checks.push(Check::of_durability(&storage, not_ready));
        let is_bad = checks.iter().any(|check| check.status == CheckStatus::Failed);
        if basic.status == HealthStatus::Healthy && is_bad {
            basic.status = HealthStatus::Degraded;
        }
        HealthDetails {
            basic,
            replica: self.sources.identity.replica.clone(),
            storage,
            queue_depth,
            runs_in_flight: self.sources.worker.active_count(),
            replicas,
            model_breaker,
            document_reader: self.sources.readers.report(),
            model_pause,
            waiting_runs,
            flags_alarm,
            background: self.background.as_ref().map_or_else(Vec::new, |background| {
                // Reasons name addresses and paths; a deployment's health is public.
                background.statuses(audience == Audience::Operator)
            }),
            checks,
        }
    }

    /// The values of the metrics' gauges.
    pub async fn measured(&self) -> Measured {
        let (figures, queue_depth, waiting_runs) =
            tokio::join!(self.figures(), self.queue_depth(), self.waiting_runs());
        let Figures { conflicts, unsynced, forecast } = figures;
        let state = self.sources.router.state();
        Measured {
            version: self.sources.identity.version,
            git_sha: self.sources.identity.git_sha.clone(),
            configured_mode: state.mode.as_str(),
            effective_mode: state.effective_mode.as_str(),
            runs_in_flight: self.sources.worker.active_count(),
            runs_stalled: self.sources.worker.stalled_count(),
            unsynced_runs: unsynced.map(|unsynced| unsynced.runs),
            unsynced_stages: unsynced.map(|unsynced| unsynced.stages),
            oldest_unsynced_seconds: unsynced.map(|unsynced| self.age(&unsynced).unwrap_or(0)),
            forecast,
            queue_depth,
            waiting_runs,
            model_pause: self.model_pause().map(|pause| pause.reason),
            conflicts,
            missing_rows: self.sources.reconciler.as_deref().map(|one| one.status().missing_rows),
            is_database_breaker_open: state.breaker.map(|breaker| breaker != BreakerState::Closed),
            is_file_alarm: state.file_alarm.is_some(),
            database_clock_ahead_ms: self.clock_skew().map(|skew| skew.ahead_ms),
        }
    }

    fn elapsed(&self, begun: Duration) -> Duration {
        self.sources.clock.monotonic().saturating_sub(begun)
    }

    pub(super) async fn unsynced(&self) -> Result<Unsynced, StorageError> {
        let files = self.sources.router.files().clone();
        let looked = self.unsynced.get(|| async move { files.unsynced().await }).await;
        looked.unwrap_or_else(super::no_answer)
    }

    /// None while the database is not used, or has not been probed yet.
    fn clock_skew(&self) -> Option<ClockSkew> {
        let router = &self.sources.router;
        router.database().filter(|_| router.uses_database())?.store.clock_skew()
    }

    /// How many seconds the oldest missing part has waited.
    fn age(&self, unsynced: &Unsynced) -> Option<u64> {
        let age = unsynced.oldest_age(self.sources.clock.now())?;
        u64::try_from(age.num_seconds()).ok()
    }

    /// Counts in the database if the mode has one. With files alone, it counts the open runs minus the active
    /// ones.
    async fn queue_depth(&self) -> Option<usize> {
        let state = self.sources.router.state();
        match &self.sources.queue_stats {
            Some(queue_stats) if state.writes_database() => {
                let queue_stats = queue_stats.clone();
                self.queue.get(|| async move { queue_stats.queue_depth(COUNTED_MAX).await }).await?.ok()
            }
            _ if state.writes_files_alone() => {
                let files = self.sources.router.files().clone();
                let open = self.open.get(|| async move { files.open_count().await }).await?.ok()?;
                Some(open.saturating_sub(self.sources.worker.active_count()))
            }
            _ => None,
        }
    }

    fn model_pause(&self) -> Option<ModelPause> {
        self.sources.model.as_ref()?.pause().map(ModelPause::from)
    }

    /// Counts waiting runs by reason, in the database if the mode has one.
    async fn waiting_runs(&self) -> Option<BTreeMap<WaitReason, usize>> {
        let state = self.sources.router.state();
        match &self.sources.queue_stats {
            Some(queue_stats) if state.writes_database() => {
                let queue_stats = queue_stats.clone();
                self.waiting.get(|| async move { queue_stats.waiting(COUNTED_MAX).await }).await?.ok()
            }
            _ if state.writes_files_alone() => self.sources.router.files().waiting(),
            _ => None,
        }
    }

    async fn replicas(&self) -> Option<Vec<Replica>> {
        let registry = self.sources.registry.clone()?;
        if !self.sources.router.writes_database() {
            return None;
        }
        self.replicas.get(|| async move { registry.replicas().await }).await?.ok()
    }

    /// Reads a small document in a confined child, in the same way as a run's document.
    async fn check_parser(&self) -> Check {
        let begun = self.sources.clock.monotonic();
        let readers = self.sources.readers.clone();
        let read =
            self.parser.get(|| async move { readers.self_test().await.map_err(|error| error.code()) }).await;
        let is_confined = self.sources.readers.report().is_none_or(|report| report.is_confined());
        let (status, detail) = parser_status(read, is_confined);
        Check { name: "document_parser", status, detail, elapsed_ms: ms(self.elapsed(begun)) }
    }

    fn storage_report(&self, stores: &Stores, figures: Figures, audience: Audience) -> StorageReport {
        let Figures { conflicts, unsynced, forecast } = figures;
        let unsynced = unsynced.as_ref();
        let state = &stores.state;
        let (schema, schema_detail) = match &stores.database {
            Some(Ok(())) => (Schema::Ok, None),
            Some(Err(error)) if error.kind == StorageErrorKind::Schema => {
                (Schema::Behind, Some(messages::database_error(error, audience)))
            }
            Some(Err(error)) => (Schema::Unknown, Some(messages::database_error(error, audience))),
            None => (Schema::Unknown, Some("this mode does not use the database".to_owned())),
        };
        let breaker = state.breaker.as_ref().map(|breaker| match breaker {
            BreakerState::Closed => DatabaseBreaker::Closed,
            BreakerState::Open { since, is_schema, .. } => {
                let open_for = self.sources.clock.monotonic().saturating_sub(*since);
                DatabaseBreaker::Open { open_for_ms: ms(open_for), is_schema: *is_schema }
            }
        });
        // The router's sentence ends in the breaker's reason, which may hold more than the public may see.
        let reason = match (&state.reason, &state.breaker, &stores.database) {
            (Some(_), Some(BreakerState::Open { .. }), Some(Err(error))) => {
                Some(format!("the database breaker is open: {}", messages::database_error(error, audience)))
            }
            (reason, ..) => reason.clone(),
        };
        let durability = if Stores::works(stores.database.as_ref()) {
            Durability::Durable
        } else {
            self.sources.file_storage.durability()
        };
        let file_acceptance = self.sources.router.file_acceptance();
        StorageReport {
            mode: state.mode.as_str(),
            effective_mode: state.effective_mode.as_str(),
            reason,
            flags_revision: state.flags.revision,
            breaker,
            schema,
            schema_detail,
            unsynced: unsynced.map(|unsynced| unsynced.runs),
            unsynced_stages: unsynced.map(|unsynced| unsynced.stages),
            oldest_unsynced_seconds: unsynced.and_then(|unsynced| self.age(unsynced)),
            reconciliation: self.sources.reconciler.as_deref().map(|reconciler| {
                let standing = reconciler.status();
                ReconcileStatus { conflicts: conflicts.unwrap_or(standing.conflicts), ..standing }
            }),
            database_clock_ahead_ms: self.clock_skew().map(|skew| skew.ahead_ms),
            local_disk: self.sources.file_storage.durability(),
            durability_forecast: forecast,
            may_accept_by_file: file_acceptance.is_allowed(),
            file_acceptance,
            durability,
        }
    }

    fn store_checks(
        &self,
        stores: &Stores,
        basic: &HealthSummary,
        elapsed: Duration,
        audience: Audience,
    ) -> Vec<Check> {
        let database = Check {
            name: "database",
            status: match basic.database_connection {
                Connection::Healthy => CheckStatus::Ok,
                Connection::Failed => CheckStatus::Failed,
                Connection::Skipped => CheckStatus::Skipped,
            },
            detail: basic.database_error.clone(),
            elapsed_ms: ms(elapsed),
        };
        let alarm = stores.state.file_alarm.as_deref();
        let (status, detail) = match (&stores.files, alarm) {
            (None, _) => (CheckStatus::Skipped, None),
            (Some(Err(error)), _) => {
                (CheckStatus::Failed, Some(messages::file_error(&error.message, audience)))
            }
            (Some(Ok(())), Some(alarm)) => (CheckStatus::Failed, Some(messages::file_error(alarm, audience))),
            (Some(Ok(())), None) => (CheckStatus::Ok, None),
        };
        vec![database, Check { name: "files", status, detail, elapsed_ms: ms(elapsed) }]
    }
}

impl Check {
    fn of_schema(storage: &StorageReport) -> Self {
        let status = match storage.schema {
            Schema::Ok => CheckStatus::Ok,
            Schema::Behind => CheckStatus::Failed,
            Schema::Unknown => CheckStatus::Skipped,
        };
        let detail = match storage.schema {
            Schema::Behind => {
                let what = storage.schema_detail.as_deref().unwrap_or("the schema is behind");
                Some(format!("{what}; run `innovation migrate deploy`"))
            }
            _ => storage.schema_detail.clone(),
        };
        Self { name: "schema", status, detail, elapsed_ms: 0 }
    }

    /// A conflict stays until an operator resolves it. A missing row stays missing until somebody says what it means.
    fn of_reconciliation(storage: &StorageReport) -> Self {
        let Some(standing) = &storage.reconciliation else {
            return Self {
                name: "reconciliation",
                status: CheckStatus::Skipped,
                detail: None,
                elapsed_ms: 0,
            };
        };
        let mut details = Vec::new();
        if standing.conflicts > 0 {
            details.push(format!(
                "row and files of {} run(s) differ, and both are kept; `innovation reconcile --verify` lists them, `innovation reconcile resolve ID --keep database|files` resolves one",
                standing.conflicts
            ));
        }
        if standing.missing_rows > 0 {
            details.push(format!(
                "{} ended run(s) have no row any more; `innovation reconcile --restore-rows` inserts them, `DELETE /api/pipeline/ID` removes their files",
                standing.missing_rows
            ));
        }
        let status = if details.is_empty() { CheckStatus::Ok } else { CheckStatus::Warning };
        let detail = (!details.is_empty()).then(|| details.join("; "));
        Self { name: "reconciliation", status, detail, elapsed_ms: 0 }
    }

    fn of_model(breaker: Option<&'static str>, pause: Option<ModelPause>) -> Self {
        let (status, detail) = match breaker {
            None => (CheckStatus::Skipped, Some("the built-in extractive analyst answers".to_owned())),
            Some(state) => match pause {
                None => (CheckStatus::Ok, None),
                // Nobody but the operator can end such a pause.
                Some(pause) if matches!(pause.reason, WaitReason::LlmCredits | WaitReason::LlmAuth) => (
                    CheckStatus::Failed,
                    Some(format!("the endpoint refuses the account: {}", pause.reason.as_str())),
                ),
                Some(pause) => (
                    CheckStatus::Warning,
                    Some(format!("the breaker in front of the model is {state}: {}", pause.reason.as_str())),
                ),
            },
        };
        Self { name: "model", status, detail, elapsed_ms: 0 }
    }

    fn of_flags(alarm: Option<String>) -> Self {
        let status = if alarm.is_some() { CheckStatus::Failed } else { CheckStatus::Ok };
        Self { name: "flags", status, detail: alarm, elapsed_ms: 0 }
    }

    /// Leases and times of both sides are compared, so their clocks must agree.
    fn of_clock(skew: Option<ClockSkew>) -> Self {
        let (status, detail) = match skew {
            None => (CheckStatus::Skipped, None),
            Some(skew) if skew.is_too_large() => {
                let ClockSkew { ahead_ms, uncertainty_ms } = skew;
                let what = format!(
                    "the database's clock is {ahead_ms} ms ahead of this one (within {uncertainty_ms} ms); set both by NTP"
                );
                (CheckStatus::Warning, Some(what))
            }
            Some(_) => (CheckStatus::Ok, None),
        };
        Self { name: "clock", status, detail, elapsed_ms: 0 }
    }

    /// Fails if only web processes run: they accept runs that no worker executes.
    fn of_workers(replicas: Option<&[Replica]>) -> Self {
        let (status, detail) = match replicas {
            // Before the first heartbeat, no replica is registered.
            None | Some([]) => (CheckStatus::Skipped, None),
            Some(all) if all.iter().any(|replica| replica.role != Role::Web.as_str()) => {
                (CheckStatus::Ok, None)
            }
            Some(_) => {
                let what = "no worker sent a heartbeat in the last minute: accepted runs wait; start one with ROLE=worker or all";
                (CheckStatus::Failed, Some(what.to_owned()))
            }
        };
        Self { name: "workers", status, detail, elapsed_ms: 0 }
    }

    fn of_durability(storage: &StorageReport, not_ready: Option<NotReady>) -> Self {
        let accepts_nothing = matches!(not_ready, Some(NotReady::NoStorage | NotReady::NotAlone(_)));
        let is_at_risk = storage.durability == Durability::Ephemeral && !accepts_nothing;
        let (status, detail) = if is_at_risk {
            let what = "outputs are only on this container's disk, and the next deploy deletes it; mount a volume, set STORAGE_URL to a bucket, or use the database";
            (CheckStatus::Warning, Some(what.to_owned()))
        } else {
            (CheckStatus::Ok, None)
        };
        Self { name: "durability", status, detail, elapsed_ms: 0 }
    }
}

fn parser_status(read: Option<Result<(), &'static str>>, is_confined: bool) -> (CheckStatus, Option<String>) {
    match read {
        Some(Ok(())) if is_confined => (CheckStatus::Ok, None),
        Some(Ok(())) => {
            let what = "this kernel confines the reader of documents only in part; `document_reader` says what is missing";
            (CheckStatus::Warning, Some(what.to_owned()))
        }
        Some(Err(code)) => (CheckStatus::Failed, Some(format!("the self-test failed: {code}"))),
        None => (CheckStatus::Warning, Some("the self-test has not run yet".to_owned())),
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unconfined_reader_is_a_warning() {
        let status = |read, is_confined| parser_status(read, is_confined).0;
        assert_eq!(status(Some(Ok(())), true), CheckStatus::Ok);
        assert_eq!(status(Some(Ok(())), false), CheckStatus::Warning);
        assert_eq!(status(Some(Err("DOCUMENT_CORRUPT")), true), CheckStatus::Failed);
        assert_eq!(status(None, true), CheckStatus::Warning);
    }
}
