//! The counts of all replicas, by the database.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use pipeline::clock::Timestamp;
use storage::{
    StorageError, StorageErrorKind,
    control_plane::{LevelCounts, ServiceLevels},
    router::Router,
};

use super::counts::Counts;

/// The length of a slot.
const SLOT: Duration = Duration::from_secs(300);

/// How often the counts go to the database, and come from there. A rule needs no fresher ones.
const PERIOD: Duration = Duration::from_secs(15);

/// How long the database may take.
const TIMEOUT: Duration = Duration::from_secs(2);

/// How far back the counts of the others are kept: the window of budgets, and a slot.
const KEPT: Duration = Duration::from_secs(24 * 3_600 + 300);

/// The exchange of counts with the other replicas.
#[derive(Debug)]
pub(super) struct SharedCounts {
    pub(super) levels: Arc<dyn ServiceLevels>,
    pub(super) router: Arc<Router>,
    /// New at every start: counters begin at zero.
    pub(super) process: String,
    pub(super) state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// The slot under way, and the counters at its start.
    slot: Option<(Timestamp, Counts)>,
    /// The last exchange, by the monotonic clock.
    at: Option<Duration>,
    /// The slots of the other processes. None until they were read, and while the database is away.
    others: Option<Vec<(Timestamp, Counts)>>,
}

impl SharedCounts {
    /// Brings the counts of this process to the database, and reads those of the others. False if it is not time yet, or if the mode has no
    /// database.
    ///
    /// # Errors
    ///
    /// The error of the database.
    pub(super) async fn exchange(
        &self,
        now: Timestamp,
        monotonic: Duration,
        counts: Counts,
    ) -> Result<bool, StorageError> {
        let Some(mine) = self.begin(now, monotonic, counts) else { return Ok(false) };
        if !self.router.is_database_open() {
            self.state.lock().others = None;
            return Ok(false);
        }
        let exchanged = tokio::time::timeout(TIMEOUT, self.ask(mine, now)).await;
        let what = || StorageError::new(StorageErrorKind::Indeterminate, "the database does not answer");
        let others = exchanged.unwrap_or_else(|_| Err(what()));
        self.state.lock().others = others.as_ref().ok().cloned();
        others.map(|_| true)
    }

    /// The counts of this process in the slot under way. None if it is not time for an exchange.
    fn begin(&self, now: Timestamp, monotonic: Duration, counts: Counts) -> Option<LevelCounts> {
        let mut state = self.state.lock();
        if state.at.is_some_and(|at| monotonic < at + PERIOD) {
            return None;
        }
        state.at = Some(monotonic);
        let slot = slot_of(now);
        let (begun, before) = *state.slot.get_or_insert((slot, counts));
        if begun != slot {
            // The end of the old slot is counted by the last exchange within it.
            state.slot = Some((slot, counts));
        }
        let counts = serde_json::to_value(counts.since(&before)).ok()?;
        Some(LevelCounts { slot: begun, process: self.process.clone(), counts })
    }

    async fn ask(&self, mine: LevelCounts, now: Timestamp) -> Result<Vec<(Timestamp, Counts)>, StorageError> {
        self.levels.store_counts(&mine).await?;
        let since = now.checked_sub_signed(delta(KEPT)).unwrap_or(now);
        let slots = self.levels.counts_of_others(&self.process, since).await?;
        // Counts of a release that counted otherwise are left out.
        let read = |slot: LevelCounts| Some((slot.slot, serde_json::from_value(slot.counts).ok()?));
        Ok(slots.into_iter().filter_map(read).collect())
    }

    /// The counts of the other processes within the last time of this length, to a slot. None while they are unknown.
    pub(super) fn others(&self, window: Duration, now: Timestamp) -> Option<Counts> {
        let from = now.checked_sub_signed(delta(window.max(SLOT)))?;
        let state = self.state.lock();
        let slots = state.others.as_ref()?.iter().filter(|(slot, _)| *slot > from);
        Some(slots.fold(Counts::default(), |sum, (_, counts)| sum.plus(counts)))
    }
}

fn delta(duration: Duration) -> chrono::TimeDelta {
    chrono::TimeDelta::from_std(duration).unwrap_or(chrono::TimeDelta::MAX)
}

fn slot_of(now: Timestamp) -> Timestamp {
    use chrono::DurationRound as _;
    // It fails only for times centuries away.
    now.duration_trunc(delta(SLOT)).unwrap_or(now)
}
