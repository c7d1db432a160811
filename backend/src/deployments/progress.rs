//! The arbiter's memory of a deployment. It is stored after each look, so that another replica, or the next process, goes on there.

use std::collections::BTreeMap;

use pipeline::clock::Timestamp;
use serde::{Deserialize, Serialize};

use super::totals::Totals;

/// The most snapshots: enough for the window at every interval, and few enough for a note of 64 KB.
const SNAPSHOTS_MAX: usize = 24;

/// The most failed checks that are remembered. Three decide.
const FAILURES_MAX: usize = 16;

/// A rule about figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    Errors,
    Runs,
    Latency,
    Resources,
    Pool,
}

/// How long a figure has been bad.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct RuleState {
    /// Since when, without a good look in between.
    pub bad_since: Option<Timestamp>,
    /// Bad looks in a row.
    pub streak: u32,
    /// Looks in a row that were far beyond the limit.
    pub gross_streak: u32,
    /// Looks since the last bad one that had too little to say.
    #[serde(default)]
    pub silent_looks: u32,
}

/// The counters at a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    pub at: Timestamp,
    pub totals: Totals,
}

/// One failed check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedCheck {
    pub at: Timestamp,
    pub what: String,
}

/// The result of a golden path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmokeResult {
    pub at: Timestamp,
    pub passed: bool,
    pub detail: String,
}

/// The memory.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    pub looks: u32,
    /// The sum of 1 for each healthy look and a half for each degraded one.
    pub points: f64,
    pub last_look: Option<Timestamp>,
    /// The oldest first.
    pub snapshots: Vec<Snapshot>,
    pub rules: BTreeMap<Rule, RuleState>,
    pub failures: Vec<FailedCheck>,
    /// Since when `/health` is 503, and how many looks in a row.
    pub unhealthy_since: Option<Timestamp>,
    pub unhealthy_streak: u32,
    /// Whether this deployment has ever reached its database.
    pub has_reached_database: bool,
    pub database_lost_since: Option<Timestamp>,
    pub database_streak: u32,
    /// The last golden path, and how many failed in a row.
    pub smoke: Option<SmokeResult>,
    pub smoke_failures: u32,
    /// Requests and runs of golden paths. They are no traffic.
    pub own_requests: u64,
    pub own_runs: u64,
    /// The storage mode of the last healthy deployment, and the rollbacks since: known also while the database is away.
    pub healthy_mode: Option<String>,
    pub rollbacks_in_a_row: usize,
    /// The result of the action after a failing verdict, as `observe`, `flags: …` or `railway: …`. None: it is still to be done.
    pub action: Option<String>,
    /// How often the action was tried.
    pub action_attempts: u32,
}

impl Progress {
    /// The newest of several memories. An action, its attempts and the mark of a verdict come after the last look.
    #[must_use]
    pub fn newest(memories: impl Iterator<Item = Self>) -> Self {
        let order = |memory: &Self| {
            (memory.last_look, memory.action.is_some(), memory.action_attempts, memory.failures.len())
        };
        memories.max_by_key(order).unwrap_or_default()
    }

    /// Keeps a snapshot. Those before `keep_after` go, but for the newest of them, and so do those that are too close together.
    pub fn remember(&mut self, snapshot: Snapshot, keep_after: Timestamp) {
        let old = self.snapshots.iter().filter(|kept| kept.at <= keep_after).count();
        self.snapshots.drain(..old.saturating_sub(1));
        self.snapshots.push(snapshot);
        if self.snapshots.len() > SNAPSHOTS_MAX {
            let mut index = 0_usize;
            // The first one and the newest ones stay.
            let newest = self.snapshots.len() - SNAPSHOTS_MAX / 2;
            self.snapshots.retain(|_| {
                index += 1;
                index == 1 || index > newest || index.is_multiple_of(2)
            });
        }
    }

    /// The newest counters that are at least as old as this time; the oldest ones otherwise.
    #[must_use]
    pub fn before(&self, at: Timestamp) -> Option<&Snapshot> {
        let older = self.snapshots.iter().rev().find(|snapshot| snapshot.at <= at);
        older.or_else(|| self.snapshots.first())
    }

    pub fn fail(&mut self, at: Timestamp, what: impl Into<String>) {
        self.failures.push(FailedCheck { at, what: what.into() });
        let too_many = self.failures.len().saturating_sub(FAILURES_MAX);
        self.failures.drain(..too_many);
    }

    /// Whether some figure is bad now.
    #[must_use]
    pub fn is_bad_now(&self) -> bool {
        self.rules.values().any(|rule| rule.bad_since.is_some())
            || self.unhealthy_since.is_some()
            || self.database_lost_since.is_some()
            || self.smoke_failures > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tried_action_is_newer_than_its_look() {
        let looked = Progress { looks: 1, last_look: Some(Timestamp::UNIX_EPOCH), ..Progress::default() };
        let mut marked = looked.clone();
        marked.fail(Timestamp::UNIX_EPOCH, "verdict: Storage");
        let tried = Progress { action_attempts: 1, ..marked.clone() };
        let acted = Progress { action: Some("observe".to_owned()), ..tried.clone() };
        let all = [acted, tried, marked, looked];
        for count in 0..all.len() {
            let newest = Progress::newest(all[count..].iter().cloned());
            assert_eq!(newest, all[count], "the older ones come later");
        }
    }
}
