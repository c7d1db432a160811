//! The keys of the database, as this process knows them.

use std::{collections::HashMap, time::Duration};

use pipeline::clock::Timestamp;
use storage::control_plane::{ApiKey, KeyDigest, StoredKey};
use subtle::ConstantTimeEq as _;

/// How long the keys of the database stay valid without the database.
pub const KEYS_LAST: Duration = Duration::from_secs(24 * 60 * 60);

/// Between two writes of a key's last use.
const WRITE_PAUSE: Duration = Duration::from_secs(60);

/// How far a clock may have been ahead when a cache was written.
const CLOCK_SLACK: Duration = Duration::from_secs(5 * 60);

/// The keys at one time.
#[derive(Debug, Clone)]
pub(super) struct KeyTable {
    /// By the first bytes of the digest. A digest of 256 random bits tells nobody anything by the time of this step; the rest
    /// is compared in constant time.
    by_start: HashMap<[u8; 8], Vec<StoredKey>>,
    source: Source,
}

/// How the keys are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// There is no database, so there are no such keys.
    Nowhere,
    /// There is a database, and it has not answered yet.
    Unread,
    /// The database confirmed them at this time, and by the monotonic clock of this process if it is not away since.
    Confirmed { on: Timestamp, at: Option<Duration> },
}

impl KeyTable {
    pub(super) fn without_database() -> Self {
        Self { by_start: HashMap::new(), source: Source::Nowhere }
    }

    pub(super) fn unread() -> Self {
        Self { by_start: HashMap::new(), source: Source::Unread }
    }

    pub(super) fn of_database(keys: Vec<StoredKey>, on: Timestamp, at: Duration) -> Self {
        Self { by_start: by_start(keys), source: Source::Confirmed { on, at: Some(at) } }
    }

    pub(super) fn of_cache(keys: Vec<StoredKey>, on: Timestamp) -> Self {
        Self { by_start: by_start(keys), source: Source::Confirmed { on, at: None } }
    }

    /// The same keys after the database has failed.
    pub(super) fn unconfirmed(&self) -> Self {
        let source = match self.source {
            Source::Confirmed { on, .. } => Source::Confirmed { on, at: None },
            other => other,
        };
        Self { source, ..self.clone() }
    }

    pub(super) fn len(&self) -> usize {
        self.by_start.values().map(Vec::len).sum()
    }

    /// Whether the database has answered, or a cache.
    pub(super) fn is_read(&self) -> bool {
        matches!(self.source, Source::Confirmed { .. })
    }

    /// Whether a key that is not found is surely none.
    pub(super) fn is_usable(&self, now: Timestamp) -> bool {
        match self.source {
            Source::Nowhere => true,
            Source::Unread => false,
            Source::Confirmed { on, .. } => is_recent(on, now),
        }
    }

    /// Whether the database has confirmed the keys within this time, and has not failed since.
    pub(super) fn is_confirmed(&self, now: Duration, within: Duration) -> bool {
        match self.source {
            Source::Confirmed { at: Some(at), .. } => now.saturating_sub(at) <= within,
            _ => false,
        }
    }

    /// The valid key with this digest.
    pub(super) fn find(&self, given: &KeyDigest, now: Timestamp) -> Option<&ApiKey> {
        let candidates = self.by_start.get(&start(given))?;
        let found = candidates.iter().find(|stored| stored.sha256.ct_eq(given).into());
        found.map(|stored| &stored.key).filter(|key| key.is_valid_at(now))
    }

    /// The valid key with this id.
    pub(super) fn find_id(&self, id: &str, now: Timestamp) -> Option<&StoredKey> {
        let found = self.by_start.values().flatten().find(|stored| stored.key.id == id);
        found.filter(|stored| stored.key.is_valid_at(now))
    }
}

/// Whether keys that were confirmed at this time are still believed. A time in the future belongs to a wrong clock.
pub(super) fn is_recent(confirmed_on: Timestamp, now: Timestamp) -> bool {
    confirmed_on <= now + CLOCK_SLACK && now <= confirmed_on + KEYS_LAST
}

fn start(digest: &KeyDigest) -> [u8; 8] {
    let mut start = [0; 8];
    for (to, from) in start.iter_mut().zip(digest) {
        *to = *from;
    }
    start
}

fn by_start(keys: Vec<StoredKey>) -> HashMap<[u8; 8], Vec<StoredKey>> {
    let mut by_start: HashMap<_, Vec<StoredKey>> = HashMap::with_capacity(keys.len());
    for stored in keys {
        by_start.entry(start(&stored.sha256)).or_default().push(stored);
    }
    by_start
}

/// When keys were used, and when that was written. It has no more entries than there are keys.
#[derive(Debug, Default)]
pub(super) struct KeyUses(HashMap<String, Use>);

#[derive(Debug, Clone, Copy)]
struct Use {
    last: Timestamp,
    written: Option<Timestamp>,
}

impl KeyUses {
    pub(super) fn note(&mut self, id: &str, now: Timestamp) {
        match self.0.get_mut(id) {
            Some(used) => used.last = now,
            None => {
                self.0.insert(id.to_owned(), Use { last: now, written: None });
            }
        }
    }

    /// Forgets the keys that are gone.
    pub(super) fn forget_others(&mut self, keys: &[StoredKey]) {
        if self.0.len() > keys.len() {
            let known: std::collections::HashSet<&str> = keys.iter().map(|stored| &*stored.key.id).collect();
            self.0.retain(|id, _| known.contains(id.as_str()));
        }
    }

    /// Takes the uses that are to be written.
    pub(super) fn take(&mut self, now: Timestamp) -> Vec<(String, Timestamp)> {
        let due = self.0.iter_mut().filter(|(_, used)| {
            used.written.is_none_or(|written| written < used.last && written + WRITE_PAUSE <= now)
        });
        due.map(|(id, used)| {
            used.written = Some(now);
            (id.clone(), used.last)
        })
        .collect()
    }
}
