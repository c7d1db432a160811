//! Every rule: what it watches, when it fires, and what to type then.
//!
//! A rule fires when its figure is above its threshold for as long as it says. `ALERT_RULES` changes the threshold and the time of
//! each, or switches it off.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Look at it today.
    Warning,
    /// Wake somebody.
    Critical,
}

impl Severity {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// One rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// Stable, for programs.
    pub id: &'static str,
    pub severity: Severity,
    /// The problem when it fires, for people.
    pub title: &'static str,
    /// The unit of figure and threshold.
    pub unit: &'static str,
    pub threshold: f64,
    /// How long the figure has to stay above the threshold.
    pub hold: Duration,
    /// The command to type next.
    pub hint: &'static str,
}

/// How a rule is set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RuleSetting {
    pub is_on: bool,
    pub threshold: f64,
    pub hold: Duration,
}

impl Rule {
    /// The setting of a rule that nobody has changed.
    #[must_use]
    pub const fn default_setting(&self) -> RuleSetting {
        RuleSetting { is_on: true, threshold: self.threshold, hold: self.hold }
    }
}

const fn rule(
    id: &'static str,
    severity: Severity,
    title: &'static str,
    (threshold, unit): (f64, &'static str),
    hold_seconds: u64,
    hint: &'static str,
) -> Rule {
    Rule { id, severity, title, unit, threshold, hold: Duration::from_secs(hold_seconds), hint }
}

use Severity::{Critical, Warning};

/// All rules.
pub const RULES: [Rule; 22] = [
    // One answer in a hundred is what users notice; a minute outlasts a deployment's hiccup.
    rule(
        ERROR_RATE,
        Critical,
        "too many answers are errors of the service",
        (0.01, "of the answers"),
        60,
        "innovation status",
    ),
    // The contract's limit against the previous deployment.
    rule(
        LATENCY,
        Warning,
        "requests are slower than before",
        (2.0, "times the baseline"),
        120,
        "innovation status",
    ),
    // A full pool makes every caller wait. Half a minute is longer than any burst of short statements.
    rule(POOL, Critical, "the database pool is exhausted", (0.95, "of the pool"), 30, "innovation doctor"),
    // The breaker itself waits for three failures.
    rule(
        DATABASE_BREAKER,
        Critical,
        "the database is not used: its breaker is open",
        (0.0, "breakers open"),
        0,
        "innovation doctor",
    ),
    // Rate limits of a minute are everyday.
    rule(MODEL, Warning, "the model is not asked", (0.0, "pauses"), 60, "innovation doctor"),
    // A disk may stall for a second. Half a minute holds three looks.
    rule(FILES, Critical, "the file storage fails", (0.0, "failures"), 30, "innovation doctor"),
    // Reconciliation needs seconds; five minutes mean that it does not get on.
    rule(
        UNSYNCED,
        Warning,
        "the database lacks parts of runs for too long",
        (300.0, "seconds"),
        0,
        "innovation reconcile --dry-run",
    ),
    // Only a person settles a conflict.
    rule(
        CONFLICTS,
        Warning,
        "rows and files of runs differ",
        (0.0, "runs"),
        0,
        "innovation reconcile --dry-run",
    ),
    rule(
        MISSING_ROWS,
        Warning,
        "rows of ended runs are gone from the database",
        (0.0, "runs"),
        0,
        "innovation reconcile --dry-run",
    ),
    // A run counts as stalled after STAGE_DEADLINE_SECONDS, which is long already.
    rule(STALLED, Warning, "runs make no progress", (0.0, "runs"), 0, "innovation runs"),
    rule(
        FAILED_RUNS,
        Warning,
        "too many runs fail",
        (0.2, "of the runs"),
        0,
        "innovation runs --status failed",
    ),
    // A stage takes up to a minute; five minutes without a worker are not normal.
    rule(
        QUEUE_AGE,
        Warning,
        "accepted runs wait too long for a worker",
        (300.0, "seconds"),
        60,
        "innovation status",
    ),
    // A deployment replaces workers within a minute.
    rule(
        NO_WORKER,
        Critical,
        "no replica executes runs",
        (0.0, "services without a worker"),
        60,
        "innovation status",
    ),
    // About a thousand runs with the default models; every operator sets their own.
    rule(
        COST,
        Warning,
        "the model's calls of today cost more than planned",
        (100.0, "US dollars today"),
        0,
        "innovation runs",
    ),
    // The seventh attempt of a delivery is two minutes after the first; a quarter of an hour means that the receiver is away.
    rule(
        WEBHOOKS,
        Warning,
        "webhooks wait too long for their receiver",
        (900.0, "seconds"),
        0,
        "innovation webhooks status",
    ),
    // A change reaches every replica within two seconds.
    rule(
        FLAGS_DIFFER,
        Warning,
        "replicas run with different flags",
        (0.0, "replicas behind"),
        30,
        "innovation flags list",
    ),
    rule(
        FLAGS_ALARM,
        Warning,
        "a source of flags has a problem",
        (0.0, "problems"),
        0,
        "innovation flags list",
    ),
    // A drain at SIGTERM needs the database for as long.
    rule(
        DATA_AT_RISK,
        Warning,
        "a redeploy now would lose data that only an ephemeral disk has",
        (0.0, "runs"),
        300,
        "innovation reconcile",
    ),
    rule(
        DEPLOYMENT,
        Critical,
        "the deployment is failing",
        (0.0, "deployments"),
        0,
        "innovation deploy status",
    ),
    rule(PLATFORM, Warning, "the platform reports an outage", (0.0, "incidents"), 0, "innovation doctor"),
    // At this rate, an hour uses up more than half of a day's budget.
    rule(
        BUDGET,
        Critical,
        "an error budget burns too fast",
        (14.4, "times the sustainable rate"),
        0,
        "innovation status",
    ),
    // One lost message is no news; three in a row are an outage of the channel.
    rule(
        CHANNEL,
        Warning,
        "a channel of alerts does not take messages",
        (2.0, "failures in a row"),
        0,
        "innovation alerts list",
    ),
];

pub const ERROR_RATE: &str = "error-rate";
pub const LATENCY: &str = "latency-p95";
pub const POOL: &str = "pool-exhausted";
pub const DATABASE_BREAKER: &str = "database-breaker";
pub const MODEL: &str = "model-away";
pub const FILES: &str = "file-storage";
pub const UNSYNCED: &str = "unsynced-age";
pub const CONFLICTS: &str = "conflicts";
pub const MISSING_ROWS: &str = "missing-rows";
pub const STALLED: &str = "stalled-runs";
pub const FAILED_RUNS: &str = "failed-runs";
pub const QUEUE_AGE: &str = "queue-age";
pub const NO_WORKER: &str = "no-worker";
pub const COST: &str = "cost-day";
pub const WEBHOOKS: &str = "webhook-backlog";
pub const FLAGS_DIFFER: &str = "flags-differ";
pub const FLAGS_ALARM: &str = "flags-alarm";
pub const DATA_AT_RISK: &str = "data-at-risk";
pub const DEPLOYMENT: &str = "deployment-failing";
pub const PLATFORM: &str = "platform-outage";
pub const BUDGET: &str = "budget-burn";
pub const CHANNEL: &str = "alert-channel";

/// The rule with this id.
#[must_use]
pub fn find(id: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_plain_and_distinct() {
        for (index, rule) in RULES.iter().enumerate() {
            assert!(rule.id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
            assert!(RULES.iter().skip(index + 1).all(|other| other.id != rule.id), "{}", rule.id);
            assert!(rule.hint.starts_with("innovation "), "{}", rule.id);
        }
        assert_eq!(find(QUEUE_AGE).map(|rule| rule.id), Some(QUEUE_AGE));
        assert_eq!(find("all"), None, "the word for every rule");
    }
}
