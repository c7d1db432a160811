//! Holds callers to the quotas of their key. They count by principal, so a second key or a rotation brings no second quota.
//!
//! The database counts for all replicas. While it is away, each replica counts the runs that it accepted itself, and adds what it
//! spends to the dollars of the day that the database has last told.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use chrono::NaiveDate;
use foundation::clock::timer_now;
use parking_lot::Mutex;
use pipeline::{
    clock::Clock,
    run::{RunId, RunStatus},
};
use storage::{
    control_plane::{Principal, Quotas, Usage, UsageStore},
    prelude::*,
    router::Router,
};

use super::{caller::Caller, spend::SpendMeter};

const MINUTE: Duration = Duration::from_secs(60);

/// The runs of a principal that this process remembers. A principal with more under way has a quota beyond what one process
/// executes.
const REMEMBERED_MAX: usize = 10_000;

/// A run is remembered this long, in case the database goes away. Few runs take longer.
const REMEMBERED_FOR: Duration = Duration::from_secs(60 * 60);

/// How many runs are looked at for their end while the database is away.
const LOOKED_AT_MAX: usize = 100;

/// After a failure the database is not asked for this long, so that callers do not wait for it one after the other.
const AWAY_FOR: Duration = Duration::from_secs(2);

/// `Retry-After` where the time is not known: a run takes minutes, and one of several ends every few seconds.
const RETRY: Duration = Duration::from_secs(10);

/// Holds callers to their quotas. Cheap to clone.
#[derive(Debug, Clone)]
pub struct QuotaKeeper {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// None without a database.
    store: Option<Arc<dyn UsageStore>>,
    router: Arc<Router>,
    spend: Arc<SpendMeter>,
    clock: Arc<dyn Clock>,
    /// No more than there are principals of keys with quotas.
    principals: Mutex<HashMap<Principal, Arc<Account>>>,
    away_until: Mutex<Option<tokio::time::Instant>>,
}

/// The runs of a principal on this replica.
#[derive(Debug, Default)]
struct Account {
    /// One admission at a time, so that all see the same count.
    admitting: tokio::sync::Mutex<()>,
    runs: Mutex<BTreeMap<RunId, Noted>>,
    /// The dollars of a day that the database has last told.
    told: Mutex<Told>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Told {
    /// In UTC.
    day: NaiveDate,
    usd: f64,
}

#[derive(Debug, Clone, Copy)]
struct Noted {
    at: Duration,
    /// The request has not been answered, so the database may not have the run.
    is_pending: bool,
    has_ended: bool,
}

/// A quota that is used up.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("the quota of this key is used up: {limit}; try again later, or ask an admin for a larger one")]
pub struct QuotaExceeded {
    /// Names the limit.
    pub limit: String,
    pub retry_after: Duration,
}

/// The place of a request within the quotas. Dropped without [`Admission::accepted`], it is free again.
#[derive(Debug)]
pub struct Admission {
    account: Arc<Account>,
    run: RunId,
    is_kept: bool,
}

impl Admission {
    /// The run is accepted, and counts.
    pub fn accepted(mut self) {
        self.is_kept = true;
        if let Some(noted) = self.account.runs.lock().get_mut(&self.run) {
            noted.is_pending = false;
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        if !self.is_kept {
            self.account.runs.lock().remove(&self.run);
        }
    }
}

impl QuotaKeeper {
    #[must_use]
    pub fn new(
        store: Option<Arc<dyn UsageStore>>,
        router: Arc<Router>,
        spend: Arc<SpendMeter>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (principals, away_until) = (Mutex::default(), Mutex::default());
        Self { inner: Arc::new(Inner { store, router, spend, clock, principals, away_until }) }
    }

    /// Admits one more run of a caller, or with `is_retry` an old one that begins again. None for a caller without quotas, and for
    /// a run that was admitted before.
    ///
    /// # Errors
    ///
    /// The quota that is used up.
    pub async fn admit(
        &self,
        caller: &Caller,
        run: &RunId,
        is_retry: bool,
    ) -> Result<Option<Admission>, QuotaExceeded> {
        let Quotas { runs_per_minute, runs_under_way, usd_per_day } = caller.quotas;
        if runs_per_minute.is_none() && runs_under_way.is_none() && usd_per_day.is_none() {
            return Ok(None);
        }
        let account = self.account(&caller.principal);
        let _alone = account.admitting.lock().await;
        if !is_retry && account.runs.lock().contains_key(run) {
            return Ok(None);
        }
        let used = self.used(&caller.principal, &account, &caller.quotas).await;
        check(&caller.quotas, &used, self.inner.clock.now())?;
        let mut runs = account.runs.lock();
        if runs.len() < REMEMBERED_MAX {
            runs.insert(
                run.clone(),
                Noted { at: self.inner.clock.monotonic(), is_pending: true, has_ended: false },
            );
        }
        drop(runs);
        Ok(Some(Admission { account: account.clone(), run: run.clone(), is_kept: false }))
    }

    fn account(&self, principal: &Principal) -> Arc<Account> {
        let mut principals = self.inner.principals.lock();
        // Others hold an account only while they admit.
        let day = self.today();
        principals.retain(|_, account| {
            let told = *account.told.lock();
            let has_spent = told.day == day && told.usd > 0.0;
            Arc::strong_count(account) > 1 || has_spent || !account.runs.lock().is_empty()
        });
        principals.entry(principal.clone()).or_default().clone()
    }

    fn today(&self) -> NaiveDate {
        self.inner.clock.now().date_naive()
    }

    async fn used(&self, principal: &Principal, account: &Account, quotas: &Quotas) -> Usage {
        let spent = self.inner.spend.unsaved_today(principal);
        let of_database = self.of_database(principal, account, quotas).await;
        let counted = match of_database {
            Some(counted) => counted,
            None => self.of_this_replica(account).await,
        };
        Usage { usd_today: counted.usd_today + spent, ..counted }
    }

    /// None while the database is away.
    async fn of_database(&self, principal: &Principal, account: &Account, quotas: &Quotas) -> Option<Usage> {
        let Inner { store, away_until, clock, .. } = &*self.inner;
        let store = store.as_ref()?;
        if away_until.lock().is_some_and(|end| timer_now() < end) {
            return None;
        }
        let pending: Vec<RunId> = {
            let runs = account.runs.lock();
            runs.iter().filter(|(_, noted)| noted.is_pending).map(|(run, _)| run.clone()).collect()
        };
        let count_max = quotas.runs_per_minute.max(quotas.runs_under_way).unwrap_or(1);
        match store.usage(principal, &pending, count_max).await {
            Ok(usage) => {
                let now = clock.monotonic();
                account.runs.lock().retain(|_, noted| noted.is_pending || now < noted.at + REMEMBERED_FOR);
                let recent =
                    count(account.runs.lock().values().filter(|noted| now < noted.at + MINUTE).count());
                let pending = count(pending.len());
                *account.told.lock() = Told { day: self.today(), usd: usage.usd_today };
                Some(Usage {
                    // Retries of this replica are not among the accepted runs of the database.
                    runs_last_minute: usage.runs_last_minute.saturating_add(pending).max(recent),
                    runs_under_way: usage.runs_under_way.saturating_add(pending),
                    ..usage
                })
            }
            Err(error) => {
                tracing::debug!(event = "usage_unreadable", %error, "quotas count the runs of this replica alone");
                *away_until.lock() = Some(timer_now() + AWAY_FOR);
                None
            }
        }
    }

    async fn of_this_replica(&self, account: &Account) -> Usage {
        let known: Vec<(RunId, Noted)> =
            account.runs.lock().iter().map(|(run, noted)| (run.clone(), *noted)).collect();
        let now = self.inner.clock.monotonic();
        let is_open = |noted: &Noted| !noted.is_pending && !noted.has_ended;
        for (run, _) in known.iter().filter(|(_, noted)| is_open(noted)).take(LOOKED_AT_MAX) {
            let loaded = self.inner.router.load(run).await.ok().flatten();
            if loaded.is_some_and(|record| record.status != RunStatus::Processing)
                && let Some(noted) = account.runs.lock().get_mut(run)
            {
                noted.has_ended = true;
            }
        }
        let told = *account.told.lock();
        let mut runs = account.runs.lock();
        runs.retain(|_, noted| !noted.has_ended || now < noted.at + MINUTE);
        Usage {
            runs_last_minute: count(runs.values().filter(|noted| now < noted.at + MINUTE).count()),
            runs_under_way: count(runs.values().filter(|noted| !noted.has_ended).count()),
            usd_today: if told.day == self.today() { told.usd } else { 0.0 },
        }
    }
}

fn count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn check(quotas: &Quotas, used: &Usage, now: pipeline::clock::Timestamp) -> Result<(), QuotaExceeded> {
    let exceeded = |limit: String, retry_after| Err(QuotaExceeded { limit, retry_after });
    if let Some(max) = quotas.runs_per_minute.filter(|max| used.runs_last_minute >= *max) {
        return exceeded(format!("{max} runs a minute"), RETRY);
    }
    if let Some(max) = quotas.runs_under_way.filter(|max| used.runs_under_way >= *max) {
        return exceeded(format!("{max} runs under way"), RETRY);
    }
    if let Some(max) = quotas.usd_per_day.filter(|max| used.usd_today >= *max) {
        let today = u64::try_from(now.timestamp()).unwrap_or_default() % 86_400;
        return exceeded(format!("{max} dollars a day (UTC)"), Duration::from_secs(86_400 - today));
    }
    Ok(())
}
