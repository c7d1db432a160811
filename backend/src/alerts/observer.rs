//! Looks at everything that rules watch, and makes a report of it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use storage::{
    StorageError,
    control_plane::{AlertFacts, AlertStore},
    router::Router,
};
use tokio::time::timeout;

use super::{
    board::Board,
    deployment::DeploymentWatch,
    platform::PlatformWatch,
    report::{Report, Seen},
    rules,
};
use crate::{
    config::AlertsConfig,
    health::{Health, watched::Watched},
    objectives::{Figures, Objective, Objectives},
};

/// How long the database may take for its figures.
const FACTS_TIMEOUT: Duration = Duration::from_secs(2);

/// How long one look may take, whatever hangs.
const LOOK_TIMEOUT: Duration = Duration::from_secs(5);

/// Below this, no p95 is slow, whatever the previous deployment had.
const P95_FLOOR_MS: f64 = 100.0;

/// The windows of the burn of error budgets: the long one proves that it matters, the short one that it still goes on.
const BURN_WINDOWS: [Duration; 2] = [Duration::from_secs(3_600), Duration::from_secs(300)];

/// Fewer bad events are no burn: one of two requests proves nothing.
const BAD_EVENTS_MIN: u64 = 5;

/// Fewer errors may be chance: one among few answers stays in the window for longer than its rule waits.
const ERRORS_MIN: u64 = 3;

/// The sources of a look.
#[derive(Debug, Clone)]
pub struct Observer {
    pub health: Arc<Health>,
    pub objectives: Arc<Objectives>,
    /// None without a database.
    pub store: Option<Arc<dyn AlertStore>>,
    pub router: Arc<Router>,
    pub deployment: DeploymentWatch,
    /// None without a platform's token.
    pub platform: Option<Arc<PlatformWatch>>,
    pub board: Board,
    pub settings: Arc<AlertsConfig>,
    /// Whether this process executes runs.
    pub is_worker: bool,
}

impl Observer {
    /// Looks at everything at once. A source that does not answer in time is unknown.
    pub async fn look(&self) -> Report {
        let (watched, facts) = tokio::join!(timeout(LOOK_TIMEOUT, self.health.watched()), self.facts());
        let mut seen = BTreeMap::new();
        let mut add = |rule: &str, what: Seen| {
            seen.insert(rule.to_owned(), what);
        };
        self.service_level(&mut add);
        if let Ok(watched) = &watched {
            self.of_health(watched, &mut add);
            self.of_queue(watched, facts.as_ref(), &mut add);
            of_latency(watched, &self.settings, &self.objectives, &mut add);
        }
        self.of_facts(facts.as_ref(), &mut add);
        add(rules::DEPLOYMENT, self.deployment.seen());
        add(rules::PLATFORM, self.platform.as_ref().map_or(Seen::NotHere, |platform| platform.seen()));
        add(rules::CHANNEL, self.board.channels_seen());
        Report { seen }
    }

    /// None without a database, or in a mode without one.
    async fn facts(&self) -> Option<Result<AlertFacts, StorageError>> {
        let store = self.store.as_ref().filter(|_| self.router.uses_database())?;
        if !self.router.is_database_open() {
            return Some(Err(away()));
        }
        Some(timeout(FACTS_TIMEOUT, store.facts()).await.unwrap_or_else(|_| Err(away())))
    }

    fn service_level(&self, add: &mut impl FnMut(&str, Seen)) {
        let figures = self.objectives.figures(self.settings.window);
        add(rules::ERROR_RATE, error_rate(&figures, self.settings.requests_min));
        let of_service = self.objectives.of_service(self.settings.window);
        let decided = of_service.runs_failed + of_service.runs_completed;
        let failed = match of_service.failed_share() {
            Some(share) if decided >= self.settings.runs_min => {
                Seen::figure(share, format!("{} of {decided} runs failed", of_service.runs_failed))
            }
            _ => Seen::NotHere,
        };
        add(rules::FAILED_RUNS, failed);
        add(rules::BUDGET, self.burn());
    }

    /// The objective whose budget burns fastest: by its slower window, so that an old burst fires no more.
    fn burn(&self) -> Seen {
        let counts = BURN_WINDOWS.map(|window| self.objectives.counts_of_service(window));
        let targets = self.objectives.targets();
        let rate = |objective: Objective| {
            let is_some = counts.iter().all(|counts| objective.events(counts, targets).0 >= BAD_EVENTS_MIN);
            let burns = counts.iter().map(|counts| objective.burn(counts, targets));
            (objective, if is_some { burns.fold(f64::INFINITY, f64::min) } else { 0.0 })
        };
        let fastest =
            Objective::ALL.map(rate).into_iter().max_by(|(_, one), (_, other)| one.total_cmp(other));
        fastest.map_or(Seen::NotHere, |(objective, burn)| {
            let name = objective.as_str();
            Seen::figure(burn, format!("the budget of {name} burns {burn:.1} times as fast as it may"))
        })
    }

    fn of_health(&self, watched: &Watched, add: &mut impl FnMut(&str, Seen)) {
        let measured = &watched.measured;
        let flag = |is_on: bool, detail: String| Seen::figure(if is_on { 1.0 } else { 0.0 }, detail);
        add(
            rules::POOL,
            watched.pool_share.map_or(Seen::NotHere, |share| {
                Seen::figure(share, format!("{:.0} % of the pool is in use", share * 100.0))
            }),
        );
        let breaker = watched.breaker.clone();
        add(
            rules::DATABASE_BREAKER,
            match watched.uses_database {
                true => flag(breaker.is_some(), breaker.unwrap_or_default()),
                false => Seen::NotHere,
            },
        );
        add(rules::MODEL, flag(watched.model.is_some(), watched.model.clone().unwrap_or_default()));
        let failure = watched.file_alarm.clone().or_else(|| match &watched.files {
            Some(Err(error)) => Some(error.message.clone()),
            Some(Ok(())) | None => None,
        });
        add(rules::FILES, flag(failure.is_some(), failure.unwrap_or_default()));
        add(
            rules::UNSYNCED,
            counted(
                measured.oldest_unsynced_seconds.filter(|_| watched.uses_database),
                "seconds is how long the oldest part waits for the database",
            ),
        );
        add(rules::CONFLICTS, counted(count(measured.conflicts), "runs differ"));
        add(rules::MISSING_ROWS, counted(count(measured.missing_rows), "rows are gone"));
        add(rules::STALLED, counted(count(Some(measured.runs_stalled)), "runs make no progress"));
        let at_risk = measured.forecast.as_ref().map(storage::files::DurabilityForecast::runs);
        add(rules::DATA_AT_RISK, counted(count(at_risk), "runs are on this disk alone"));
        add(
            rules::FLAGS_ALARM,
            flag(watched.flags_alarm.is_some(), watched.flags_alarm.clone().unwrap_or_default()),
        );
        let behind = watched.flags.as_ref().map(|flags| flags.behind().len());
        add(rules::FLAGS_DIFFER, counted(count(behind), "replicas have not applied the newest flags"));
    }

    fn of_queue(
        &self,
        watched: &Watched,
        facts: Option<&Result<AlertFacts, StorageError>>,
        add: &mut impl FnMut(&str, Seen),
    ) {
        let workers = match &watched.replicas {
            Some(replicas) => replicas
                .iter()
                .filter(|replica| replica.role != "web" && !replica.is_draining)
                .count()
                .max(usize::from(self.is_worker)),
            // Other replicas are unknown, so a process that executes nothing knows nothing.
            None if self.is_worker => 1,
            None => {
                add(rules::NO_WORKER, Seen::Unknown);
                add(rules::QUEUE_AGE, queue_age(facts));
                return;
            }
        };
        let is_alone = if workers == 0 { 1.0 } else { 0.0 };
        add(rules::NO_WORKER, Seen::figure(is_alone, format!("{workers} replicas execute runs")));
        add(rules::QUEUE_AGE, queue_age(facts));
    }

    fn of_facts(&self, facts: Option<&Result<AlertFacts, StorageError>>, add: &mut impl FnMut(&str, Seen)) {
        let (cost, webhooks) = match facts {
            Some(Ok(facts)) => (
                Seen::figure(facts.usd_today, format!("{:.2} US dollars today", facts.usd_today)),
                Seen::figure(
                    facts.oldest_webhook.unwrap_or_default().as_secs_f64(),
                    format!(
                        "{} webhooks wait, the oldest for {} s",
                        facts.pending_webhooks,
                        facts.oldest_webhook.unwrap_or_default().as_secs()
                    ),
                ),
            ),
            Some(Err(_)) => (Seen::Unknown, Seen::Unknown),
            None => (Seen::NotHere, Seen::NotHere),
        };
        add(rules::COST, cost);
        add(rules::WEBHOOKS, webhooks);
    }
}

fn error_rate(figures: &Figures, requests_min: u64) -> Seen {
    match figures.error_share() {
        Some(share) if figures.requests >= requests_min => {
            let counted = if figures.errors < ERRORS_MIN { 0.0 } else { share };
            Seen::figure(counted, format!("{} of {} answers are errors", figures.errors, figures.requests))
        }
        _ => Seen::NotHere,
    }
}

const AWAY: &str = "the database is away";

fn away() -> StorageError {
    StorageError::new(storage::StorageErrorKind::Unavailable, AWAY)
}

fn queue_age(facts: Option<&Result<AlertFacts, StorageError>>) -> Seen {
    match facts {
        Some(Ok(facts)) => {
            let seconds = facts.oldest_queued.unwrap_or_default().as_secs_f64();
            Seen::figure(seconds, format!("the oldest accepted run has waited for {seconds:.0} s"))
        }
        Some(Err(_)) => Seen::Unknown,
        None => Seen::NotHere,
    }
}

/// A p95 against the previous deployment.
fn of_latency(
    watched: &Watched,
    settings: &AlertsConfig,
    objectives: &Objectives,
    add: &mut impl FnMut(&str, Seen),
) {
    let figures = objectives.figures(settings.window);
    let before = watched.baseline.as_ref().and_then(|report| report.previous.as_ref());
    let seen = match (figures.p95_ms, before) {
        (Some(now), Some(before)) if figures.requests >= settings.requests_min && now > P95_FLOOR_MS => {
            // Histograms resolve no finer.
            let before = before.p95_ms.max(1.0);
            Seen::figure(now / before, format!("the p95 is {now:.0} ms, after {before:.0} ms before"))
        }
        _ => Seen::NotHere,
    };
    add(rules::LATENCY, seen);
}

fn count(number: Option<usize>) -> Option<u64> {
    number.map(|number| u64::try_from(number).unwrap_or(u64::MAX))
}

fn counted(number: Option<u64>, what: &str) -> Seen {
    #[expect(clippy::cast_precision_loss, reason = "a count of runs or seconds")]
    let figure = |number: u64| Seen::figure(number as f64, format!("{number} {what}"));
    number.map_or(Seen::Unknown, figure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_error_wakes_nobody() {
        let of = |requests, errors| error_rate(&Figures { requests, errors, ..Figures::default() }, 20);
        for (requests, errors, wanted) in [(20, 1, 0.0), (20, 2, 0.0), (30, 3, 0.1), (100, 0, 0.0)] {
            let Seen::Figure { value, .. } = of(requests, errors) else { panic!("{requests} answers") };
            assert!((value - wanted).abs() < 1e-9, "{errors} of {requests}: {value}");
        }
        assert_eq!(of(19, 19), Seen::NotHere);
    }
}
