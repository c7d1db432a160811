//! The answers of all checks with their waivers, and what follows of them.

use std::time::Duration;

use pipeline::clock::Timestamp;
use serde_json::{Value, json};
use storage::control_plane::Waiver;

use super::check::{Check, Finding, Severity, Verdict};

/// A check with its answer.
#[derive(Debug, Clone)]
pub struct Answered {
    pub check: Check,
    pub finding: Finding,
    pub elapsed: Duration,
}

/// One line of a report.
#[derive(Debug, Clone)]
pub struct Line {
    pub id: &'static str,
    pub title: &'static str,
    pub severity: Severity,
    pub finding: Finding,
    pub elapsed: Duration,
    /// A person accepted it until a time. It does not count then.
    pub waiver: Option<Waiver>,
}

/// The conclusion of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conclusion {
    Ok,
    Failed,
    /// Nothing failed, and there are warnings.
    Warnings,
    /// Nothing failed, and something could not be checked.
    CouldNotCheck,
}

/// The report of one command.
#[derive(Debug, Clone)]
pub struct Report {
    /// The failures first, then what could not be checked, the warnings, and the rest.
    pub lines: Vec<Line>,
    /// Why the waivers are unknown. No waiver counts then.
    pub waivers_unknown: Option<String>,
}

impl Report {
    /// The report of these answers. Waivers that have expired by `now` do not count.
    #[must_use]
    pub fn new(answers: Vec<Answered>, waivers: Result<Vec<Waiver>, String>, now: Timestamp) -> Self {
        let (waivers, waivers_unknown) = match waivers {
            Ok(waivers) => (waivers, None),
            Err(reason) => (Vec::new(), Some(reason)),
        };
        let mut lines: Vec<Line> = answers
            .into_iter()
            .map(|Answered { check, finding, elapsed }| {
                let is_meant = |waiver: &&Waiver| waiver.check_id == check.id && waiver.expires_at > now;
                let waiver = waivers.iter().find(is_meant).cloned();
                let waiver = waiver.filter(|_| finding.verdict != Verdict::Ok);
                Line { id: check.id, title: check.title, severity: check.severity, finding, elapsed, waiver }
            })
            .collect();
        // It is stable, so equals stay in the order of the command.
        lines.sort_by_key(|line| (line.rank(), line.severity));
        Self { lines, waivers_unknown }
    }

    /// The lines that count with this verdict: those without a waiver.
    pub fn counted(&self, verdict: Verdict) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(move |line| line.waiver.is_none() && line.finding.verdict == verdict)
    }

    #[must_use]
    pub fn conclusion(&self) -> Conclusion {
        let has = |verdict| self.counted(verdict).next().is_some();
        if has(Verdict::Fail) {
            Conclusion::Failed
        } else if has(Verdict::CouldNotCheck) {
            Conclusion::CouldNotCheck
        } else if has(Verdict::Warn) {
            Conclusion::Warnings
        } else {
            Conclusion::Ok
        }
    }

    /// The report for programs.
    #[must_use]
    pub fn json(&self, command: &str) -> Value {
        let count = |verdict| self.counted(verdict).count();
        let mut report = json!({
            "command": command,
            "ok": self.conclusion() == Conclusion::Ok,
            "failed": count(Verdict::Fail),
            "could_not_check": count(Verdict::CouldNotCheck),
            "warnings": count(Verdict::Warn),
            "waived": self.lines.iter().filter(|line| line.waiver.is_some()).count(),
            "checks": self.lines.iter().map(Line::json).collect::<Vec<_>>(),
        });
        if let (Some(reason), Some(report)) = (&self.waivers_unknown, report.as_object_mut()) {
            report.insert("waivers_unknown".to_owned(), json!(reason));
        }
        report
    }
}

impl Line {
    fn rank(&self) -> u8 {
        match (self.finding.verdict, &self.waiver) {
            (Verdict::Fail, None) => 0,
            (Verdict::CouldNotCheck, None) => 1,
            (Verdict::Warn, None) => 2,
            (_, Some(_)) => 3,
            (Verdict::Ok, None) => 4,
        }
    }

    fn json(&self) -> Value {
        let Finding { verdict, evidence, data, next } = &self.finding;
        json!({
            "id": self.id,
            "title": self.title,
            "severity": self.severity,
            "verdict": verdict,
            "evidence": evidence,
            "data": data,
            "next": next,
            "elapsed_ms": u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX),
            "waiver": self.waiver,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-12-01T00:00:00Z";

    fn answered(id: &'static str, finding: Finding) -> Answered {
        let check = Check::new(id, "", Severity::Major, || async { Finding::ok("") });
        Answered { check, finding, elapsed: Duration::ZERO }
    }

    fn waiver(id: &str, until: &str) -> Waiver {
        Waiver {
            check_id: id.to_owned(),
            reason: "known".to_owned(),
            actor: "command".to_owned(),
            created_at: NOW.parse().unwrap(),
            expires_at: until.parse().unwrap(),
        }
    }

    fn report(waivers: Vec<Waiver>) -> Report {
        let answers = vec![
            answered("fine", Finding::ok("")),
            answered("odd", Finding::warn("")),
            answered("broken", Finding::fail("")),
        ];
        Report::new(answers, Ok(waivers), NOW.parse().unwrap())
    }

    #[test]
    fn failures_come_first() {
        let ids: Vec<_> = report(Vec::new()).lines.iter().map(|line| line.id).collect();
        assert_eq!(ids, ["broken", "odd", "fine"]);
    }

    #[test]
    fn a_waiver_counts_until_it_expires() {
        let valid = waiver("broken", "2026-12-02T00:00:00Z");
        let expired = waiver("broken", "2026-11-30T00:00:00Z");
        assert_eq!(report(vec![valid]).conclusion(), Conclusion::Warnings);
        assert_eq!(report(vec![expired]).conclusion(), Conclusion::Failed);
    }

    #[test]
    fn what_could_not_be_checked_is_no_success() {
        let answers =
            vec![answered("odd", Finding::warn("")), answered("blind", Finding::could_not_check(""))];
        let report = Report::new(answers, Err("away".to_owned()), NOW.parse().unwrap());
        assert_eq!(report.conclusion(), Conclusion::CouldNotCheck);
        assert_eq!(report.json("doctor")["waivers_unknown"], "away");
    }
}
