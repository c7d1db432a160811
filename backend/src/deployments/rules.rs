//! The rules by which a deployment is judged. They are pure: one look in, perhaps a verdict out.
//!
//! * At once: the service refuses runs, the database cannot be reached, the golden path fails, processes crash at their start. A look
//!   that finds it is confirmed by the next one, so that a lost packet condemns nobody.
//! * After three failed checks: a health check without an answer, a degraded store, a golden path that fails now and then, a crash
//!   after the start, and figures of answers and runs that are bad again and again. A peak of the machine or the pool is
//!   none.
//! * When it lasts: more than 1 % errors, a p95 above twice that of the baseline, more than 90 % of the machine, an exhausted pool.
//!   Figures far beyond that (5 % errors, four times the p95) need only three looks, each with
//!   something bad since the one before: one burst stays in six looks.

use std::{collections::BTreeSet, time::Duration};

use chrono::TimeDelta;
use pipeline::clock::Timestamp;

use super::{
    grades::{Grade, errors, goes_on, latency, pool, resources, runs},
    look::{Limits, Look, live},
    progress::{Progress, Rule, Snapshot},
    report::{ProcessState, ReportedHealth, SeenProcess, is_store},
    totals::{SpanFigures, Totals},
};

/// Failed checks that decide.
const FAILURES_MAX: usize = 3;
/// Looks that confirm each other.
const CONFIRMED: u32 = 2;
const GROSS_LOOKS: u32 = 3;
/// Looks that one span of figures covers.
const SPAN_LOOKS: u32 = 6;

/// The part of the service that is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Storage,
    /// The database went away under a deployment that had reached it. No other deployment would reach it either.
    DatabaseLost,
    /// The model's provider fails. Every deployment asks the same one.
    ModelLost,
    Crash,
    Service,
}

/// Why a deployment fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub fault: Fault,
    /// A sentence for people.
    pub reason: String,
    pub since: Timestamp,
}

/// Takes one look into the memory. The finding, if the deployment fails.
pub(super) fn observe(progress: &mut Progress, look: &Look, limits: &Limits) -> Option<Finding> {
    let is_gap = progress.last_look.is_some_and(|last| span(last, look.at) > limits.check * 4);
    let totals = totals_of(look);
    let figures = span_figures(progress, look, &totals, limits);
    let last = progress.snapshots.last().map_or_else(Totals::default, |snapshot| snapshot.totals);
    let fresh = totals.since(&last);
    score(progress, look);
    progress.last_look = Some(look.at);
    let keep_after = before(look.at, limits.sustained);
    progress.remember(Snapshot { at: look.at, totals }, keep_after);
    // After a gap, processes that could not report look silent for a moment.
    let crashed = if is_gap { None } else { crashes(progress, look, limits) };
    crashed
        .or_else(|| refuses(progress, look))
        .or_else(|| lost_database(progress, look))
        .or_else(|| failed_smoke(progress, look.at))
        .or_else(|| bad_figures(progress, look, (&figures, &fresh), limits))
        .or_else(|| many_failures(progress, look, limits))
}

/// Notes a golden path.
pub(super) fn note_smoke(progress: &mut Progress, at: Timestamp, passed: bool, detail: String) {
    progress.smoke_failures = if passed { 0 } else { progress.smoke_failures + 1 };
    if !passed {
        progress.fail(at, format!("the golden path failed: {detail}"));
    }
    progress.smoke = Some(super::progress::SmokeResult { at, passed, detail });
}

/// The counters of all processes.
#[must_use]
pub(super) fn totals_of(look: &Look) -> Totals {
    let mut totals = Totals::default();
    for report in look.processes.iter().filter_map(|process| process.report.as_ref()) {
        totals.add(&report.totals);
    }
    totals
}

fn span_figures(progress: &Progress, look: &Look, totals: &Totals, limits: &Limits) -> SpanFigures {
    // The first look covers everything since the start.
    let none = Totals::default();
    let since = before(look.at, limits.check * SPAN_LOOKS);
    totals.since(progress.before(since).map_or(&none, |snapshot| &snapshot.totals))
}

fn has_health(look: &Look, health: ReportedHealth) -> bool {
    live(look).any(|process| {
        process.was_ready && process.report.as_ref().is_some_and(|report| report.health == health)
    })
}

fn score(progress: &mut Progress, look: &Look) {
    progress.looks += 1;
    progress.points += match () {
        () if has_health(look, ReportedHealth::Unhealthy) || has_health(look, ReportedHealth::TimedOut) => {
            0.0
        }
        () if has_health(look, ReportedHealth::Degraded) => 0.5,
        () => 1.0,
    };
}

fn crashes(progress: &mut Progress, look: &Look, limits: &Limits) -> Option<Finding> {
    let crashed = |process: &&SeenProcess| process.state == ProcessState::Crashed;
    let at_start = look.processes.iter().filter(crashed).filter(|process| !process.was_ready).count();
    let was_ready = look.processes.iter().any(|process| process.was_ready);
    let since = before(look.at, look.age);
    if !was_ready && (at_start >= 2 || look.age >= limits.start) {
        let reason = match at_start {
            0 => format!("no process became healthy within {} s", limits.start.as_secs()),
            1 => "its process crashed at the start, and none became healthy".to_owned(),
            many => format!("{many} processes crashed at their start, and none became healthy"),
        };
        return Some(Finding { fault: Fault::Crash, reason, since });
    }
    // Each crash counts once.
    let all = look.processes.iter().filter(crashed).count();
    let is_crash = |failure: &&super::progress::FailedCheck| failure.what.starts_with("a process crashed");
    let known = progress.failures.iter().filter(is_crash).count();
    for _ in known..all.min(known + FAILURES_MAX) {
        progress.fail(look.at, "a process crashed");
    }
    None
}

fn refuses(progress: &mut Progress, look: &Look) -> Option<Finding> {
    if !has_health(look, ReportedHealth::Unhealthy) {
        (progress.unhealthy_since, progress.unhealthy_streak) = (None, 0);
        return None;
    }
    let since = *progress.unhealthy_since.get_or_insert(look.at);
    progress.unhealthy_streak += 1;
    if progress.unhealthy_streak < CONFIRMED {
        return None;
    }
    // A service refuses runs mostly because of its stores.
    let is_storage = live(look)
        .filter_map(|process| process.report.as_ref())
        .any(|report| report.database == Some(false) || report.reasons.iter().any(|reason| is_store(reason)));
    let fault = match is_storage {
        true if progress.has_reached_database => Fault::DatabaseLost,
        true => Fault::Storage,
        false => Fault::Service,
    };
    Some(Finding { fault, reason: "it refuses runs: /health answers 503".to_owned(), since })
}

fn lost_database(progress: &mut Progress, look: &Look) -> Option<Finding> {
    let answers: Vec<bool> = live(look).filter_map(|process| process.report.as_ref()?.database).collect();
    if answers.contains(&true) {
        progress.has_reached_database = true;
    }
    if !answers.contains(&false) {
        (progress.database_lost_since, progress.database_streak) = (None, 0);
        return None;
    }
    let since = *progress.database_lost_since.get_or_insert(look.at);
    progress.database_streak += 1;
    if progress.database_streak < CONFIRMED {
        return None;
    }
    let (fault, reason) = if progress.has_reached_database {
        (Fault::DatabaseLost, "the connection to the database fails, after it had worked")
    } else {
        (Fault::Storage, "the database has never been reached")
    };
    Some(Finding { fault, reason: reason.to_owned(), since })
}

fn failed_smoke(progress: &Progress, at: Timestamp) -> Option<Finding> {
    if progress.smoke_failures < CONFIRMED {
        return None;
    }
    let smoke = progress.smoke.as_ref();
    let detail = smoke.map_or("", |smoke| smoke.detail.as_str());
    let since = progress.failures.iter().find(|failure| failure.what.starts_with("the golden path"));
    Some(Finding {
        fault: Fault::Service,
        reason: format!("the golden path fails: {detail}"),
        since: since.map_or(at, |failure| failure.at),
    })
}

fn bad_figures(
    progress: &mut Progress,
    look: &Look,
    (figures, fresh): (&SpanFigures, &SpanFigures),
    limits: &Limits,
) -> Option<Finding> {
    let is_most = |failures: u64| failures > 0 && failures * 2 >= figures.failed_runs;
    let of_runs = match () {
        () if is_most(figures.storage_failures) => Fault::Storage,
        () if is_most(figures.model_failures) => Fault::ModelLost,
        () => Fault::Service,
    };
    let grades = [
        (Rule::Errors, Fault::Service, errors(figures, limits)),
        (Rule::Runs, of_runs, runs(figures)),
        (Rule::Latency, Fault::Service, latency(figures, limits)),
        (Rule::Resources, Fault::Service, resources(look)),
        (Rule::Pool, Fault::Storage, pool(look)),
    ];
    let mut found = None;
    for (rule, fault, grade) in grades {
        let state = progress.rules.entry(rule).or_default();
        let (reason, is_gross) = match grade {
            // A quiet moment clears nothing. After a quiet span, what comes next is another event.
            Grade::Unknown if state.silent_looks < SPAN_LOOKS => {
                state.silent_looks += 1;
                continue;
            }
            Grade::Unknown | Grade::Good => {
                *state = super::progress::RuleState::default();
                continue;
            }
            Grade::Bad(reason) => (reason, false),
            Grade::Gross(reason) => (reason, true),
        };
        let since = *state.bad_since.get_or_insert(look.at);
        state.streak += 1;
        state.silent_looks = 0;
        // A look without news confirms nothing, and clears nothing either.
        let is_confirmed = goes_on(rule, fresh, limits);
        state.gross_streak = if is_gross { state.gross_streak + u32::from(is_confirmed) } else { 0 };
        let is_new = state.streak == 1;
        let is_gross = is_confirmed && state.gross_streak >= GROSS_LOOKS;
        // A peak of the machine or the pool counts only when it lasts, and an outage of the provider never.
        let is_peak = matches!(rule, Rule::Resources | Rule::Pool);
        if is_new && !is_peak && fault != Fault::ModelLost {
            progress.fail(look.at, reason.clone());
        }
        if found.is_none() && (is_gross || span(since, look.at) >= limits.sustained) {
            found = Some(Finding { fault, reason, since });
        }
    }
    found
}

fn many_failures(progress: &mut Progress, look: &Look, limits: &Limits) -> Option<Finding> {
    if has_health(look, ReportedHealth::TimedOut) {
        progress.fail(look.at, "the health check has no answer");
    } else if has_health(look, ReportedHealth::Degraded) {
        let reports = live(look).filter_map(|process| process.report.as_ref());
        let stores: BTreeSet<&str> = reports
            .flat_map(|report| &report.reasons)
            .map(String::as_str)
            .filter(|name| is_store(name))
            .collect();
        let stores = stores.into_iter().collect::<Vec<_>>().join(", ");
        progress.fail(look.at, format!("a store does not work as configured: {stores}"));
    }
    let after = before(look.at, limits.sustained);
    let lately: Vec<_> = progress.failures.iter().filter(|failure| failure.at >= after).collect();
    let (first, last) = (lately.first()?, lately.last()?);
    if lately.len() < FAILURES_MAX {
        return None;
    }
    let is_storage =
        lately.iter().filter(|failure| failure.what.starts_with("a store")).count() * 2 > lately.len();
    let fault = match is_storage {
        true if progress.database_lost_since.is_some() && progress.has_reached_database => {
            Fault::DatabaseLost
        }
        true => Fault::Storage,
        false => Fault::Service,
    };
    let (count, what) = (lately.len(), &last.what);
    Some(Finding { fault, reason: format!("{count} checks failed; the last: {what}"), since: first.at })
}

/// The time between two points.
fn span(from: Timestamp, to: Timestamp) -> Duration {
    to.signed_duration_since(from).to_std().unwrap_or_default()
}

fn before(at: Timestamp, span: Duration) -> Timestamp {
    let span = TimeDelta::from_std(span).unwrap_or(TimeDelta::MAX);
    at.checked_sub_signed(span).unwrap_or(Timestamp::MIN_UTC)
}
