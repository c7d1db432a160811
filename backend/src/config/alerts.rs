//! Alerts: which rules, which channels, and what the service promises.

use std::{collections::BTreeMap, time::Duration};

use secrecy::SecretString;

use super::{
    alert_channels::{self, AlertWebhookConfig, EmailConfig, GitHubConfig, PagerDutyConfig, PlatformConfig},
    deployment::RailwayConfig,
    process::Environment,
    reader::Reader,
};
use crate::{
    alerts::rules::{self, Rule, RuleSetting},
    objectives::Targets,
};

/// The longest time in a rule's setting.
const HOLD_SECONDS_MAX: u64 = 86_400;

/// The settings of alerts.
#[derive(Debug, Clone)]
pub struct AlertsConfig {
    /// `ALERTS`
    pub is_on: bool,
    /// `ALERT_INTERVAL_SECONDS`: between two looks at the rules.
    pub interval: Duration,
    /// `ALERT_RESOLVE_SECONDS`: an alert is over when its figure was fine for so long.
    pub resolve_after: Duration,
    /// `ALERT_GROUP_WAIT_SECONDS`: the first message of a group waits for what else is wrong.
    pub group_wait: Duration,
    /// `ALERT_GROUP_INTERVAL_SECONDS`: between two messages of a channel.
    pub group_interval: Duration,
    /// `ALERT_WINDOW_SECONDS`: the window of error rate, p95 and failed runs.
    pub window: Duration,
    /// `ALERT_MIN_REQUESTS`: fewer prove nothing.
    pub requests_min: u64,
    /// `ALERT_MIN_RUNS`
    pub runs_min: u64,
    /// `ALERT_RULES`: the rules that differ from their defaults.
    changed: BTreeMap<&'static str, RuleSetting>,
    /// `OBJECTIVE_…`
    pub targets: Targets,
    /// `production`, `staging` or `development`, in messages.
    pub environment: &'static str,
    /// The service's name, in messages and keys, with the platform's environment if that has a name of its own.
    pub service: String,
    /// `ALERT_SLACK_WEBHOOK_URL`: everybody who has the address can post.
    pub slack: Option<SecretString>,
    pub pagerduty: Option<PagerDutyConfig>,
    pub email: Option<EmailConfig>,
    pub webhook: Option<AlertWebhookConfig>,
    pub github: Option<GitHubConfig>,
    /// `ALERT_HEARTBEAT_URL`: asked again and again; its silence tells that alerting itself is dead.
    pub heartbeat: Option<SecretString>,
    /// `ALERT_HEARTBEAT_SECONDS`
    pub heartbeat_every: Duration,
    /// The platform's own state. None without its token.
    pub platform: Option<PlatformConfig>,
}

impl AlertsConfig {
    pub(super) fn read(reader: &mut Reader, environment: Environment, railway: &RailwayConfig) -> Self {
        let seconds =
            |reader: &mut Reader, variable, default, range: std::ops::RangeInclusive<u64>, example| {
                let what = format!("must be a whole number of seconds, {} to {}", range.start(), range.end());
                Duration::from_secs(reader.number(variable, default, range, &what, example))
            };
        let service = reader.text("RAILWAY_SERVICE_NAME").unwrap_or("innovation-pipeline");
        // Many environments of Railway count as staging, and their services have equal names. Their keys must differ.
        let service = match reader.text("RAILWAY_ENVIRONMENT_NAME") {
            Some(name) if name.parse::<Environment>() != Ok(environment) => format!("{service} {name}"),
            _ => service.to_owned(),
        };
        let service: String = service.chars().filter(|c| !c.is_control()).take(80).collect();
        let changed = rule_settings(reader);
        let number = "must be a whole number, 1 to 1000000";
        Self {
            is_on: reader.switch("ALERTS", true),
            // The contract's period.
            interval: seconds(reader, "ALERT_INTERVAL_SECONDS", 15, 1..=300, "15"),
            // Longer than the pause between two hiccups.
            resolve_after: seconds(reader, "ALERT_RESOLVE_SECONDS", 60, 0..=86_400, "60"),
            // Alertmanager's defaults, which people know.
            group_wait: seconds(reader, "ALERT_GROUP_WAIT_SECONDS", 30, 0..=3_600, "30"),
            group_interval: seconds(reader, "ALERT_GROUP_INTERVAL_SECONDS", 300, 1..=86_400, "300"),
            window: seconds(reader, "ALERT_WINDOW_SECONDS", 300, 2..=900, "300"),
            requests_min: reader.number("ALERT_MIN_REQUESTS", 20, 1..=1_000_000, number, "20"),
            runs_min: reader.number("ALERT_MIN_RUNS", 5, 1..=1_000_000, number, "5"),
            changed,
            targets: targets(reader),
            environment: environment.as_str(),
            slack: alert_channels::address(reader, "ALERT_SLACK_WEBHOOK_URL", environment)
                .map(SecretString::from),
            pagerduty: alert_channels::pagerduty(reader, environment, &service),
            email: alert_channels::email(reader, environment),
            webhook: alert_channels::webhook(reader, environment),
            github: alert_channels::github(reader, environment),
            heartbeat: alert_channels::address(reader, "ALERT_HEARTBEAT_URL", environment)
                .map(SecretString::from),
            heartbeat_every: seconds(reader, "ALERT_HEARTBEAT_SECONDS", 60, 1..=86_400, "60"),
            platform: alert_channels::platform(reader, railway),
            service,
        }
    }

    /// How a rule is set.
    #[must_use]
    pub fn rule(&self, rule: &Rule) -> RuleSetting {
        self.changed.get(rule.id).copied().unwrap_or_else(|| rule.default_setting())
    }
}

/// Reads `ALERT_RULES`: `rule=threshold/hold` for each, where either may be missing, or `rule=off`. `all` stands for every rule; what names a
/// rule counts more.
fn rule_settings(reader: &mut Reader) -> BTreeMap<&'static str, RuleSetting> {
    let mut changed = BTreeMap::new();
    let mut listed = reader.list("ALERT_RULES");
    // Stable: later ones of the same kind win.
    listed.sort_by_key(|entry| !entry.starts_with("all="));
    for entry in listed {
        let parsed = entry.split_once('=').and_then(|(id, text)| {
            let named: Vec<&'static Rule> = match id.trim() {
                "all" => rules::RULES.iter().collect(),
                id => vec![rules::find(id)?],
            };
            Some((named, text.trim().to_owned()))
        });
        let known = parsed.and_then(|(named, text)| {
            let setting = |rule: &'static Rule| {
                let before = changed.get(rule.id).copied().unwrap_or_else(|| rule.default_setting());
                Some((rule.id, rule_setting(before, &text)?))
            };
            named.into_iter().map(setting).collect::<Option<Vec<_>>>()
        });
        match known {
            Some(settings) => changed.extend(settings),
            None => {
                reader.problem(
                    "ALERT_RULES",
                    "must be rules separated by commas, each rule=threshold, rule=threshold/seconds, rule=/seconds or \
                     rule=off, with the rules of `innovation alerts list --rules`, or all",
                    "queue-age=600/60,cost-day=250,conflicts=off",
                );
                break;
            }
        }
    }
    changed
}

fn rule_setting(before: RuleSetting, text: &str) -> Option<RuleSetting> {
    if text == "off" {
        return Some(RuleSetting { is_on: false, ..before });
    }
    let (threshold, hold) =
        text.split_once('/').map_or((text, None), |(threshold, hold)| (threshold, Some(hold)));
    let threshold = match threshold.trim() {
        "" if hold.is_some() => before.threshold,
        number => number.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0)?,
    };
    let hold = match hold.map(|hold| hold.trim().trim_end_matches('s')) {
        None => before.hold,
        Some(seconds) => {
            Duration::from_secs(seconds.parse().ok().filter(|seconds| *seconds <= HOLD_SECONDS_MAX)?)
        }
    };
    Some(RuleSetting { is_on: true, threshold, hold })
}

fn targets(reader: &mut Reader) -> Targets {
    let default = Targets::default();
    let what = "must be a share from 0.5 to 0.99999";
    let mut share = |variable, default| reader.number(variable, default, 0.5..=0.999_99, what, "0.999");
    let (acceptance, completion, first_stage) = (
        share("OBJECTIVE_ACCEPTANCE", default.acceptance),
        share("OBJECTIVE_COMPLETION", default.completion),
        share("OBJECTIVE_FIRST_STAGE", default.first_stage),
    );
    let what = "must be a whole number of seconds, 1 to 86400";
    let within = default.first_stage_within.as_secs();
    let within = reader.number("OBJECTIVE_FIRST_STAGE_SECONDS", within, 1..=86_400, what, "120");
    Targets { acceptance, completion, first_stage, first_stage_within: Duration::from_secs(within) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{
        deployment::{DeploymentConfig, RailwayToken},
        reader::Problems,
    };

    fn read(pairs: &[(&str, &str)]) -> Result<AlertsConfig, Problems> {
        let variables = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut reader = Reader::new(variables.collect());
        let environment = reader.value("ENVIRONMENT", Environment::Development, "", "");
        let railway = DeploymentConfig::read(&mut reader, environment).railway;
        let config = AlertsConfig::read(&mut reader, environment, &railway);
        reader.finish().map(|_| config)
    }

    fn rule(config: &AlertsConfig, id: &str) -> RuleSetting {
        config.rule(rules::find(id).unwrap())
    }

    #[test]
    fn every_replica_looks_every_quarter_of_a_minute() {
        assert_eq!(read(&[]).unwrap().interval.as_secs(), 15);
    }

    #[test]
    fn rules_are_changed_by_name_or_all() {
        let config =
            read(&[("ALERT_RULES", "queue-age=600/5s, all=/1, conflicts=off, cost-day=2.5")]).unwrap();
        assert_eq!(rule(&config, "queue-age").threshold, 600.0);
        assert_eq!(rule(&config, "queue-age").hold, Duration::from_secs(5));
        assert_eq!(rule(&config, "cost-day").hold, Duration::from_secs(1));
        assert!(!rule(&config, "conflicts").is_on && rule(&config, "error-rate").is_on);
        for wrong in
            ["nonsense=1", "queue-age", "queue-age=", "queue-age=-1", "cost-day=NaN", "all=/99999999"]
        {
            let problems = read(&[("ALERT_RULES", wrong)]).unwrap_err();
            assert_eq!(problems.0[0].variable, "ALERT_RULES", "{wrong}");
        }
    }

    #[test]
    fn environments_of_their_own_name_differ() {
        let service = |name| {
            let pairs = [("RAILWAY_SERVICE_NAME", "backend"), ("RAILWAY_ENVIRONMENT_NAME", name)];
            read(&pairs).unwrap().service
        };
        let names = ["pr-12", "pr-13", "development", "Dev"].map(service);
        assert_eq!(names, ["backend pr-12", "backend pr-13", "backend", "backend"]);
    }

    #[test]
    fn addresses_and_keys_are_secrets() {
        let config = read(&[
            ("ALERT_SLACK_WEBHOOK_URL", "https://hooks.slack.example/services/hush"),
            ("ALERT_PAGERDUTY_ROUTING_KEY", "hush0123456789hush0123456789hush"),
            ("ALERT_SMTP_URL", "smtps://me:hush@smtp.example.com"),
            ("ALERT_EMAIL_FROM", "Alerts <alerts@example.com>"),
            ("ALERT_EMAIL_TO", "one@example.com, two@example.com"),
            ("ALERT_WEBHOOK_URL", "https://am.example.com/hush"),
            ("ALERT_GITHUB_REPOSITORY", "example/operations"),
            ("ALERT_GITHUB_TOKEN", "hush"),
            ("ALERT_HEARTBEAT_URL", "https://hc.example.com/hush"),
            ("RAILWAY_TOKEN", "hush"),
        ])
        .unwrap();
        assert!(!format!("{config:?}").contains("hush"), "{config:?}");
        let email = config.email.unwrap();
        assert_eq!(
            (email.port, email.security, email.to.len()),
            (465, alert_channels::SmtpSecurity::Wrapped, 2)
        );
        assert!(matches!(config.platform.unwrap().token, RailwayToken::Project(_)));
    }

    #[test]
    fn unusable_channels_are_named_without_their_secrets() {
        for (pairs, variable) in [
            (&[("ALERT_SLACK_WEBHOOK_URL", "hush")][..], "ALERT_SLACK_WEBHOOK_URL"),
            (
                &[("ALERT_SLACK_WEBHOOK_URL", "http://hush.example"), ("ENVIRONMENT", "prod")],
                "ALERT_SLACK_WEBHOOK_URL",
            ),
            (&[("ALERT_PAGERDUTY_ROUTING_KEY", "hush")], "ALERT_PAGERDUTY_ROUTING_KEY"),
            (&[("ALERT_SMTP_URL", "smtp://hush@mail.example.com?tls=none")], "ALERT_SMTP_URL"),
            (&[("ALERT_SMTP_URL", "smtps://hush@mail.example.com")], "ALERT_EMAIL_FROM"),
            (&[("ALERT_GITHUB_REPOSITORY", "hush")], "ALERT_GITHUB_REPOSITORY"),
            (&[("ALERT_GITHUB_REPOSITORY", "a/b")], "ALERT_GITHUB_TOKEN"),
            (
                &[("ALERT_WEBHOOK_URL", "https://a.example"), ("ALERT_WEBHOOK_SECRETS", "hush")],
                "ALERT_WEBHOOK_SECRETS",
            ),
        ] {
            let problems = read(pairs).unwrap_err();
            assert_eq!(problems.0[0].variable, variable);
            assert!(!problems.to_string().contains("hush"), "{problems}");
        }
    }
}
