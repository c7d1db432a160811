//! One message, before a channel gives it its form.

use pipeline::clock::Timestamp;

use crate::{
    alerts::{board::Due, rules::Severity, view::span},
    config::AlertsConfig,
};

/// One message about some alerts.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// `production`, `staging` or `development`.
    pub environment: String,
    /// The service's name, for people who have several.
    pub service: String,
    pub alerts: Vec<NoticeAlert>,
    pub at: Timestamp,
    /// Somebody tries the channel.
    pub is_test: bool,
}

/// One alert in a message.
#[derive(Debug, Clone, PartialEq)]
pub struct NoticeAlert {
    pub rule: String,
    pub severity: Severity,
    pub title: String,
    pub detail: String,
    pub hint: String,
    pub replicas: Vec<String>,
    pub fired_at: Timestamp,
    /// None while it fires.
    pub resolved_at: Option<Timestamp>,
    /// The same for every message about this alert, from every replica.
    pub key: String,
}

impl Notice {
    #[must_use]
    pub fn of(due: &[Due], settings: &AlertsConfig, at: Timestamp) -> Self {
        let alert = |due: &Due| NoticeAlert {
            rule: due.rule.id.to_owned(),
            severity: due.rule.severity,
            title: due.rule.title.to_owned(),
            detail: due.detail.clone(),
            hint: due.rule.hint.to_owned(),
            replicas: due.replicas.clone(),
            fired_at: due.told.fired_at,
            resolved_at: due.told.is_resolved.then(|| due.resolved_at.unwrap_or(at)),
            key: key(settings, due.rule.id),
        };
        Self {
            environment: settings.environment.to_owned(),
            service: settings.service.clone(),
            alerts: due.iter().map(alert).collect(),
            at,
            is_test: false,
        }
    }

    /// A message that says that it is a test, or its end.
    #[must_use]
    pub fn test(settings: &AlertsConfig, at: Timestamp, is_resolved: bool) -> Self {
        let alert = NoticeAlert {
            rule: "test".to_owned(),
            // Every channel takes it.
            severity: Severity::Critical,
            title: "this is a test of the channel".to_owned(),
            detail: "nothing is wrong".to_owned(),
            hint: "innovation alerts list".to_owned(),
            replicas: Vec::new(),
            fired_at: at,
            resolved_at: is_resolved.then_some(at),
            key: key(settings, "test"),
        };
        Self {
            environment: settings.environment.to_owned(),
            service: settings.service.clone(),
            alerts: vec![alert],
            at,
            is_test: true,
        }
    }

    /// Whether all of its alerts are over.
    #[must_use]
    pub fn is_resolved(&self) -> bool {
        self.alerts.iter().all(|alert| alert.resolved_at.is_some())
    }

    /// One line: how many alerts fire and are resolved, and the name of a single one.
    #[must_use]
    pub fn headline(&self) -> String {
        let resolved = self.alerts.iter().filter(|alert| alert.resolved_at.is_some()).count();
        let firing = self.alerts.len() - resolved;
        let counts = match (firing, resolved) {
            (firing, 0) => format!("{firing} firing"),
            (0, resolved) => format!("{resolved} resolved"),
            (firing, resolved) => format!("{firing} firing, {resolved} resolved"),
        };
        let test = if self.is_test { " TEST" } else { "" };
        let what = match self.alerts.as_slice() {
            [one] => format!("{}: {}", one.rule, one.title),
            all => all.iter().map(|alert| alert.rule.as_str()).collect::<Vec<_>>().join(", "),
        };
        format!("[{} {}{test}] {counts}: {what}", self.service, self.environment)
    }
}

impl NoticeAlert {
    /// `FIRING` or `RESOLVED`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        if self.resolved_at.is_some() { "RESOLVED" } else { "FIRING" }
    }

    /// Everything that people read, as lines without markup.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines =
            vec![format!("{} {} {}: {}", self.word(), self.severity.as_str(), self.rule, self.title)];
        lines.push(format!("seen: {}", self.detail));
        match self.resolved_at {
            Some(at) => {
                let lasted = span((at - self.fired_at).to_std().unwrap_or_default());
                lines.push(format!("it lasted {lasted}, until {}", time(at)));
            }
            None => {
                lines.push(format!("since: {}", time(self.fired_at)));
                if !self.replicas.is_empty() {
                    lines.push(format!("replicas: {}", self.replicas.join(", ")));
                }
                lines.push(format!("next: {}", self.hint));
            }
        }
        lines
    }
}

/// A time, for people and for RFC 3339.
pub(super) fn time(at: Timestamp) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// The key of an alert. Every replica makes the same one.
fn key(settings: &AlertsConfig, rule: &str) -> String {
    format!("{}/{}/{rule}", settings.service, settings.environment)
}

/// So many alerts with details of so many characters, which all are markup.
#[cfg(test)]
pub(super) fn samples(count: usize, chars: usize) -> Notice {
    let at = Timestamp::UNIX_EPOCH;
    let alert = |index: usize| NoticeAlert {
        rule: format!("rule-{index}"),
        severity: Severity::Critical,
        title: "something is wrong".to_owned(),
        detail: "&".repeat(chars),
        hint: "innovation status".to_owned(),
        replicas: vec!["one".to_owned()],
        fired_at: at,
        resolved_at: (index % 2 == 1).then_some(at),
        key: "k".repeat(chars),
    };
    Notice {
        environment: "production".to_owned(),
        service: "innovation".to_owned(),
        alerts: (0..count).map(alert).collect(),
        at,
        is_test: false,
    }
}
