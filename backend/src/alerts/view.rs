//! Alerts as people and programs see them.

use std::time::Duration;

use pipeline::{clock::Timestamp, record::millis};
use schemars::JsonSchema;
use serde::Serialize;
use storage::{control_plane::Silence, optional_millis};

use super::{
    board::{SharedBy, Standing},
    book::{AlertState, Entry},
    rules::{RULES, Rule, RuleSetting, Severity},
};
use crate::{
    config::AlertsConfig,
    objectives::{Figures, ObjectiveReport, Objectives},
};

/// One alert.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct AlertView {
    pub rule: &'static str,
    pub severity: Severity,
    pub state: AlertState,
    pub title: &'static str,
    /// The last look.
    pub detail: String,
    pub value: f64,
    pub threshold: f64,
    pub unit: &'static str,
    /// The start of the breach, while there is one.
    #[serde(serialize_with = "optional_millis::serialize")]
    #[schemars(schema_with = "optional_millis::schema")]
    pub since: Option<Timestamp>,
    /// The start of the last episode.
    #[serde(serialize_with = "optional_millis::serialize")]
    #[schemars(schema_with = "optional_millis::schema")]
    pub fired_at: Option<Timestamp>,
    #[serde(serialize_with = "optional_millis::serialize")]
    #[schemars(schema_with = "optional_millis::schema")]
    pub resolved_at: Option<Timestamp>,
    /// The replicas that see it, five at most.
    pub replicas: Vec<String>,
    /// The command to type next.
    pub hint: &'static str,
    /// Until then, no channel is told.
    #[serde(serialize_with = "optional_millis::serialize")]
    #[schemars(schema_with = "optional_millis::schema")]
    pub silenced_until: Option<Timestamp>,
    /// The channels that know its state.
    pub told: Vec<String>,
}

/// One rule, as it is set.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RuleView {
    pub rule: &'static str,
    pub severity: Severity,
    pub title: &'static str,
    pub is_on: bool,
    pub threshold: f64,
    pub unit: &'static str,
    /// How long the figure has to stay above the threshold.
    pub hold_seconds: u64,
    pub hint: &'static str,
}

/// One silence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SilenceView {
    pub id: String,
    pub rule: String,
    pub reason: String,
    /// The name of the key, or `command` for somebody at a shell of the service.
    pub actor: String,
    #[serde(with = "millis")]
    #[schemars(schema_with = "millis::schema")]
    pub created_at: Timestamp,
    #[serde(with = "millis")]
    #[schemars(schema_with = "millis::schema")]
    pub ends_at: Timestamp,
}

/// One channel.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ChannelView {
    pub channel: &'static str,
    /// Failures since it last took a message.
    pub failures_in_a_row: u32,
    pub last_error: Option<String>,
    #[serde(serialize_with = "optional_millis::serialize")]
    #[schemars(schema_with = "optional_millis::schema")]
    pub last_sent_at: Option<Timestamp>,
}

/// All alerts of the service, as one replica knows them.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct AlertListing {
    /// Firing ones first, then pending and resolved ones; the worst first.
    pub alerts: Vec<AlertView>,
    pub silences: Vec<SilenceView>,
    pub rules: Vec<RuleView>,
    /// The configured channels, as this process has used them.
    pub channels: Vec<ChannelView>,
    /// How each service level objective stands, with its error budget. Empty in a command.
    pub objectives: Vec<ObjectiveReport>,
    /// The figures over five minutes, an hour and a day. Empty in a command.
    pub figures: Vec<Figures>,
    /// Where the replicas share their alerts now.
    pub shared_by: SharedBy,
    /// Whether this replica notifies.
    pub notifies: bool,
    /// The last look at the rules. None before the first.
    #[serde(serialize_with = "optional_millis::serialize")]
    #[schemars(schema_with = "optional_millis::schema")]
    pub looked_at: Option<Timestamp>,
}

impl SilenceView {
    #[must_use]
    pub fn of(silence: &Silence) -> Self {
        Self {
            id: silence.id.clone(),
            rule: silence.rule.clone(),
            reason: silence.reason.clone(),
            actor: silence.actor.clone(),
            created_at: silence.created_at,
            ends_at: silence.ends_at,
        }
    }
}

/// A rule and how it is set.
#[must_use]
pub fn settings(settings: &AlertsConfig) -> Vec<(&'static Rule, RuleSetting)> {
    RULES.iter().map(|rule| (rule, settings.rule(rule))).collect()
}

impl AlertListing {
    /// Everything that the standing tells at this time.
    #[must_use]
    pub fn of(
        standing: &Standing,
        config: &AlertsConfig,
        channels: &[&'static str],
        objectives: Option<&Objectives>,
        now: Timestamp,
    ) -> Self {
        let rules = settings(config);
        let mut alerts: Vec<AlertView> = rules
            .iter()
            .filter_map(|(rule, setting)| {
                let entry = standing.book.entries.get(rule.id)?;
                alert(rule, setting, entry, &standing.silences, now)
            })
            .collect();
        alerts.sort_by_key(|alert| (alert.state, std::cmp::Reverse(alert.severity)));
        let rules = rules.into_iter().map(|(rule, setting)| RuleView {
            rule: rule.id,
            severity: rule.severity,
            title: rule.title,
            is_on: setting.is_on,
            threshold: setting.threshold,
            unit: rule.unit,
            hold_seconds: setting.hold.as_secs(),
            hint: rule.hint,
        });
        let current = standing.silences.iter().filter(|silence| silence.ends_at > now);
        let channels = channels.iter().map(|name| {
            let known = standing.channels.get(name).cloned().unwrap_or_default();
            ChannelView {
                channel: name,
                failures_in_a_row: known.failures_in_a_row,
                last_error: known.last_error,
                last_sent_at: known.last_sent_at,
            }
        });
        Self {
            alerts,
            silences: current.map(SilenceView::of).collect(),
            rules: rules.collect(),
            channels: channels.collect(),
            objectives: objectives.map(Objectives::reports).unwrap_or_default(),
            figures: objectives.map(Objectives::windows).unwrap_or_default(),
            shared_by: standing.shared_by,
            notifies: standing.leads,
            looked_at: standing.looked_at,
        }
    }
}

fn alert(
    rule: &Rule,
    setting: &RuleSetting,
    entry: &Entry,
    silences: &[Silence],
    now: Timestamp,
) -> Option<AlertView> {
    let rule = super::rules::find(rule.id)?;
    let silenced = silences.iter().filter(|silence| silence.rule == rule.id && silence.ends_at > now);
    let knows = |told: &super::book::Told| {
        Some(told.fired_at) == entry.fired_at && told.is_resolved == entry.resolved_at.is_some()
    };
    Some(AlertView {
        rule: rule.id,
        severity: rule.severity,
        state: entry.state()?,
        title: rule.title,
        detail: entry.detail.clone(),
        value: entry.value,
        threshold: setting.threshold,
        unit: rule.unit,
        since: entry.breached_since,
        fired_at: entry.fired_at,
        resolved_at: entry.resolved_at,
        replicas: entry.replicas.clone(),
        hint: rule.hint,
        silenced_until: silenced.map(|silence| silence.ends_at).max(),
        told: entry.told.iter().filter(|(_, told)| knows(told)).map(|(channel, _)| channel.clone()).collect(),
    })
}

/// Words for a time span, for messages.
#[must_use]
pub fn span(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3_600),
    }
}
