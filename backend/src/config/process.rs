//! The process: where it runs and where its base directory is.

use std::{path::PathBuf, str::FromStr};

use super::Reader;

/// How strict the configuration is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    Development,
    Staging,
    Production,
}

impl FromStr for Environment {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.to_ascii_lowercase().as_str() {
            "development" | "dev" => Ok(Self::Development),
            "staging" => Ok(Self::Staging),
            "production" | "prod" => Ok(Self::Production),
            _ => Err(()),
        }
    }
}

/// Where the process runs.
#[derive(Debug, Clone)]
pub struct ProcessConfig {
    pub environment: Environment,
    /// The folder that holds `data/`.
    pub base_dir: PathBuf,
    /// A `tracing` filter such as `info` or `warn,backend=debug`.
    pub log_level: String,
}

impl ProcessConfig {
    pub(super) fn read(reader: &mut Reader) -> Self {
        // A deployment says what it is by its own variable; Railway says it by one of two.
        let variable = ["ENVIRONMENT", "RAILWAY_ENVIRONMENT", "RAILWAY_ENVIRONMENT_NAME"]
            .into_iter()
            .find(|variable| reader.text(variable).is_some())
            .unwrap_or("ENVIRONMENT");
        let environment = reader.value(
            variable,
            Environment::Development,
            "must be development, staging or production",
            "production",
        );
        let on_railway = reader.text("RAILWAY_ENVIRONMENT") == Some("production");
        let base_dir = match reader.text("APP_BASE_DIR") {
            Some(dir) => PathBuf::from(dir),
            None if on_railway => PathBuf::from("/app"),
            None => PathBuf::new(),
        };
        // People at a terminal see progress lines; a log line is for what went wrong.
        let log_level = reader.text("LOG_LEVEL").unwrap_or("warn").to_ascii_lowercase();
        if log_level.parse::<tracing_subscriber::EnvFilter>().is_err() {
            reader.problem("LOG_LEVEL", "must be error, warn, info, debug or trace", "info");
        }
        Self { environment, base_dir, log_level }
    }
}
