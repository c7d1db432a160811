//! The parts of a run that row and files are compared by.

use std::fmt;

use pipeline::run::Stage;
use serde::{Deserialize, Serialize};

/// One part of a run. In columns and in JSON it is a number: 0 the status, 1 to 4 a stage, 5 the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i32", into = "i32")]
pub enum Part {
    Status,
    Stage(Stage),
    Report,
}

/// A number that is no part of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no part {0} of a run; parts are 0 (the status), 1 to 4 (the stages) and 5 (the report)")]
pub struct UnknownPart(i32);

impl Part {
    /// The parts as the numbers of columns and log fields.
    #[must_use]
    pub fn numbers(parts: &[Self]) -> Vec<i32> {
        parts.iter().copied().map(i32::from).collect()
    }

    /// The parts for people: `stage 2, the report`.
    #[must_use]
    pub fn names(parts: &[Self]) -> String {
        parts.iter().map(Self::to_string).collect::<Vec<_>>().join(", ")
    }
}

impl From<Stage> for Part {
    fn from(stage: Stage) -> Self {
        Self::Stage(stage)
    }
}

impl From<Part> for i32 {
    fn from(part: Part) -> Self {
        match part {
            Part::Status => 0,
            Part::Stage(stage) => stage.number().into(),
            Part::Report => 5,
        }
    }
}

impl TryFrom<i32> for Part {
    type Error = UnknownPart;

    fn try_from(number: i32) -> Result<Self, Self::Error> {
        match number {
            0 => Ok(Self::Status),
            5 => Ok(Self::Report),
            stage => u8::try_from(stage)
                .ok()
                .and_then(|stage| Stage::try_from(stage).ok())
                .map(Self::Stage)
                .ok_or(UnknownPart(number)),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status => f.write_str("its status"),
            Self::Stage(stage) => write!(f, "stage {}", stage.number()),
            Self::Report => f.write_str("the report"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stand_for_their_numbers() {
        for number in 0..=5 {
            assert_eq!(i32::from(Part::try_from(number).unwrap()), number);
        }
        assert_eq!(Part::try_from(6), Err(UnknownPart(6)));
        assert_eq!(Part::try_from(-1), Err(UnknownPart(-1)));
        assert_eq!(serde_json::to_string(&[Part::Report, Part::Status]).unwrap(), "[5,0]");
    }

    #[test]
    fn parts_sort_by_their_numbers() {
        let mut parts = vec![Part::Report, Part::Stage(Stage::SignalAmplification), Part::Status];
        parts.sort_unstable();
        assert_eq!(Part::numbers(&parts), [0, 2, 5]);
    }
}
