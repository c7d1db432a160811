//! The value of a flag: on or off, or a share of the runs that is on.

use std::fmt;

use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

/// The value of a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    Boolean(bool),
    /// 0 to 100.
    Percentage(u8),
}

impl Value {
    /// The JSON form: true, false, or a number.
    #[must_use]
    pub fn to_json(self) -> Json {
        match self {
            Self::Boolean(is_on) => json!(is_on),
            Self::Percentage(share) => json!(share),
        }
    }

    /// Whether the flag is on without a look at the run: on, or for all runs.
    #[must_use]
    pub const fn is_on(self) -> bool {
        matches!(self, Self::Boolean(true) | Self::Percentage(100..))
    }

    /// Whether the answer depends on the run.
    #[must_use]
    pub const fn is_split(self) -> bool {
        matches!(self, Self::Percentage(1..=99))
    }

    /// Whether the flag is on for a run. A run keeps its place among the hundred, so a larger share only adds runs.
    #[must_use]
    pub fn is_on_for(self, key: &str, run: &str) -> bool {
        match self {
            Self::Boolean(is_on) => is_on,
            Self::Percentage(share) => place_of(key, run) < u64::from(share),
        }
    }
}

/// The run's place from 0 to 99, another one for each flag.
fn place_of(key: &str, run: &str) -> u64 {
    // No key has a line break, so no two pairs have the same text.
    let digest = Sha256::digest(format!("{key}\n{run}"));
    let number = digest.iter().take(8).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    number % 100
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(is_on) => write!(f, "{is_on}"),
            Self::Percentage(share) => write!(f, "{share} %"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_sticky_and_only_grows() {
        let runs: Vec<String> = (0..2_000).map(|number| format!("run-{number}")).collect();
        let on = |share| -> Vec<&String> {
            let value = Value::Percentage(share);
            runs.iter().filter(|run| value.is_on_for("A_FLAG", run)).collect()
        };
        assert_eq!((on(0).len(), on(100).len()), (0, runs.len()));
        let (quarter, half) = (on(25), on(50));
        assert!((420..580).contains(&quarter.len()), "{}", quarter.len());
        assert!(quarter.iter().all(|run| half.contains(run)), "a larger share keeps its runs");
        let other = runs.iter().filter(|run| Value::Percentage(25).is_on_for("B_FLAG", run)).count();
        let both = quarter.iter().filter(|run| Value::Percentage(25).is_on_for("B_FLAG", run)).count();
        assert!(both < other / 2, "two flags choose different runs");
    }
}
