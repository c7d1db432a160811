//! The settings of the process: its environment, its address, and its log.

use std::{net::IpAddr, path::PathBuf, str::FromStr, time::Duration};

use super::reader::Reader;

/// The variables that name the environment. Railway sets one of the last two.
pub(super) const ENVIRONMENT_VARIABLES: [&str; 3] =
    ["ENVIRONMENT", "RAILWAY_ENVIRONMENT", "RAILWAY_ENVIRONMENT_NAME"];

/// The variables that Railway sets in all its processes.
pub(super) const RAILWAY_ENVIRONMENT_VARIABLES: [&str; 2] =
    ["RAILWAY_ENVIRONMENT", "RAILWAY_ENVIRONMENT_NAME"];

/// How long Railway waits between SIGTERM and SIGKILL.
pub(super) const DRAINING_VARIABLE: &str = "RAILWAY_DEPLOYMENT_DRAINING_SECONDS";

/// The address to listen on.
const HOST_VARIABLE: &str = "HOST";

/// How long Railway keeps the previous deployment beside a new one.
const OVERLAP_VARIABLE: &str = "RAILWAY_DEPLOYMENT_OVERLAP_SECONDS";

/// How strict the configuration is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    Development,
    Staging,
    Production,
}

impl Environment {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }

    /// Whether defaults are not sufficient.
    #[must_use]
    pub const fn is_strict(self) -> bool {
        matches!(self, Self::Staging | Self::Production)
    }
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

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Json,
    Text,
}

impl FromStr for LogFormat {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.to_ascii_lowercase().as_str() {
            "json" => Ok(Self::Json),
            "text" => Ok(Self::Text),
            _ => Err(()),
        }
    }
}

/// Checks a filter: `info`, or a list such as `warn,backend=debug`. `tracing` itself accepts any word as a
/// module name.
fn is_log_filter(text: &str) -> bool {
    text.split(',').all(|directive| {
        let level = directive.rsplit_once('=').map_or(directive, |(_, level)| level).trim();
        matches!(level, "off" | "error" | "warn" | "info" | "debug" | "trace")
    }) && text.parse::<tracing_subscriber::EnvFilter>().is_ok()
}

/// The settings of the process.
#[derive(Debug, Clone)]
pub struct ProcessConfig {
    pub environment: Environment,
    pub host: IpAddr,
    pub port: u16,
    /// The folder that holds `data/`.
    pub base_dir: PathBuf,
    /// A `tracing` filter such as `info` or `warn,backend=debug`. None if unset.
    pub log_level: Option<String>,
    pub log_format: LogFormat,
    /// How long active runs may take after the first SIGTERM.
    pub drain: Duration,
    /// How long the previous deployment may still run after this process has started.
    pub overlap: Duration,
    /// The commit of the build.
    pub git_sha: Option<String>,
    /// The platform's id of this deployment.
    pub deployment: Option<String>,
    /// The platform's name for this replica.
    pub replica: Option<String>,
    /// The platform's persistent volume, if there is one.
    pub volume: Option<PathBuf>,
}

impl ProcessConfig {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let variable = ENVIRONMENT_VARIABLES
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
        let log_level = reader.text("LOG_LEVEL").map(str::to_ascii_lowercase);
        if log_level.as_ref().is_some_and(|level| !is_log_filter(level)) {
            reader.problem("LOG_LEVEL", "must be error, warn, info, debug or trace", "info");
        }
        let log_format =
            if environment == Environment::Production { LogFormat::Json } else { LogFormat::Text };
        let log_format = reader.value("LOG_FORMAT", log_format, "must be json or text", "json");
        let host =
            reader.value(HOST_VARIABLE, IpAddr::from([0, 0, 0, 0]), "must be an IP address", "0.0.0.0");
        let port = reader.value("PORT", 8000, "must be a port number, 0 to 65535", "8000");
        let drain = Self::read_drain(reader);
        // Railway's own default is none.
        let what = "must be a whole number of seconds, 0 to 86400";
        let overlap = Duration::from_secs(reader.number(OVERLAP_VARIABLE, 0, 0..=86_400, what, "10"));
        let git_sha = reader.text("RAILWAY_GIT_COMMIT_SHA").map(str::to_owned);
        Self {
            environment,
            host,
            port,
            base_dir,
            log_level,
            log_format,
            drain,
            overlap,
            git_sha,
            deployment: reader.text("RAILWAY_DEPLOYMENT_ID").map(str::to_owned),
            replica: reader.text("RAILWAY_REPLICA_ID").map(str::to_owned),
            volume: reader.text("RAILWAY_VOLUME_MOUNT_PATH").map(PathBuf::from),
        }
    }

    /// Without keys, everybody who reaches a developer's machine could start runs. The operator's `HOST` stays.
    pub(super) fn bind_to_loopback(&mut self, reader: &Reader) {
        if reader.text(HOST_VARIABLE).is_none() {
            self.host = IpAddr::from([127, 0, 0, 1]);
        }
    }

    /// Reads the drain time. A drain must end before the platform kills the process.
    fn read_drain(reader: &mut Reader) -> Duration {
        let what = "must be a whole number of seconds, 0 to 3600";
        let drain = reader.number("DRAIN_SECONDS", 25, 0..=3600, what, "25");
        let platform = DRAINING_VARIABLE;
        if reader.text(platform).is_some() {
            let window = reader.number(platform, 30, 0..=86_400, what, "30");
            if window <= drain {
                reader.problem(
                    "DRAIN_SECONDS",
                    format!("must be less than {platform}, after which the platform kills the process"),
                    "25",
                );
            }
        }
        Duration::from_secs(drain)
    }
}
