//! The state of all alerts: pure. The same book lies in memory, in the file storage and in the database.

use std::{collections::BTreeMap, time::Duration};

use pipeline::clock::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    report::Seen,
    rules::{Rule, RuleSetting},
};

/// The longest detail, in characters.
const DETAIL_CHARS_MAX: usize = 400;

/// The state of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    Firing,
    /// Above the threshold, and not for long enough yet.
    Pending,
    /// It has fired, and is over.
    Resolved,
}

impl AlertState {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Pending => "pending",
            Self::Resolved => "resolved",
        }
    }
}

/// The last news that a channel took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The episode, by the time at which it began to fire.
    pub fired_at: Timestamp,
    pub is_resolved: bool,
}

/// One alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The start of the present breach, while there is one.
    pub breached_since: Option<Timestamp>,
    /// The start of the last episode. None if it has never fired.
    pub fired_at: Option<Timestamp>,
    /// None while it fires.
    pub resolved_at: Option<Timestamp>,
    /// When the figure fell below the threshold while it still fires.
    pub calm_since: Option<Timestamp>,
    pub value: f64,
    pub detail: String,
    /// The replicas that see it.
    pub replicas: Vec<String>,
    /// By the name of the channel.
    #[serde(default)]
    pub told: BTreeMap<String, Told>,
    pub updated_at: Timestamp,
}

/// The state of all alerts, by rule. It has one entry a rule at most.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Book {
    #[serde(default)]
    pub entries: BTreeMap<String, Entry>,
    /// The storage mode that channels know.
    #[serde(default)]
    pub mode: Option<String>,
    /// The deployment that channels know.
    #[serde(default)]
    pub deployment: Option<String>,
}

/// A change of a state that people want to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    Fired,
    Resolved,
}

impl Entry {
    #[must_use]
    pub fn is_firing(&self) -> bool {
        self.fired_at.is_some() && self.resolved_at.is_none()
    }

    /// Its state. None if it has never fired and is not about to.
    #[must_use]
    pub fn state(&self) -> Option<AlertState> {
        if self.is_firing() {
            Some(AlertState::Firing)
        } else if self.breached_since.is_some() {
            Some(AlertState::Pending)
        } else {
            self.fired_at.map(|_| AlertState::Resolved)
        }
    }

    /// The news for this channel. None if it knows the present state.
    #[must_use]
    pub fn untold(&self, channel: &str) -> Option<Told> {
        let fired_at = self.fired_at?;
        let now = Told { fired_at, is_resolved: self.resolved_at.is_some() };
        match self.told.get(channel) {
            Some(told) if *told == now => None,
            Some(told) if now.is_resolved && told.is_resolved => None,
            // An episode that nobody was told of needs no end.
            None if now.is_resolved => None,
            _ => Some(now),
        }
    }
}

impl Book {
    /// Takes note of what was seen for a rule.
    pub fn advance(
        &mut self,
        rule: &Rule,
        setting: &RuleSetting,
        seen: &Seen,
        resolve_after: Duration,
        now: Timestamp,
    ) -> Option<Transition> {
        match seen {
            Seen::Figure { value, detail, replicas } if setting.is_on && *value > setting.threshold => {
                let entry = self.entries.entry(rule.id.to_owned()).or_insert_with(|| Entry::new(now));
                entry.value = *value;
                entry.detail = detail.chars().take(DETAIL_CHARS_MAX).collect();
                entry.replicas.clone_from(replicas);
                entry.updated_at = now;
                entry.calm_since = None;
                let since = *entry.breached_since.get_or_insert(now);
                if entry.is_firing() || elapsed(since, now) < setting.hold {
                    return None;
                }
                // Two episodes never have the same time.
                entry.fired_at = Some(now);
                entry.resolved_at = None;
                Some(Transition::Fired)
            }
            // Nobody knows, so nothing changes. A rule that is off is over.
            Seen::Unknown if setting.is_on => None,
            _ => self.calm(rule, resolve_after, now),
        }
    }

    fn calm(&mut self, rule: &Rule, resolve_after: Duration, now: Timestamp) -> Option<Transition> {
        let entry = self.entries.get_mut(rule.id)?;
        if !entry.is_firing() {
            if entry.breached_since.take().is_some() {
                entry.updated_at = now;
            }
            if entry.fired_at.is_none() {
                self.entries.remove(rule.id);
            }
            return None;
        }
        let since = *entry.calm_since.get_or_insert(now);
        if elapsed(since, now) < resolve_after {
            return None;
        }
        entry.breached_since = None;
        entry.calm_since = None;
        entry.resolved_at = Some(now);
        entry.updated_at = now;
        Some(Transition::Resolved)
    }

    /// Takes over what the other book knows better: of each alert the later state, and everything that channels were told.
    pub fn merge(&mut self, other: Self) {
        for (rule, theirs) in other.entries {
            match self.entries.get_mut(&rule) {
                None => {
                    self.entries.insert(rule, theirs);
                }
                Some(mine) if theirs.updated_at > mine.updated_at => *mine = merged(theirs, mine),
                Some(mine) => *mine = merged(mine.clone(), &theirs),
            }
        }
        self.mode = self.mode.take().or(other.mode);
        self.deployment = self.deployment.take().or(other.deployment);
    }

    /// Forgets ended alerts that everybody has been told of for so long.
    pub fn forget(&mut self, keep: Duration, now: Timestamp) {
        self.entries.retain(|_, entry| entry.resolved_at.is_none_or(|at| elapsed(at, now) < keep));
    }
}

impl Entry {
    fn new(now: Timestamp) -> Self {
        Self {
            breached_since: None,
            fired_at: None,
            resolved_at: None,
            calm_since: None,
            value: 0.0,
            detail: String::new(),
            replicas: Vec::new(),
            told: BTreeMap::new(),
            updated_at: now,
        }
    }
}

/// The newer entry, with everything that channels were told.
fn merged(mut newer: Entry, older: &Entry) -> Entry {
    for (channel, told) in &older.told {
        let known = newer.told.entry(channel.clone()).or_insert(*told);
        if (told.fired_at, told.is_resolved) > (known.fired_at, known.is_resolved) {
            *known = *told;
        }
    }
    newer
}

fn elapsed(since: Timestamp, now: Timestamp) -> Duration {
    (now - since).to_std().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::{super::rules, *};

    const RESOLVE: Duration = Duration::from_secs(60);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn figure(value: f64) -> Seen {
        Seen::Figure { value, detail: "so".to_owned(), replicas: vec!["a".to_owned()] }
    }

    fn advance(book: &mut Book, rule: &str, seen: &Seen, seconds: i64) -> Option<Transition> {
        let rule = rules::find(rule).unwrap();
        book.advance(rule, &rule.default_setting(), seen, RESOLVE, at(seconds))
    }

    #[test]
    fn a_breach_is_pending_then_fires_then_resolves() {
        let mut book = Book::default();
        let state = |book: &Book| book.entries.get(rules::ERROR_RATE).and_then(Entry::state);
        assert_eq!(advance(&mut book, rules::ERROR_RATE, &figure(0.5), 0), None);
        assert_eq!(state(&book), Some(AlertState::Pending));
        assert_eq!(advance(&mut book, rules::ERROR_RATE, &figure(0.5), 60), Some(Transition::Fired));
        assert_eq!(advance(&mut book, rules::ERROR_RATE, &figure(0.9), 75), None);
        assert_eq!(advance(&mut book, rules::ERROR_RATE, &figure(0.01), 90), None, "not above");
        assert_eq!(advance(&mut book, rules::ERROR_RATE, &figure(0.5), 149), None, "still the same episode");
        assert_eq!(advance(&mut book, rules::ERROR_RATE, &Seen::NotHere, 150), None);
        assert_eq!(advance(&mut book, rules::ERROR_RATE, &Seen::Unknown, 200), None);
        assert_eq!(state(&book), Some(AlertState::Firing));
        assert_eq!(advance(&mut book, rules::ERROR_RATE, &Seen::NotHere, 210), Some(Transition::Resolved));
        assert_eq!(state(&book), Some(AlertState::Resolved));
        book.forget(Duration::from_secs(100), at(311));
        assert_eq!(book, Book::default());
    }

    #[test]
    fn a_short_breach_leaves_no_trace() {
        let mut book = Book::default();
        advance(&mut book, rules::ERROR_RATE, &figure(0.5), 0);
        advance(&mut book, rules::ERROR_RATE, &figure(0.0), 15);
        assert_eq!(book, Book::default());
    }

    #[test]
    fn each_channel_is_told_once() {
        let mut book = Book::default();
        advance(&mut book, rules::CONFLICTS, &figure(2.0), 0);
        let entry = book.entries.get_mut(rules::CONFLICTS).unwrap();
        let told = entry.untold("slack").unwrap();
        assert!(!told.is_resolved);
        entry.told.insert("slack".to_owned(), told);
        assert_eq!(entry.untold("slack"), None);
        assert!(entry.untold("email").is_some());
        advance(&mut book, rules::CONFLICTS, &figure(0.0), 10);
        advance(&mut book, rules::CONFLICTS, &figure(0.0), 70);
        let entry = &book.entries[rules::CONFLICTS];
        assert!(entry.untold("slack").unwrap().is_resolved);
        assert_eq!(entry.untold("email"), None, "it was never told of the start");
        advance(&mut book, rules::CONFLICTS, &figure(1.0), 90);
        assert!(!book.entries[rules::CONFLICTS].untold("slack").unwrap().is_resolved, "a new episode");
    }

    #[test]
    fn books_keep_what_either_side_told() {
        let mut one = Book::default();
        advance(&mut one, rules::CONFLICTS, &figure(2.0), 0);
        let mut other = one.clone();
        let told = one.entries[rules::CONFLICTS].untold("slack").unwrap();
        one.entries.get_mut(rules::CONFLICTS).unwrap().told.insert("slack".to_owned(), told);
        advance(&mut other, rules::CONFLICTS, &figure(3.0), 15);
        other.merge(one);
        let entry = &other.entries[rules::CONFLICTS];
        assert_eq!((entry.value, entry.untold("slack")), (3.0, None));
        let text = serde_json::to_string(&other).unwrap();
        assert_eq!(serde_json::from_str::<Book>(&text).unwrap(), other);
    }
}
