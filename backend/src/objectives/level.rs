//! The objectives: which share must be good, and how much of the error budget is left.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{counts::Counts, spread::float};

/// The window of error budgets.
pub const BUDGET_WINDOW: Duration = Duration::from_secs(24 * 3_600);

/// The promises of the service.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Targets {
    /// The share of submissions that are accepted. `OBJECTIVE_ACCEPTANCE`
    pub acceptance: f64,
    /// The share of usable runs that complete. `OBJECTIVE_COMPLETION`
    pub completion: f64,
    /// The share of runs whose first stage is stored in time. `OBJECTIVE_FIRST_STAGE`
    pub first_stage: f64,
    /// `OBJECTIVE_FIRST_STAGE_SECONDS`
    pub first_stage_within: Duration,
}

impl Default for Targets {
    fn default() -> Self {
        Self {
            // Three nines: 86 s of refusals a day at an even load.
            acceptance: 0.999,
            // Models fail now and then, after their retries.
            completion: 0.98,
            first_stage: 0.95,
            // A stage takes up to a minute, and a run may wait for a slot before it.
            first_stage_within: Duration::from_secs(120),
        }
    }
}

/// One promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// Submissions are accepted.
    Acceptance,
    /// Usable runs complete.
    Completion,
    /// The first stage is stored in time.
    FirstStage,
}

impl Objective {
    pub const ALL: [Self; 3] = [Self::Acceptance, Self::Completion, Self::FirstStage];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Acceptance => "acceptance",
            Self::Completion => "completion",
            Self::FirstStage => "first_stage",
        }
    }

    /// The promised share, from 0 to 1.
    #[must_use]
    pub fn target(self, targets: &Targets) -> f64 {
        match self {
            Self::Acceptance => targets.acceptance,
            Self::Completion => targets.completion,
            Self::FirstStage => targets.first_stage,
        }
    }

    /// Bad events, and all events.
    #[must_use]
    pub fn events(self, counts: &Counts, targets: &Targets) -> (u64, u64) {
        match self {
            Self::Acceptance => (counts.submissions_refused, counts.submissions),
            Self::Completion => (counts.runs_failed, counts.runs_failed + counts.runs_completed),
            Self::FirstStage => {
                (counts.first_stage.above(targets.first_stage_within), counts.first_stage.count())
            }
        }
    }

    /// How fast the error budget burns: at 1, it is used up exactly at the end of its window. 0 without events.
    #[must_use]
    pub fn burn(self, counts: &Counts, targets: &Targets) -> f64 {
        let (bad, all) = self.events(counts, targets);
        let budget = (1.0 - self.target(targets)) * float(all);
        if bad == 0 || budget <= 0.0 { 0.0 } else { float(bad) / budget }
    }
}

/// How an objective stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ObjectiveReport {
    pub objective: Objective,
    /// The promised share, from 0 to 1.
    pub target: f64,
    /// Events of the last 24 hours.
    pub events: u64,
    pub bad: u64,
    /// The good share of the last 24 hours, from 0 to 1. None without an event.
    pub share: Option<f64>,
    /// The unused share of the day's error budget: 1 if nothing went wrong, negative if more went wrong than promised.
    pub budget_left: f64,
    /// How fast the budget burnt within the last hour: at 1, it lasts exactly a day.
    pub burn_1h: f64,
    /// How fast it burnt within the last 5 minutes.
    pub burn_5m: f64,
}

impl ObjectiveReport {
    /// How an objective stands by the counts of a day, an hour and five minutes.
    #[must_use]
    pub fn of(objective: Objective, targets: &Targets, day: &Counts, hour: &Counts, five: &Counts) -> Self {
        let (bad, events) = objective.events(day, targets);
        Self {
            objective,
            target: objective.target(targets),
            events,
            bad,
            share: (events > 0).then(|| 1.0 - float(bad) / float(events)),
            budget_left: 1.0 - objective.burn(day, targets),
            burn_1h: objective.burn(hour, targets),
            burn_5m: objective.burn(five, targets),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_burns_by_its_target() {
        let targets = Targets::default();
        let counts = Counts { submissions: 10_000, submissions_refused: 5, ..Counts::default() };
        let none = Counts::default();
        let report = ObjectiveReport::of(Objective::Acceptance, &targets, &counts, &counts, &none);
        assert!((report.budget_left - 0.5).abs() < 1e-9, "{report:?}");
        assert!((report.burn_1h - 0.5).abs() < 1e-9 && report.burn_5m == 0.0);
        let report = ObjectiveReport::of(Objective::Completion, &targets, &none, &none, &none);
        assert_eq!((report.share, report.events), (None, 0));
        assert!((report.budget_left - 1.0).abs() < 1e-9);
    }

    #[test]
    fn unusable_runs_burn_no_budget() {
        let counts = Counts { runs_unusable: 50, runs_completed: 1, ..Counts::default() };
        assert_eq!(Objective::Completion.events(&counts, &Targets::default()), (0, 1));
    }
}
