//! The leases of the questions that this process asks. One task renews them all: thousands of runs may wait for a model at once.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use storage::control_plane::{AnswerQuestion, AnswerStore, HeldQuestion};

/// How often a lease is renewed within its duration, as the leases of runs.
const RENEWALS: u32 = 5;

/// How many leases one statement renews: about 100 kB of names.
const GROUP_MAX: usize = 500;

/// The leases that this process holds, at most one for each run that it executes.
#[derive(Debug, Clone, Default)]
pub(super) struct Renewals(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// By leader.
    held: HashMap<String, Arc<AnswerQuestion>>,
    /// Whether a task renews them.
    is_renewing: bool,
}

/// A lease that is renewed until this is dropped.
#[derive(Debug)]
pub(super) struct HeldLease {
    renewals: Renewals,
    pub(super) leader: String,
}

impl Drop for HeldLease {
    fn drop(&mut self) {
        self.renewals.0.lock().held.remove(&self.leader);
    }
}

impl Renewals {
    /// Renews the lease of a question from now on.
    pub(super) fn hold(
        &self,
        store: &Arc<dyn AnswerStore>,
        question: &Arc<AnswerQuestion>,
        leader: String,
        duration: Duration,
    ) -> HeldLease {
        let mut state = self.0.lock();
        state.held.insert(leader.clone(), question.clone());
        if !std::mem::replace(&mut state.is_renewing, true) {
            tokio::spawn(renew(self.clone(), store.clone(), duration));
        }
        HeldLease { renewals: self.clone(), leader }
    }

    /// All leases, or None if there are none: then the task is over.
    fn all(&self) -> Option<Vec<HeldQuestion>> {
        let mut state = self.0.lock();
        state.is_renewing = !state.held.is_empty();
        let held = |(leader, question): (&String, &Arc<AnswerQuestion>)| HeldQuestion {
            question: question.clone(),
            leader: leader.clone(),
        };
        state.is_renewing.then(|| state.held.iter().map(held).collect())
    }

    fn forget(&self, leader: &str) {
        self.0.lock().held.remove(leader);
    }
}

/// Renews while this process holds a lease. A renewal that fails is tried again: the leases may still last.
async fn renew(renewals: Renewals, store: Arc<dyn AnswerStore>, duration: Duration) {
    loop {
        tokio::time::sleep(duration / RENEWALS).await;
        let Some(held) = renewals.all() else { return };
        for group in held.chunks(GROUP_MAX) {
            // The other groups would wait as long for the same store.
            let Ok(leading) = store.renew(group, duration).await else { break };
            for lost in group.iter().filter(|one| !leading.contains(&one.leader)) {
                renewals.forget(&lost.leader);
            }
        }
    }
}
