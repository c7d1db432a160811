//! Proofs that a deployment needs, and how old each may be.

use chrono::TimeDelta;
use pipeline::clock::Timestamp;
use serde_json::json;
use storage::control_plane::{Evidence, EvidenceLog};

use super::{
    check::{Check, Finding, Severity},
    database::{Place, asking, psql, unanswered},
    deps::CheckDeps,
};

/// A backup that a person has confirmed.
pub(super) const BACKUP: &str = "backup";

/// A report of `innovation smoke`.
pub(super) const SMOKE: &str = "smoke";

/// A rehearsed rollback.
pub(super) const REHEARSAL: &str = "rehearsal";

const REHEARSE: &str = "innovation rehearse";

/// The name of the scratch database, and of its owner.
const SCRATCH: &str = "innovation_rehearsal";

/// How old evidence may be, and how it is renewed.
struct Rule {
    kind: &'static str,
    what: &'static str,
    age_max: TimeDelta,
    next: Vec<String>,
}

impl Rule {
    fn failed(&self, told: String) -> Finding {
        Finding::fail(told).next_all(self.next.iter().cloned())
    }
}

fn judge(rule: &Rule, newest: Option<&Evidence>, now: Timestamp) -> Finding {
    let Some(evidence) = newest else {
        return rule.failed(format!("{} was never recorded", rule.what));
    };
    let age = now - evidence.at;
    let told = format!("{} of {} ({} h ago)", rule.what, evidence.at.to_rfc3339(), age.num_hours());
    let data = json!({ "id": evidence.id, "at": evidence.at, "passed": evidence.passed, "content": evidence.content });
    match () {
        () if !evidence.passed => rule.failed(format!("{told} failed")),
        () if age > rule.age_max => {
            rule.failed(format!("{told} is older than {} h", rule.age_max.num_hours()))
        }
        () => Finding::ok(told),
    }
    .with(data)
}

fn check(deps: &CheckDeps, id: &'static str, title: &'static str, rule: fn(&CheckDeps) -> Rule) -> Check {
    asking(deps, id, title, Severity::Major, move |deps, database| async move {
        let rule = rule(&deps);
        match EvidenceLog::newest(database.as_ref(), rule.kind).await {
            Ok(newest) => judge(&rule, newest.as_ref(), deps.clock.now()),
            Err(error) => unanswered(&error),
        }
    })
}

pub(super) fn backup(deps: &CheckDeps) -> Check {
    check(deps, "backup", "A backup was confirmed in the last 24 hours", |_| Rule {
        kind: BACKUP,
        what: "the confirmed backup",
        age_max: TimeDelta::hours(24),
        next: vec!["innovation gate confirm-backup --reference 'where it is'".to_owned()],
    })
}

pub(super) fn rehearsal(deps: &CheckDeps) -> Check {
    check(deps, "rehearsal", "A rollback was rehearsed in the last 30 days", |deps| Rule {
        kind: REHEARSAL,
        what: "the rehearsed rollback",
        age_max: TimeDelta::days(30),
        next: match deps.config.rehearsal_database {
            Some(_) => vec![REHEARSE.to_owned()],
            None => scratch_database(deps).into_iter().chain([REHEARSE.to_owned()]).collect(),
        },
    })
}

/// The commands that make an empty database beside the service's, with a role that owns nothing else, and the line that names it.
fn scratch_database(deps: &CheckDeps) -> [String; 4] {
    let Place { server, .. } = Place::of(deps.config.database.session_url());
    let psql = psql(deps);
    [
        "PASSWORD=$(openssl rand -hex 32)".to_owned(),
        format!("{psql} -c \"CREATE ROLE {SCRATCH} LOGIN PASSWORD '$PASSWORD'\""),
        format!("{psql} -c 'CREATE DATABASE {SCRATCH} OWNER {SCRATCH}'"),
        format!("REHEARSAL_DATABASE_URL=\"postgresql://{SCRATCH}:$PASSWORD@{server}/{SCRATCH}\""),
    ]
}

/// The golden path of staging, for the commit that is about to go to production.
pub(super) fn staging(deps: &CheckDeps) -> Check {
    // Nothing here knows the address of staging, or a key of it. A person's shell has both.
    const NEXT: &str = "innovation smoke \"$STAGING_URL\" --key-env OPERATOR_KEY --record";
    asking(
        deps,
        "staging-report",
        "The golden path ran in staging",
        Severity::Major,
        |deps, database| async move {
            let newest = match EvidenceLog::newest(database.as_ref(), SMOKE).await {
                Ok(newest) => newest,
                Err(error) => return unanswered(&error),
            };
            let rule = Rule {
                kind: SMOKE,
                what: "the golden path of staging",
                age_max: TimeDelta::hours(24),
                next: vec![NEXT.to_owned()],
            };
            let text = |name: &str| {
                let content = newest.as_ref().map(|evidence| &evidence.content)?;
                content.get(name)?.as_str().map(str::to_owned)
            };
            let (environment, commit) = (text("environment"), text("git_sha"));
            let ours = deps.identity.git_sha.as_str();
            if let Some(environment) = environment.filter(|name| name != "staging") {
                return Finding::fail(format!("the newest report is of {environment}, not of staging"))
                    .next(NEXT);
            }
            if let Some(theirs) =
                commit.filter(|theirs| theirs != ours && theirs != "unknown" && ours != "unknown")
            {
                return Finding::fail(format!("the newest report is of commit {theirs}; this is {ours}"))
                    .next(NEXT);
            }
            judge(&rule, newest.as_ref(), deps.clock.now())
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::check::Verdict;

    #[test]
    fn evidence_must_have_passed_and_be_fresh() {
        let rule =
            Rule { kind: BACKUP, what: "it", age_max: TimeDelta::hours(24), next: vec!["do it".to_owned()] };
        let now: Timestamp = "2026-12-01T00:00:00Z".parse().unwrap();
        let of = |hours, passed| Evidence {
            id: "1".to_owned(),
            kind: BACKUP.to_owned(),
            at: now - TimeDelta::hours(hours),
            passed,
            content: json!({}),
        };
        let verdict = |evidence: Option<&Evidence>| judge(&rule, evidence, now).verdict;
        assert_eq!(verdict(None), Verdict::Fail);
        assert_eq!(verdict(Some(&of(25, true))), Verdict::Fail);
        assert_eq!(verdict(Some(&of(1, false))), Verdict::Fail);
        assert_eq!(verdict(Some(&of(1, true))), Verdict::Ok);
    }
}
