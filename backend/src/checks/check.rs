//! A check, and its finding.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use serde::Serialize;
use serde_json::Value;

/// The verdict of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Ok,
    /// It works, and will not for long, or not as somebody expects.
    Warn,
    Fail,
    /// Nothing is known: the check crashed, took too long, or lacks something that it needs.
    CouldNotCheck,
}

/// How much a failure matters. It orders the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Runs are refused or lost.
    Critical,
    /// Runs are late, or a safeguard is missing.
    Major,
    /// It costs money, time or sight.
    Minor,
}

/// The answer of a check.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    pub verdict: Verdict,
    /// A sentence for people: what was seen.
    pub evidence: String,
    /// The same for programs, with more figures.
    pub data: Option<Value>,
    /// The commands to type next, or the configuration lines to paste, in this order.
    pub next: Vec<String>,
}

impl Finding {
    fn new(verdict: Verdict, evidence: impl Into<String>) -> Self {
        Self { verdict, evidence: evidence.into(), data: None, next: Vec::new() }
    }

    #[must_use]
    pub fn ok(evidence: impl Into<String>) -> Self {
        Self::new(Verdict::Ok, evidence)
    }

    #[must_use]
    pub fn warn(evidence: impl Into<String>) -> Self {
        Self::new(Verdict::Warn, evidence)
    }

    #[must_use]
    pub fn fail(evidence: impl Into<String>) -> Self {
        Self::new(Verdict::Fail, evidence)
    }

    #[must_use]
    pub fn could_not_check(evidence: impl Into<String>) -> Self {
        Self::new(Verdict::CouldNotCheck, evidence)
    }

    /// Adds figures for programs.
    #[must_use]
    pub fn with(self, data: impl Serialize) -> Self {
        // Only a map with keys that are no texts cannot be written.
        Self { data: serde_json::to_value(data).ok(), ..self }
    }

    /// Adds a command to type, or a line to paste.
    #[must_use]
    pub fn next(mut self, command: impl Into<String>) -> Self {
        self.next.push(command.into());
        self
    }

    /// Adds several.
    #[must_use]
    pub fn next_all(mut self, commands: impl IntoIterator<Item = String>) -> Self {
        self.next.extend(commands);
        self
    }
}

type Asking = Pin<Box<dyn Future<Output = Finding> + Send>>;

/// A question with a stable id.
#[derive(Clone)]
pub struct Check {
    /// Stable: scripts and waivers name it.
    pub id: &'static str,
    /// A sentence that holds if the check passes.
    pub title: &'static str,
    pub severity: Severity,
    ask: Arc<dyn Fn() -> Asking + Send + Sync>,
}

impl Check {
    /// A check that asks by this function.
    pub fn new<F>(
        id: &'static str,
        title: &'static str,
        severity: Severity,
        ask: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Finding> + Send + 'static,
    {
        Self { id, title, severity, ask: Arc::new(move || Box::pin(ask())) }
    }

    /// Asks once.
    pub(super) fn ask(&self) -> Asking {
        (self.ask)()
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Check({})", self.id)
    }
}
