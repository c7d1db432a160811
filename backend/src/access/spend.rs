//! Counts what principals spend, and brings it to the database.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;
use pipeline::clock::{Clock, Timestamp};
use storage::{
    StorageError,
    control_plane::{Principal, Spending, UsageStore},
};

/// Days of principals that are not saved yet. While the database is away for days, the least is forgotten first.
const UNSAVED_MAX: usize = 10_000;

/// The dollars that are not in the database yet. Dollars of a process that is killed within two seconds of a call are lost to
/// the quota, and stay in the records of their run.
#[derive(Debug)]
pub struct SpendMeter {
    unsaved: Mutex<BTreeMap<(Principal, String), f64>>,
    clock: Arc<dyn Clock>,
}

impl SpendMeter {
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { unsaved: Mutex::default(), clock })
    }

    /// Adds the dollars of a call. An invalid amount is ignored, and the service's own runs cost nobody anything.
    pub fn add(&self, principal: &Principal, usd: f64) {
        if !(usd.is_finite() && usd > 0.0) || *principal == Principal::system() {
            return;
        }
        let mut unsaved = self.unsaved.lock();
        if unsaved.len() >= UNSAVED_MAX {
            let least = unsaved.iter().min_by(|one, other| one.1.total_cmp(other.1));
            if let Some(key) = least.map(|(key, _)| key.clone()) {
                unsaved.remove(&key);
            }
        }
        *unsaved.entry((principal.clone(), day(self.clock.now()))).or_default() += usd;
    }

    /// The dollars of a principal today that the database does not know.
    pub(super) fn unsaved_today(&self, principal: &Principal) -> f64 {
        let key = (principal.clone(), day(self.clock.now()));
        self.unsaved.lock().get(&key).copied().unwrap_or_default()
    }

    /// Brings all to the database.
    ///
    /// # Errors
    ///
    /// The error of the database. Amounts that it surely did not take are kept. After `Indeterminate`, it may have taken it, and a quota
    /// should rather let a run through than count a dollar twice.
    pub async fn save(&self, store: &dyn UsageStore) -> Result<(), StorageError> {
        let taken = std::mem::take(&mut *self.unsaved.lock());
        if taken.is_empty() {
            return Ok(());
        }
        let of = |((principal, day), usd): (&(Principal, String), &f64)| Spending {
            principal: principal.clone(),
            day: day.clone(),
            usd: *usd,
        };
        let spent: Vec<Spending> = taken.iter().map(of).collect();
        let saved = store.spend(&spent).await;
        if saved.as_ref().is_err_and(|error| error.kind != storage::StorageErrorKind::Indeterminate) {
            let mut unsaved = self.unsaved.lock();
            for (key, usd) in taken {
                *unsaved.entry(key).or_default() += usd;
            }
        }
        saved
    }
}

fn day(now: Timestamp) -> String {
    now.format("%Y-%m-%d").to_string()
}
