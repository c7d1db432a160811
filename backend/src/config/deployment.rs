//! The deployment: who made it, the arbiter that watches it, and the platform that can take it back.

use std::{collections::BTreeMap, str::FromStr, time::Duration};

use secrecy::{ExposeSecret as _, SecretString};

use super::{
    fingerprints::{digest_of, fingerprints},
    process::Environment,
    reader::Reader,
};

/// The address of Railway's API.
const RAILWAY_API: &str = "https://backboard.railway.com/graphql/v2";

/// The arbiter's action after it has found a deployment failing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArbiterAction {
    /// Say it.
    Observe,
    /// After a storage fault: back to the last storage mode that was healthy.
    Flags,
    /// Back to the last deployment that was healthy, by the platform's API.
    Railway,
}

impl ArbiterAction {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Flags => "flags",
            Self::Railway => "railway",
        }
    }
}

impl FromStr for ArbiterAction {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let all = [Self::Observe, Self::Flags, Self::Railway];
        all.into_iter().find(|action| action.as_str() == text.to_ascii_lowercase()).ok_or(())
    }
}

/// How a deployment is judged.
#[derive(Debug, Clone)]
pub struct ArbiterConfig {
    /// `ARBITER_ACTION`
    pub action: ArbiterAction,
    /// `ARBITER_WATCH_SECONDS`: how long a deployment is watched.
    pub watch: Duration,
    /// `ARBITER_CHECK_SECONDS`: the time between two looks.
    pub check: Duration,
    /// `ARBITER_SUSTAINED_SECONDS`: how long a figure must be bad.
    pub sustained: Duration,
    /// `ARBITER_REQUESTS_MIN` and `ARBITER_RUNS_MIN`: with fewer of both, the verdict is inconclusive.
    pub requests_min: u64,
    pub runs_min: u64,
}

/// A token for Railway's API. Each kind has a header of its own.
#[derive(Debug, Clone)]
pub enum RailwayToken {
    /// `RAILWAY_TOKEN`, of one environment of a project.
    Project(SecretString),
    /// `RAILWAY_API_TOKEN`, of an account or a workspace.
    Account(SecretString),
}

/// How long Railway keeps the image of a deployment, and how often it may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RailwayPlan {
    Free,
    Hobby,
    Pro,
    Enterprise,
}

impl RailwayPlan {
    /// How long after its end a deployment can be restored.
    #[must_use]
    pub const fn retention(self) -> Duration {
        Duration::from_secs(3600 * self.retention_hours())
    }

    #[must_use]
    pub const fn retention_hours(self) -> u64 {
        match self {
            Self::Free => 24,
            Self::Hobby => 72,
            Self::Pro => 120,
            Self::Enterprise => 360,
        }
    }

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Hobby => "hobby",
            Self::Pro => "pro",
            Self::Enterprise => "enterprise",
        }
    }
}

impl FromStr for RailwayPlan {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let all = [Self::Free, Self::Hobby, Self::Pro, Self::Enterprise];
        all.into_iter().find(|plan| plan.as_str() == text.to_ascii_lowercase()).ok_or(())
    }
}

/// The way to Railway's API.
#[derive(Debug, Clone)]
pub struct RailwayConfig {
    /// `RAILWAY_API_URL`
    pub api_url: String,
    pub token: Option<RailwayToken>,
    pub plan: RailwayPlan,
    pub environment_id: Option<String>,
    pub service_id: Option<String>,
    pub project_id: Option<String>,
}

/// The settings of this deployment.
#[derive(Debug, Clone)]
pub struct DeploymentConfig {
    /// The platform's name of the service.
    pub service: String,
    /// `DEPLOY_TRIGGERED_BY`, or the author of the commit.
    pub triggered_by: Option<String>,
    pub branch: Option<String>,
    /// A fingerprint of each variable that differs from its default. Never a value.
    pub variables: BTreeMap<String, String>,
    /// SHA-256 over the fingerprints.
    pub variables_digest: String,
    pub arbiter: ArbiterConfig,
    pub railway: RailwayConfig,
}

impl DeploymentConfig {
    pub(super) fn read(reader: &mut Reader, environment: Environment) -> Self {
        let variables = fingerprints(reader);
        let text = |name: &str| reader.text(name).map(str::to_owned);
        Self {
            service: text("RAILWAY_SERVICE_NAME").unwrap_or_else(|| "innovation".to_owned()),
            triggered_by: text("DEPLOY_TRIGGERED_BY").or_else(|| text("RAILWAY_GIT_AUTHOR")),
            branch: text("RAILWAY_GIT_BRANCH"),
            variables_digest: digest_of(&variables),
            variables,
            arbiter: ArbiterConfig::read(reader, environment),
            railway: RailwayConfig::read(reader),
        }
    }
}

impl ArbiterConfig {
    fn read(reader: &mut Reader, environment: Environment) -> Self {
        let action = reader.value(
            "ARBITER_ACTION",
            ArbiterAction::Observe,
            "must be observe, flags or railway",
            "observe",
        );
        let default = if environment == Environment::Production { 900 } else { 300 };
        let what = "must be a whole number of seconds, 1 to 86400";
        let watch = reader.number("ARBITER_WATCH_SECONDS", default, 1..=86_400, what, "900");
        let what = "must be a whole number of seconds, 1 to 300";
        let check = reader.number("ARBITER_CHECK_SECONDS", 10, 1..=300, what, "10");
        let what = "must be a whole number of seconds, 1 to 3600";
        let sustained = reader.number("ARBITER_SUSTAINED_SECONDS", 300, 1..=3_600, what, "300");
        let what = "must be a whole number, 1 to 1000000";
        Self {
            action,
            watch: Duration::from_secs(watch),
            check: Duration::from_secs(check),
            sustained: Duration::from_secs(sustained),
            requests_min: reader.number("ARBITER_REQUESTS_MIN", 50, 1..=1_000_000, what, "50"),
            runs_min: reader.number("ARBITER_RUNS_MIN", 5, 1..=1_000_000, what, "5"),
        }
    }
}

impl RailwayConfig {
    fn read(reader: &mut Reader) -> Self {
        let api_url = reader.text("RAILWAY_API_URL").unwrap_or(RAILWAY_API).to_owned();
        // A token must not cross a network in the clear.
        let is_safe = url::Url::parse(&api_url)
            .is_ok_and(|url| url.scheme() == "https" || url.host_str().is_some_and(is_loopback));
        if !is_safe {
            reader.problem("RAILWAY_API_URL", "must be an https address", "");
        }
        let secret = |name: &str| reader.text(name).map(SecretString::from);
        let token = secret("RAILWAY_TOKEN").map(RailwayToken::Project);
        let token = token.or_else(|| secret("RAILWAY_API_TOKEN").map(RailwayToken::Account));
        let text = |name: &str| reader.text(name).map(str::to_owned);
        let (environment_id, service_id, project_id) =
            (text("RAILWAY_ENVIRONMENT_ID"), text("RAILWAY_SERVICE_ID"), text("RAILWAY_PROJECT_ID"));
        let plan = reader.value(
            "RAILWAY_PLAN",
            // The shortest: nothing is promised that the platform does not keep.
            RailwayPlan::Free,
            "must be free, hobby, pro or enterprise",
            "pro",
        );
        Self { api_url, token, plan, environment_id, service_id, project_id }
    }
}

fn is_loopback(host: &str) -> bool {
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

impl RailwayToken {
    /// The header and its value.
    #[must_use]
    pub fn header(&self) -> (&'static str, SecretString) {
        match self {
            Self::Project(token) => ("Project-Access-Token", token.clone()),
            Self::Account(token) => {
                ("Authorization", SecretString::from(format!("Bearer {}", token.expose_secret())))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Purpose};

    fn read(pairs: &[(&str, &str)]) -> DeploymentConfig {
        let variables = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Config::from_variables(variables, Purpose::Command).unwrap().deployment
    }

    #[test]
    fn the_digest_follows_values_and_shows_none() {
        let secret = ("ADMIN_SECRET", "0123456789abcdef0123456789abcdef");
        let one = read(&[secret, ("DATABASE_URL", "postgresql://u:hush-one@h/d"), ("PORT", "1")]);
        let other = read(&[secret, ("DATABASE_URL", "postgresql://u:hush-two@h/d"), ("PORT", "2")]);
        assert_ne!(one.variables_digest, other.variables_digest);
        assert!(one.variables["DATABASE_URL"] != other.variables["DATABASE_URL"]);
        assert!(!one.variables.contains_key("PORT") && !format!("{one:?}").contains("hush"));
        let unkeyed = read(&[("DATABASE_URL", "postgresql://u:hush-one@h/d")]);
        assert_eq!(unkeyed.variables["DATABASE_URL"], "set", "a weak secret could be guessed");
        assert_eq!(read(&[("LEASE_SECONDS", "15")]).variables_digest, read(&[]).variables_digest);
    }

    #[test]
    fn each_token_has_its_header() {
        let header = |name: &str| read(&[(name, "t0ken")]).railway.token.unwrap().header();
        let (name, value) = header("RAILWAY_TOKEN");
        assert_eq!((name, value.expose_secret()), ("Project-Access-Token", "t0ken"));
        let (name, value) = header("RAILWAY_API_TOKEN");
        assert_eq!((name, value.expose_secret()), ("Authorization", "Bearer t0ken"));
    }

    #[test]
    fn production_is_watched_for_longer() {
        let watch = |environment| read(&[("ENVIRONMENT", environment)]).arbiter.watch.as_secs();
        assert_eq!((watch("production"), watch("staging")), (900, 300));
    }
}
