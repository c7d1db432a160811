//! How bad a figure is.

use super::{
    look::{Limits, Look, live},
    progress::Rule,
    totals::SpanFigures,
};

/// Errors above this share of the requests are too many.
const ERROR_SHARE_MAX: f64 = 0.01;
/// So many errors need no five minutes.
const ERROR_SHARE_GROSS: f64 = 0.05;
/// The p95 may be so many times that of the baseline.
const LATENCY_TIMES_MAX: f64 = 2.0;
const LATENCY_TIMES_GROSS: f64 = 4.0;
/// A difference below this is noise of the histogram.
const LATENCY_NOISE_MS: f64 = 10.0;
/// CPU or memory above this share.
const RESOURCES_MAX: f64 = 0.9;
/// Every connection is taken.
const POOL_EXHAUSTED: f64 = 0.999;
/// Fewer requests in a span say nothing about a share or a quantile.
const REQUESTS_PER_SPAN_MIN: u64 = 20;
/// Fewer errors may be chance.
const ERRORS_MIN: u64 = 3;

/// How bad a figure is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Grade {
    /// Too little to say.
    Unknown,
    Good,
    Bad(String),
    Gross(String),
}

#[must_use]
pub(super) fn errors(figures: &SpanFigures, limits: &Limits) -> Grade {
    if figures.requests < REQUESTS_PER_SPAN_MIN {
        return Grade::Unknown;
    }
    // A deployment that takes over errors of its predecessor is not worse than that.
    let before = limits.baseline.map_or(0.0, |(_, errors)| errors);
    let inherited = if before > ERROR_SHARE_MAX { before } else { 0.0 };
    if figures.errors < ERRORS_MIN || figures.error_share <= inherited + ERROR_SHARE_MAX {
        return Grade::Good;
    }
    let reason = format!("{:.1} % of the answers are errors", figures.error_share * 100.0);
    if figures.error_share > inherited + ERROR_SHARE_GROSS {
        Grade::Gross(reason)
    } else {
        Grade::Bad(reason)
    }
}

#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts of runs")]
pub(super) fn runs(figures: &SpanFigures) -> Grade {
    if figures.runs == 0 {
        return Grade::Unknown;
    }
    let share = figures.failed_runs as f64 / figures.runs as f64;
    if figures.failed_runs < ERRORS_MIN || share <= ERROR_SHARE_MAX {
        return Grade::Good;
    }
    let reason = format!("{} of {} runs failed", figures.failed_runs, figures.runs);
    if share > ERROR_SHARE_GROSS { Grade::Gross(reason) } else { Grade::Bad(reason) }
}

#[must_use]
pub(super) fn latency(figures: &SpanFigures, limits: &Limits) -> Grade {
    let Some((before, _)) = limits.baseline else { return Grade::Unknown };
    if figures.requests < REQUESTS_PER_SPAN_MIN {
        return Grade::Unknown;
    }
    let now = figures.p95_ms;
    if now <= before * LATENCY_TIMES_MAX || now - before < LATENCY_NOISE_MS {
        return Grade::Good;
    }
    let reason = format!("the p95 of {now:.0} ms is above twice {before:.0} ms");
    if now > before * LATENCY_TIMES_GROSS { Grade::Gross(reason) } else { Grade::Bad(reason) }
}

#[must_use]
pub(super) fn resources(look: &Look) -> Grade {
    let reports = live(look).filter_map(|process| process.report.as_ref());
    let used = reports.flat_map(|report| [("CPU", report.cpu_share), ("memory", report.memory_share)]);
    worst(used, RESOURCES_MAX)
}

#[must_use]
pub(super) fn pool(look: &Look) -> Grade {
    let reports = live(look).filter_map(|process| process.report.as_ref());
    worst(reports.map(|report| ("database pool", report.pool_share)), POOL_EXHAUSTED)
}

/// Whether the figures since the last look are bad too. Those of a span stay bad for as long as it covers one burst.
#[must_use]
pub(super) fn goes_on(rule: Rule, fresh: &SpanFigures, limits: &Limits) -> bool {
    match rule {
        Rule::Errors => fresh.errors > 0,
        Rule::Runs => fresh.failed_runs > 0,
        Rule::Latency => limits.baseline.is_some_and(|(before, _)| fresh.p95_ms > before * LATENCY_TIMES_MAX),
        Rule::Resources | Rule::Pool => true,
    }
}

fn worst<'a>(used: impl Iterator<Item = (&'a str, Option<f64>)>, limit: f64) -> Grade {
    let used: Vec<(&str, f64)> = used.filter_map(|(what, share)| Some((what, share?))).collect();
    match used.iter().max_by(|(_, one), (_, other)| one.total_cmp(other)) {
        None => Grade::Unknown,
        Some((what, share)) if *share > limit => {
            Grade::Bad(format!("the {what} is used by {:.0} %", share * 100.0))
        }
        Some(_) => Grade::Good,
    }
}
