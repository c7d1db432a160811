//! The seam to the watch over deployments: it says what it found, and the alerts tell people.

use std::sync::Arc;

use parking_lot::Mutex;

use super::report::Seen;

/// The last verdict over the present deployment. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct DeploymentWatch(Arc<Mutex<Option<Verdict>>>);

/// The finding of the watch over a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The deployment's id.
    pub deployment: String,
    pub is_failing: bool,
    /// A sentence part for people.
    pub reason: String,
}

impl DeploymentWatch {
    /// Takes note of a verdict, in place of an earlier one.
    pub fn set(&self, verdict: Option<Verdict>) {
        *self.0.lock() = verdict;
    }

    pub(super) fn seen(&self) -> Seen {
        match &*self.0.lock() {
            Some(verdict) => {
                let value = if verdict.is_failing { 1.0 } else { 0.0 };
                Seen::figure(value, format!("{}: {}", verdict.deployment, verdict.reason))
            }
            None => Seen::NotHere,
        }
    }
}
