//! Configuration: read from the environment here and nowhere else, typed, and validated all at once.
//!
//! One file a section. A section never stops at its first problem: whoever starts the program should have
//! to correct the environment once, not once a variable.

pub mod access;
pub mod analyst;
pub mod database;
pub mod documents;
pub mod process;

use std::{collections::BTreeMap, fmt, str::FromStr};

pub use access::{AccessConfig, OriginRule};
pub use analyst::{AnalystChoice, AnalystConfig};
pub use database::DatabaseConfig;
pub use documents::DocumentsConfig;
pub use process::{Environment, ProcessConfig};

/// All of the configuration.
#[derive(Debug, Clone)]
pub struct Config {
    pub process: ProcessConfig,
    pub analyst: AnalystConfig,
    pub documents: DocumentsConfig,
    pub database: DatabaseConfig,
    pub access: AccessConfig,
}

impl Config {
    /// Reads the process's environment.
    pub fn from_environment() -> Result<Self, Problems> {
        // The one place that may: everything else is given a `Config`.
        #[allow(clippy::disallowed_methods)]
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self::from_variables(variables)
    }

    /// Reads a set of variables.
    pub fn from_variables(variables: BTreeMap<String, String>) -> Result<Self, Problems> {
        let mut reader = Reader { variables, problems: Vec::new() };
        let process = ProcessConfig::read(&mut reader);
        let analyst = AnalystConfig::read(&mut reader);
        let documents = DocumentsConfig::read(&mut reader, process.environment);
        let database = DatabaseConfig::read(&mut reader);
        let access = AccessConfig::read(&mut reader, process.environment);
        if reader.problems.is_empty() {
            Ok(Self { process, analyst, documents, database, access })
        } else {
            Err(Problems(reader.problems))
        }
    }
}

/// One thing that is wrong with the environment. Holds no value: a value may be a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub variable: &'static str,
    /// What is wrong.
    pub what: String,
    /// A value that would do.
    pub example: &'static str,
}

/// Everything that is wrong with the environment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0.len() == 1 { "" } else { "s" };
        write!(f, "the configuration has {} problem{plural}:", self.0.len())?;
        for problem in &self.0 {
            write!(
                f,
                "\n  {}: {}; for example {}={}",
                problem.variable, problem.what, problem.variable, problem.example
            )?;
        }
        Ok(())
    }
}

/// Reads variables and collects problems.
#[derive(Debug)]
pub struct Reader {
    variables: BTreeMap<String, String>,
    problems: Vec<Problem>,
}

impl Reader {
    /// A variable's text, trimmed; unset and empty are the same.
    fn text(&self, variable: &str) -> Option<&str> {
        self.variables.get(variable).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    fn problem(&mut self, variable: &'static str, what: impl Into<String>, example: &'static str) {
        self.problems.push(Problem { variable, what: what.into(), example });
    }

    /// A parsed value; the default where it is unset, and (with a problem noted) where it does not parse.
    fn value<T: FromStr>(
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

    /// `true 1 yes on` (any case) are true; `false 0 no off` are false; anything else is a problem.
    fn switch(&mut self, variable: &'static str, default: bool) -> bool {
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
    fn list(&self, variable: &str) -> Vec<String> {
        self.text(variable)
            .map(|text| {
                text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
            })
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn an_empty_environment_is_a_working_development_machine() {
        let config = Config::from_variables(BTreeMap::new()).unwrap();
        assert_eq!(config.process.environment, Environment::Development);
        assert_eq!(config.analyst.choice, AnalystChoice::Auto);
        assert!(config.analyst.api_key.is_none());
        assert_eq!(config.documents.bytes_max, 25 * 1024 * 1024);
    }

    #[test]
    fn all_problems_are_reported_at_once_without_their_values() {
        let problems = Config::from_variables(variables(&[
            ("ANALYST", "oracle"),
            ("LLM_TIMEOUT_SECONDS", "s3cret"),
            ("MAX_DOCUMENT_BYTES", "-1"),
            ("ENVIRONMENT", "moon"),
        ]))
        .unwrap_err();
        let named: Vec<_> = problems.0.iter().map(|problem| problem.variable).collect();
        assert_eq!(named, ["ENVIRONMENT", "ANALYST", "LLM_TIMEOUT_SECONDS", "MAX_DOCUMENT_BYTES"]);
        assert!(!problems.to_string().contains("s3cret"), "{problems}");
    }

    #[test]
    fn the_key_is_not_shown_by_debug() {
        let config =
            Config::from_variables(variables(&[("OPENROUTER_API_KEY", "sk-or-v1-very-secret")])).unwrap();
        assert!(!format!("{config:?}").contains("very-secret"));
    }

    #[test]
    fn production_refuses_private_networks() {
        let problems = Config::from_variables(variables(&[
            ("RAILWAY_ENVIRONMENT", "production"),
            ("BLOB_ALLOW_PRIVATE_NETWORK", "true"),
        ]))
        .unwrap_err();
        assert_eq!(problems.0.first().unwrap().variable, "BLOB_ALLOW_PRIVATE_NETWORK");
    }
}
