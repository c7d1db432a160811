//! Level 3 of health: every dependency as one check.

use std::{collections::BTreeMap, time::Duration};

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Audience, COUNTED_MAX, Connection, Durability, Figures, Health, HealthStatus, HealthSummary, Stores,
    baseline::BaselineReport,
    check::{Check, CheckStatus},
    checks::parser_status,
    messages,
    outside::Outside,
    report::{DatabaseBreaker, ModelPause, Schema, StorageReport},
};
use crate::{
    alerts::{admin::AlertAdmin, view::AlertView},
    background::TaskStatus,
    documents::{ocr::OcrReport, readers::ReaderReport},
    flags::FlagListing,
    telemetry::metrics::Measured,
};
use storage::{
    ClockSkew, Replica, StorageError, StorageErrorKind, WaitReason, breaker::BreakerState, files::Unsynced,
    sync::ReconcileStatus,
};

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
    /// Whether scanned pages are read, and in which languages.
    pub ocr: OcrReport,
    /// Why and since when the model is not asked. None while it is asked.
    pub model_pause: Option<ModelPause>,
    /// Waiting runs by reason. None while unknown.
    pub waiting_runs: Option<BTreeMap<WaitReason, usize>>,
    /// The problem of the sources of flags, while there is one.
    pub flags_alarm: Option<String>,
    /// Every flag with its source, and which replica has applied which revision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flags: Option<FlagListing>,
    /// This process's background tasks, and how the last pass of each went.
    pub background: Vec<TaskStatus>,
    pub checks: Vec<Check>,
    /// The alerts that fire now, for an operator's key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alerts: Option<Vec<AlertView>>,
    /// This hour against the previous deployment, for an operator's key. None while unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<BaselineReport>,
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
        let ((stores, stores_elapsed), figures, queue_depth, waiting_runs, replicas, parser, outside) = tokio::join!(
            stores,
            self.figures(),
            self.queue_depth(),
            self.waiting_runs(),
            self.replicas(),
            self.check_parser(),
            self.outside(has_key),
        );
        let (outside, baseline) = outside;
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
        let flags = self.sources.flags.as_ref().map(FlagListing::of);
        let storage = self.storage_report(&stores, figures, audience);
        let model_breaker = self.sources.model.as_ref().map(|model| model.state_name());
        let model_pause = self.model_pause();
        let mut checks = self.store_checks(&stores, &basic, stores_elapsed, audience);
        checks.push(Check::of_schema(&storage));
        checks.push(Check::of_reconciliation(&storage));
        checks.push(parser);
        checks.push(Check::of_model(model_breaker, model_pause));
        checks.push(Check::of_flags(flags_alarm.clone(), flags.as_ref()));
        checks.push(Check::of_clock(self.clock_skew()));
        checks.push(Check::of_workers(replicas.as_deref()));
        checks.push(Check::of_durability(&storage, not_ready));
        checks.extend(outside);
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
            ocr: self.sources.readers.ocr_report(),
            model_pause,
            waiting_runs,
            flags_alarm,
            flags,
            background: self.background.as_ref().map_or_else(Vec::new, |background| {
                // Reasons name addresses and paths; a deployment's health is public.
                background.statuses(audience == Audience::Operator)
            }),
            checks,
            alerts: self.alerts.as_ref().filter(|_| has_key).map(AlertAdmin::firing),
            baseline,
        }
    }

    /// The checks outside of this process. Figures are for operators.
    async fn outside(&self, has_key: bool) -> (Vec<Check>, Option<BaselineReport>) {
        let Some(outside) = &self.outside else { return (Vec::new(), None) };
        let uses_database = self.sources.router.uses_database();
        let baseline = async { if has_key { outside.baseline(uses_database).await } else { None } };
        tokio::join!(outside.checks(uses_database), baseline)
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
            pool: self.outside.as_ref().and_then(Outside::pool_state),
            is_file_alarm: state.file_alarm.is_some(),
            mirror: self.sources.router.files().mirror().lag(),
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
    pub(super) async fn queue_depth(&self) -> Option<usize> {
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

    pub(super) fn model_pause(&self) -> Option<ModelPause> {
        self.sources.model.as_ref()?.pause().map(ModelPause::from)
    }

    /// Counts waiting runs by reason, in the database if the mode has one.
    pub(super) async fn waiting_runs(&self) -> Option<BTreeMap<WaitReason, usize>> {
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

    pub(super) async fn replicas(&self) -> Option<Vec<Replica>> {
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
            mirror: self.sources.router.files().mirror().lag().into(),
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

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
