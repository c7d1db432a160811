//! Reads the variables of the environment and collects their problems.

use std::{collections::BTreeMap, fmt, ops::RangeInclusive, str::FromStr};

/// One problem with the environment. It holds no value, because a value may be a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// A variable, or the file `.env`.
    pub variable: &'static str,
    /// The problem.
    pub what: String,
    /// A valid example.
    pub example: &'static str,
}

/// All problems with the environment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0.len() == 1 { "" } else { "s" };
        write!(f, "the configuration has {} problem{plural}:", self.0.len())?;
        for problem in &self.0 {
            let Problem { variable, what, example } = problem;
            write!(f, "\n  {variable}: {what}; for example ")?;
            match variable.starts_with('.') {
                true => write!(f, "{example}")?,
                false => write!(f, "{variable}={example}")?,
            }
        }
        Ok(())
    }
}

/// Reads variables and collects problems.
#[derive(Debug)]
pub(super) struct Reader {
    variables: BTreeMap<String, String>,
    problems: Vec<Problem>,
    warnings: Vec<String>,
}

impl Reader {
    pub(super) fn new(variables: BTreeMap<String, String>) -> Self {
        Self { variables, problems: Vec::new(), warnings: Vec::new() }
    }

    /// The warnings, if nothing is wrong.
    pub(super) fn finish(self) -> Result<Vec<String>, Problems> {
        if self.problems.is_empty() { Ok(self.warnings) } else { Err(Problems(self.problems)) }
    }

    /// A variable's text, trimmed. An empty variable counts as unset.
    pub(super) fn text(&self, variable: &str) -> Option<&str> {
        self.variables.get(variable).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    pub(super) fn problem(&mut self, variable: &'static str, what: impl Into<String>, example: &'static str) {
        self.problems.push(Problem { variable, what: what.into(), example });
    }

    pub(super) fn warning(&mut self, what: String) {
        self.warnings.push(what);
    }

    /// The number of problems so far.
    pub(super) fn problem_count(&self) -> usize {
        self.problems.len()
    }

    /// A number in a range. An invalid number becomes the default, so that it causes no second problem.
    pub(super) fn number<T: FromStr + PartialOrd + Copy>(
        &mut self,
        variable: &'static str,
        default: T,
        range: RangeInclusive<T>,
        what: &str,
        example: &'static str,
    ) -> T {
        let value = self.value(variable, default, what, example);
        if range.contains(&value) {
            return value;
        }
        self.problem(variable, what, example);
        default
    }

    /// A parsed value. The default if the variable is unset, or invalid (with a reported problem).
    pub(super) fn value<T: FromStr>(
        &mut self,
        variable: &'static str,
        default: T,
        what: &str,
        example: &'static str,
    ) -> T {
        match self.text(variable).map(str::parse) {
            None => default,
            Some(Ok(value)) => value,
            Some(Err(_)) => {
                self.problem(variable, what, example);
                default
            }
        }
    }

    /// Parses a switch: `true 1 yes on` (any case) or `false 0 no off`. Anything else is a problem.
    pub(super) fn switch(&mut self, variable: &'static str, default: bool) -> bool {
        let Some(text) = self.text(variable) else {
            return default;
        };
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => true,
            "false" | "0" | "no" | "off" => false,
            _ => {
                self.problem(variable, "must be true or false", "true");
                default
            }
        }
    }

    /// A comma-separated list without empty entries.
    pub(super) fn list(&self, variable: &str) -> Vec<String> {
        self.text(variable)
            .map(|text| {
                text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
            })
            .unwrap_or_default()
    }
}
