//! The figures of the first page.

use storage::{Activity, Minute, control_plane::Verdict};

use crate::{
    alerts::rules::Severity,
    console::{
        page::Visit,
        parts::{Figure, Tone, UNKNOWN, ago, count, dollars, span},
        spark,
    },
    deployments::DeploymentView,
    health::{HealthStatus, overview::Overview},
    runs::ACTIVITY_MINUTES,
};

/// How many of the last complete minutes a rate is the mean of.
const RATE_MINUTES: usize = 5;

/// The figures at the top of the page.
pub(super) fn figures(
    visit: &Visit,
    overview: &Overview,
    activity: Option<&Activity>,
    deployment: Option<&DeploymentView>,
) -> Vec<Figure> {
    let mut all = vec![health(overview), mode(overview), queue(overview)];
    all.extend(activity_figures(activity));
    all.push(unsynced(visit, overview));
    all.push(forecast(overview));
    all.push(conflicts(overview));
    all.push(alerts(visit));
    all.push(deployed(visit, deployment));
    all
}

fn alerts(visit: &Visit) -> Figure {
    let firing = visit.state.alerts.firing();
    let Some(first) = firing.first() else {
        return Figure::new("Alerts", "0", "nothing fires").marked(Tone::Quiet);
    };
    let is_critical = firing.iter().any(|alert| alert.severity == Severity::Critical);
    let tone = if is_critical { Tone::Bad } else { Tone::Warn };
    Figure::new("Alerts", count(firing.len()), format!("first: {}", first.title)).marked(tone)
}

fn deployed(visit: &Visit, current: Option<&DeploymentView>) -> Figure {
    let identity = visit.state.health.identity();
    let commit: String = identity.git_sha.chars().take(8).collect();
    let verdict = current.and_then(|current| current.verdict);
    let word = verdict.map_or("no verdict yet", Verdict::as_str);
    let figure = Figure::new("Deployment", commit, format!("version {}, {word}", identity.version));
    match verdict {
        Some(Verdict::Healthy) => figure.marked(Tone::Good),
        Some(Verdict::Failing) => figure.marked(Tone::Bad),
        Some(Verdict::Inconclusive) => figure.marked(Tone::Warn),
        None => figure,
    }
}

fn health(overview: &Overview) -> Figure {
    let (word, tone) = match overview.basic.status {
        HealthStatus::Healthy => ("healthy", Tone::Good),
        HealthStatus::Degraded => ("degraded", Tone::Warn),
        HealthStatus::Unhealthy => ("unhealthy", Tone::Bad),
    };
    let reasons: Vec<String> = overview
        .basic
        .degraded_reasons
        .iter()
        .filter_map(|reason| Some(serde_json::to_value(reason).ok()?.as_str()?.replace('_', " ")))
        .collect();
    let note = if reasons.is_empty() { "works as configured".to_owned() } else { reasons.join(", ") };
    Figure::new("Health", word, note).marked(tone)
}

fn mode(overview: &Overview) -> Figure {
    let (configured, effective) = (overview.storage.mode.as_str(), overview.storage.effective_mode.as_str());
    if configured == effective {
        return Figure::new("Mode", configured, "configured and in effect").marked(Tone::Quiet);
    }
    Figure::new("Mode", effective, format!("in effect; configured is {configured}")).marked(Tone::Warn)
}

fn queue(overview: &Overview) -> Figure {
    let depth = overview.queue_depth.map_or_else(|| UNKNOWN.to_owned(), count);
    let mut note = format!("waiting; {} under way here", count(overview.runs_in_flight));
    let reasons: Vec<String> = overview
        .waiting
        .iter()
        .flatten()
        .filter(|(_, runs)| **runs > 0)
        .map(|(reason, runs)| format!("{} for {}", count(*runs), reason.as_str()))
        .collect();
    if !reasons.is_empty() {
        note = format!("{note}; {}", reasons.join(", "));
    }
    Figure::new("Queue", depth, note)
}

fn activity_figures(activity: Option<&Activity>) -> Vec<Figure> {
    let Some(activity) = activity else {
        let note = "the database is not asked";
        return ["Runs a minute", "Run time", "Failed", "Cost today"]
            .into_iter()
            .map(|name| Figure::new(name, UNKNOWN, note))
            .collect();
    };
    let minutes = activity.minutes.as_slice();
    // The current minute is not over yet, and would make the rate too low.
    let over = minutes.split_last().map_or(&[][..], |(_, rest)| rest);
    let lately = over.get(over.len().saturating_sub(RATE_MINUTES)..).unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "counts of runs")]
    let number = |count: usize| count as f64;
    let sum = |minutes: &[Minute], of: fn(&Minute) -> usize| minutes.iter().map(of).sum::<usize>();
    let accepted: Vec<f64> = over.iter().map(|minute| number(minute.accepted)).collect();
    let rate = number(sum(lately, |minute| minute.accepted)) / number(lately.len().max(1));
    let seconds: Vec<f64> = minutes.iter().filter_map(|minute| minute.mean_seconds).collect();
    let (done, failed) = (sum(minutes, |minute| minute.completed), sum(minutes, |minute| minute.failed));
    let last = |minutes: usize| format!("in the last {minutes} min");
    let hour = last(ACTIVITY_MINUTES);
    let rate_note = format!("mean of {RATE_MINUTES} min; below, {}", last(ACTIVITY_MINUTES - 1));
    let whole = |value: f64| format!("{value:.0}");
    let text = |seconds: f64| {
        #[expect(clippy::cast_possible_truncation, reason = "milliseconds of a run")]
        let millis = (seconds * 1000.0) as i64;
        span(millis)
    };
    let weighed = minutes.iter().filter_map(|minute| Some(minute.mean_seconds? * number(minute.completed)));
    let mean = if done > 0 { text(weighed.sum::<f64>() / number(done)) } else { UNKNOWN.to_owned() };
    let failures = Figure::new("Failed", count(failed), format!("{hour}; {} complete", count(done)));
    let rate = if rate >= 10.0 { whole(rate) } else { format!("{rate:.1}") };
    let rates = spark::line("Runs accepted a minute", &accepted, whole);
    vec![
        Figure::new("Runs a minute", rate, rate_note).with_chart(rates),
        Figure::new("Run time", mean, format!("mean, {hour}"))
            .with_chart(spark::line("Run time", &seconds, text)),
        if failed > 0 { failures.marked(Tone::Warn) } else { failures },
        Figure::new("Cost today", dollars(activity.usd_today), "of all owners, since midnight UTC"),
    ]
}

fn unsynced(visit: &Visit, overview: &Overview) -> Figure {
    let name = "Unsynced";
    let Some(unsynced) = &overview.unsynced else {
        return Figure::new(name, UNKNOWN, "the files do not tell");
    };
    let total = unsynced.runs + unsynced.stages;
    if total == 0 {
        // Nobody knows the gaps of a database that is not asked.
        let note = if overview.storage.writes_database() {
            "the database has everything"
        } else {
            "nothing in these files waits for the database"
        };
        return Figure::new(name, "0", note).marked(Tone::Quiet);
    }
    let more = if unsynced.is_exact { "" } else { "+" };
    let oldest = unsynced.oldest_at.map(|at| format!(", the oldest {}", ago(at, visit.now())));
    let note = format!(
        "{}{more} stages of open or ended runs{}",
        count(unsynced.stages),
        oldest.unwrap_or_default()
    );
    Figure::new(name, format!("{}{more}", count(unsynced.runs)), note).marked(Tone::Warn)
}

fn forecast(overview: &Overview) -> Figure {
    let name = "Lost by a redeploy";
    let Some(forecast) = &overview.forecast else {
        return Figure::new(name, UNKNOWN, "the files do not tell");
    };
    let runs = forecast.open_runs + forecast.ended_runs;
    let more = if forecast.is_exact { "" } else { "+" };
    if runs + forecast.stages == 0 {
        return if forecast.is_exact {
            Figure::new(name, "0", "nothing is on this disk alone").marked(Tone::Quiet)
        } else {
            let note = "too many runs to look at; those looked at are safe";
            Figure::new(name, UNKNOWN, note).marked(Tone::Warn)
        };
    }
    let note = format!("runs, with {}{more} stages that only this disk has", count(forecast.stages));
    Figure::new(name, format!("{}{more}", count(runs)), note).marked(Tone::Bad)
}

fn conflicts(overview: &Overview) -> Figure {
    match overview.conflicts {
        None => Figure::new("Conflicts", UNKNOWN, "the database is not asked"),
        Some(0) => Figure::new("Conflicts", "0", "rows and files agree").marked(Tone::Quiet),
        Some(runs) => Figure::new("Conflicts", count(runs), "runs wait for a person").marked(Tone::Bad),
    }
}
