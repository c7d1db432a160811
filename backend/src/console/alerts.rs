//! Alerts: what fires and what is pending, silences, objectives, and a message to try a channel.

use std::time::Duration;

use askama::Template;
use axum::{extract::Path, http::StatusCode, response::Response};
use pipeline::clock::Timestamp;

use super::{
    form::Form,
    operations::reason,
    page::{Page, Section, Visit, go_to, html},
    parts::{self, Markup, Tone, badge},
};
use crate::{
    alerts::{
        admin::AlertError,
        board::SharedBy,
        book::AlertState,
        rules::Severity,
        view::{AlertListing, AlertView},
    },
    http::error::{FieldProblem, Problem},
};

#[derive(Template)]
#[template(path = "console/alerts.html")]
struct Alerts {
    page: Page,
    live: Live,
    rules: Vec<(&'static str, &'static str)>,
    channels: Vec<Channel>,
}

/// The part that is refreshed.
#[derive(Template)]
#[template(path = "console/alerts_live.html")]
struct Live {
    alerts: Vec<Row>,
    silences: Vec<Silenced>,
    objectives: Vec<Objective>,
    shared: &'static str,
    looked: Option<Markup>,
    may_operate: bool,
}

/// One alert.
struct Row {
    alert: AlertView,
    state: Markup,
    severity: Markup,
    figure: String,
    since: Option<Markup>,
    silenced: Option<String>,
}

struct Silenced {
    id: String,
    rule: String,
    reason: String,
    actor: String,
    ends: String,
}

struct Objective {
    name: String,
    target: String,
    share: String,
    budget: Markup,
}

struct Channel {
    name: &'static str,
    state: Markup,
    last: Option<Markup>,
    error: String,
}

fn minute(at: Timestamp) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}

/// A number with four places at most, and no idle zeros.
fn short(number: f64) -> String {
    let text = format!("{number:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn row(alert: AlertView, now: Timestamp) -> Row {
    Row {
        state: match alert.state {
            AlertState::Firing => badge(Tone::Bad, "firing"),
            AlertState::Pending => badge(Tone::Warn, "pending"),
            AlertState::Resolved => badge(Tone::Good, "resolved"),
        },
        severity: match alert.severity {
            Severity::Critical => badge(Tone::Bad, "critical"),
            Severity::Warning => badge(Tone::Warn, "warning"),
        },
        figure: format!("{} {}; limit {}", short(alert.value), alert.unit, short(alert.threshold)),
        since: alert.resolved_at.or(alert.fired_at).or(alert.since).map(|at| parts::time(at, now)),
        silenced: alert.silenced_until.map(minute),
        alert,
    }
}

/// The rest of an error budget, in words. 1 is the whole budget; below 0 it is overspent.
fn budget(left: f64) -> String {
    if left < 0.0 { format!("spent {:.1} times", 1.0 - left) } else { format!("{:.0} % left", left * 100.0) }
}

impl Live {
    fn of(listing: AlertListing, visit: &Visit) -> Self {
        let now = visit.now();
        let objective = |report: crate::objectives::ObjectiveReport| Objective {
            name: serde_json::to_value(report.objective)
                .ok()
                .and_then(|name| name.as_str().map(|name| name.replace('_', " ")))
                .unwrap_or_default(),
            target: format!("{:.2} %", report.target * 100.0),
            share: report
                .share
                .map_or_else(|| parts::UNKNOWN.to_owned(), |share| format!("{:.2} %", share * 100.0)),
            budget: badge(
                if report.budget_left > 0.5 {
                    Tone::Good
                } else if report.budget_left > 0.0 {
                    Tone::Warn
                } else {
                    Tone::Bad
                },
                &budget(report.budget_left),
            ),
        };
        Self {
            alerts: listing.alerts.into_iter().map(|alert| row(alert, now)).collect(),
            silences: listing
                .silences
                .into_iter()
                .map(|silence| Silenced {
                    ends: minute(silence.ends_at),
                    id: silence.id,
                    rule: silence.rule,
                    reason: silence.reason,
                    actor: silence.actor,
                })
                .collect(),
            objectives: listing.objectives.into_iter().map(objective).collect(),
            shared: match listing.shared_by {
                SharedBy::Database => "shared through the database",
                SharedBy::Files => "shared through the file storage",
                SharedBy::Memory => "known to this replica alone",
            },
            looked: listing.looked_at.map(|at| parts::time(at, now)),
            may_operate: visit.caller.may(storage::control_plane::Permission::Operate),
        }
    }
}

/// `GET /console/alerts`
pub(super) async fn show(visit: Visit) -> Response {
    let listing = visit.state.alerts.list();
    let now = visit.now();
    let rules = listing.rules.iter().filter(|rule| rule.is_on).map(|rule| (rule.rule, rule.title)).collect();
    let channels = listing.channels.iter().map(|channel| Channel {
        name: channel.channel,
        state: match (channel.failures_in_a_row, channel.last_sent_at) {
            (0, Some(_)) => badge(Tone::Good, "works"),
            (0, None) => badge(Tone::Quiet, "not used yet"),
            (failures, _) => badge(Tone::Bad, &format!("{failures} failures in a row")),
        },
        last: channel.last_sent_at.map(|at| parts::time(at, now)),
        error: channel.last_error.clone().unwrap_or_default(),
    });
    let page = Alerts {
        page: visit.page(Section::Alerts, "Alerts"),
        rules,
        channels: channels.collect(),
        live: Live::of(listing, &visit),
    };
    html(StatusCode::OK, &page)
}

/// `GET /console/alerts/live`
pub(super) async fn live(visit: Visit) -> Response {
    html(StatusCode::OK, &Live::of(visit.state.alerts.list(), &visit))
}

/// `POST /console/alerts/silences`
pub(super) async fn silence(visit: Visit, form: Form) -> Result<Response, Problem> {
    let minutes: u64 = form.text("minutes").and_then(|text| text.parse().ok()).ok_or_else(|| {
        let detail = "must be a whole number of minutes".to_owned();
        Problem::fields(vec![FieldProblem { field: "minutes", detail }])
    })?;
    let span = Duration::from_secs(minutes.saturating_mul(60));
    let rule = form.text("rule").unwrap_or_default();
    visit.state.alerts.silence(rule, span, &reason(&form)?, &visit.actor).await?;
    Ok(go_to("/console/alerts", "alert-silenced"))
}

/// `POST /console/alerts/silences/{silence_id}/end`
pub(super) async fn unsilence(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    if uuid::Uuid::try_parse(&id).is_err() {
        return Err(AlertError::UnknownSilence.into());
    }
    visit.state.alerts.end_silence(&id, &visit.actor).await?;
    Ok(go_to("/console/alerts", "silence-ended"))
}

/// `POST /console/alerts/test`
pub(super) async fn test(visit: Visit, form: Form) -> Result<Response, Problem> {
    visit.state.alerts.test(form.text("channel").unwrap_or_default(), &visit.actor).await?;
    Ok(go_to("/console/alerts", "channel-tested"))
}
