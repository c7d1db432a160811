//! The limits of the worker.

use std::{str::FromStr, time::Duration};

use super::reader::Reader;

/// The role of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// Serves requests and executes runs.
    All,
    /// Serves requests.
    Web,
    /// Executes runs, and serves health and metrics.
    Worker,
}

impl Role {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Web => "web",
            Self::Worker => "worker",
        }
    }
}

impl FromStr for Role {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::All, Self::Web, Self::Worker]
            .into_iter()
            .find(|role| role.as_str() == text.to_ascii_lowercase())
            .ok_or(())
    }
}

/// The worker's limits.
#[derive(Debug, Clone)]
pub struct WorkConfig {
    pub role: Role,
    /// How long a worker owns a run without a renewal. It renews five times within this time.
    pub lease: Duration,
    pub concurrent_runs_max: usize,
    /// The most accepted runs that wait for a worker.
    pub queued_runs_max: usize,
    /// How long a stage may wait for its answer, with all calls and retries.
    pub stage_deadline: Duration,
    /// How long a worker may execute a run. Waiting for storage does not count.
    pub run_deadline: Duration,
    /// Whether no other process accepts or executes runs. None if unset.
    pub single_replica: Option<bool>,
}

impl WorkConfig {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let role = reader.value("ROLE", Role::All, "must be all, web or worker", "all");
        let lease = Duration::from_secs(reader.number(
            "LEASE_SECONDS",
            15,
            1..=3600,
            "must be a whole number of seconds, 1 to 3600",
            "15",
        ));
        let concurrent_runs_max = reader.number(
            "MAX_CONCURRENT_RUNS",
            256,
            1..=100_000,
            "must be a whole number, 1 to 100000",
            "256",
        );
        let queued_runs_max = reader.number(
            "MAX_QUEUED_RUNS",
            10_000,
            1..=1_000_000,
            "must be a whole number, 1 to 1000000",
            "10000",
        );
        let mut seconds = |variable, default, example| {
            let what = "must be a whole number of seconds, 1 to 86400";
            Duration::from_secs(reader.number(variable, default, 1..=86_400, what, example))
        };
        let stage_deadline = seconds("STAGE_DEADLINE_SECONDS", 600, "600");
        let run_deadline = seconds("RUN_DEADLINE_SECONDS", 1800, "1800");
        if run_deadline < stage_deadline {
            reader.problem("RUN_DEADLINE_SECONDS", "must not be shorter than STAGE_DEADLINE_SECONDS", "1800");
        }
        let is_said = reader.text("SINGLE_REPLICA").is_some();
        let single_replica = is_said.then(|| reader.switch("SINGLE_REPLICA", true));
        Self {
            role,
            lease,
            concurrent_runs_max,
            queued_runs_max,
            stage_deadline,
            run_deadline,
            single_replica,
        }
    }
}
