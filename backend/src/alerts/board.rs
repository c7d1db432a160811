//! The alerts of this process, for everybody who shows or tells them.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use parking_lot::Mutex;
use pipeline::clock::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use storage::control_plane::Silence;
use tokio::sync::Notify;

use super::{
    book::{AlertState, Book, Told},
    report::Seen,
    rules::{self, Severity},
};

/// The most changes of mode and deployment that wait for a channel.
const CHANGES_MAX: usize = 20;

/// Where replicas share their alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SharedBy {
    Database,
    Files,
    /// In this process alone: neither store answers, or nobody has looked yet.
    #[default]
    Memory,
}

/// A flip of the storage mode, or a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeEvent {
    pub summary: String,
    pub at: Timestamp,
}

/// How a channel stands.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ChannelStanding {
    pub failures_in_a_row: u32,
    pub last_error: Option<String>,
    pub last_sent_at: Option<Timestamp>,
}

/// The knowledge of this process.
#[derive(Debug, Default)]
pub struct Standing {
    pub book: Book,
    pub silences: Vec<Silence>,
    /// Whether this replica notifies.
    pub leads: bool,
    pub shared_by: SharedBy,
    pub looked_at: Option<Timestamp>,
    pub channels: BTreeMap<&'static str, ChannelStanding>,
    pub changes: VecDeque<ChangeEvent>,
}

/// The news of one alert for a channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Due {
    pub rule: &'static rules::Rule,
    pub told: Told,
    pub detail: String,
    pub value: f64,
    pub replicas: Vec<String>,
    pub resolved_at: Option<Timestamp>,
}

/// The shared standing. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Board(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    standing: Mutex<Standing>,
    told: Notify,
}

impl Board {
    /// Reads or changes the standing, without a wait.
    pub fn with<T>(&self, work: impl FnOnce(&mut Standing) -> T) -> T {
        work(&mut self.0.standing.lock())
    }

    /// The news for a channel now, in the order of the rules. A silenced alert is no news, but its end is.
    #[must_use]
    pub fn due(&self, channel: &str, least: Severity, now: Timestamp) -> Vec<Due> {
        self.with(|standing| {
            if !standing.leads {
                return Vec::new();
            }
            let silenced = |rule: &str| is_silenced(&standing.silences, rule, now);
            let due = rules::RULES.iter().filter(|rule| rule.severity >= least).filter_map(|rule| {
                let entry = standing.book.entries.get(rule.id)?;
                let told = entry.untold(channel)?;
                (told.is_resolved || !silenced(rule.id)).then(|| Due {
                    rule,
                    told,
                    detail: entry.detail.clone(),
                    value: entry.value,
                    replicas: entry.replicas.clone(),
                    resolved_at: entry.resolved_at,
                })
            });
            due.collect()
        })
    }

    /// Takes note that a channel has been told.
    pub fn told(&self, channel: &'static str, due: &[Due], now: Timestamp) {
        self.with(|standing| {
            for one in due {
                if let Some(entry) = standing.book.entries.get_mut(one.rule.id) {
                    entry.told.insert(channel.to_owned(), one.told);
                }
            }
            let known = standing.channels.entry(channel).or_default();
            *known = ChannelStanding { last_sent_at: Some(now), ..ChannelStanding::default() };
        });
        self.0.told.notify_one();
    }

    /// Returns when a channel was told since the last call.
    pub async fn was_told(&self) {
        self.0.told.notified().await;
    }

    /// Takes note that a channel did not take a message. Returns the failures in a row.
    pub fn failed(&self, channel: &'static str, error: &str) -> u32 {
        self.with(|standing| {
            let known = standing.channels.entry(channel).or_default();
            known.failures_in_a_row = known.failures_in_a_row.saturating_add(1);
            known.last_error = Some(error.to_owned());
            known.failures_in_a_row
        })
    }

    /// Takes note that a channel has nothing to be told. Its failures are history then, because nobody tries it again.
    pub fn idle(&self, channel: &str) {
        self.with(|standing| {
            if let Some(known) = standing.channels.get_mut(channel) {
                known.failures_in_a_row = 0;
            }
        });
    }

    /// Adds a change that channels want to know. Of too many, the oldest is dropped.
    pub fn changed(&self, event: ChangeEvent) {
        self.with(|standing| {
            if standing.changes.len() >= CHANGES_MAX {
                standing.changes.pop_front();
            }
            standing.changes.push_back(event);
        });
    }

    /// How many alerts fire, by severity. Silenced ones fire, too.
    #[must_use]
    pub fn firing(&self, severity: Severity) -> usize {
        self.with(|standing| {
            let of = |id: &str| rules::find(id).is_some_and(|rule| rule.severity == severity);
            let entries = standing.book.entries.iter();
            entries.filter(|(id, entry)| of(id) && entry.state() == Some(AlertState::Firing)).count()
        })
    }

    pub(super) fn channels_seen(&self) -> Seen {
        self.with(|standing| {
            let worst = standing.channels.iter().max_by_key(|(_, channel)| channel.failures_in_a_row);
            worst.map_or(Seen::NotHere, |(name, channel)| {
                let failures = channel.failures_in_a_row;
                let error = channel.last_error.as_deref().unwrap_or("it works");
                Seen::figure(f64::from(failures), format!("{name} failed {failures} times: {error}"))
            })
        })
    }
}

/// Whether a rule is silenced at this time.
#[must_use]
pub fn is_silenced(silences: &[Silence], rule: &str, now: Timestamp) -> bool {
    silences.iter().any(|silence| silence.rule == rule && silence.ends_at > now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worst(board: &Board) -> f64 {
        let Seen::Figure { value, .. } = board.channels_seen() else { panic!("a channel has failed") };
        value
    }

    #[test]
    fn an_idle_channel_is_no_outage() {
        let board = Board::default();
        for _ in 0..3 {
            board.failed("pagerduty", "HTTP 500");
        }
        board.failed("slack", "HTTP 500");
        assert_eq!(worst(&board), 3.0);
        board.idle("pagerduty");
        assert_eq!(worst(&board), 1.0, "the other one still fails");
        assert_eq!(board.failed("pagerduty", "HTTP 500"), 1, "it is counted from the start again");
    }
}
