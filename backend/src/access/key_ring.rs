//! The accepted keys.

use std::{sync::Arc, time::Duration};

use parking_lot::{Mutex, RwLock};
use pipeline::clock::{Clock, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};
use tokio::sync::Notify;

use super::{
    caller::Caller,
    key_table::{KeyTable, KeyUses},
};
use crate::config::access::AccessConfig;
use storage::{
    StorageError,
    control_plane::{ApiKeys, KeyDigest, Quotas, Role, StoredKey},
};

/// The database counts as away if it has not confirmed the keys for this long. They are asked for every two seconds, and an
/// answer takes two at most.
const CONFIRMED_FOR: Duration = Duration::from_secs(10);

/// All keys that open this service.
pub struct KeyRing {
    environment: Vec<(KeyDigest, Role)>,
    /// A key that this process has made for its own requests, and that nobody else knows.
    own: Option<KeyDigest>,
    /// Of the clients with a key of the environment.
    client_quotas: Quotas,
    table: RwLock<Arc<KeyTable>>,
    /// The answer of an earlier question must not replace that of a later one.
    refreshing: tokio::sync::Mutex<()>,
    uses: Mutex<KeyUses>,
    changed: Notify,
    clock: Arc<dyn Clock>,
}

/// Why a key is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unrecognised {
    /// No key of this service.
    Wrong,
    /// Perhaps a key of the database, whose keys this process does not know yet or no longer.
    Unknown,
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyRing({} of the environment, {})", self.environment.len(), self.table.read().len())
    }
}

impl KeyRing {
    /// With the keys of the environment, and none of a database.
    #[must_use]
    pub fn new(access: &AccessConfig, clock: Arc<dyn Clock>) -> Self {
        let of = |keys: &[SecretString], role| -> Vec<(KeyDigest, Role)> {
            keys.iter().map(|key| (digest(key.expose_secret()), role)).collect()
        };
        let environment = [of(&access.api_keys, Role::Client), of(&access.admin_keys, Role::Admin)].concat();
        Self {
            environment,
            own: None,
            client_quotas: access.client_quotas,
            table: RwLock::new(Arc::new(KeyTable::without_database())),
            refreshing: tokio::sync::Mutex::default(),
            uses: Mutex::default(),
            changed: Notify::new(),
            clock,
        }
    }

    /// With keys of a database too, once they have been read.
    #[must_use]
    pub fn with_database(self) -> Self {
        *self.table.write() = Arc::new(KeyTable::unread());
        self
    }

    /// With a key for this process's own requests to itself: those of the golden path.
    #[must_use]
    pub fn with_own_key(self, key: KeyDigest) -> Self {
        Self { own: Some(key), ..self }
    }

    /// Whether no key is required, as in development without keys. Then everybody may do everything.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.environment.is_empty()
    }

    /// The caller with this key.
    ///
    /// # Errors
    ///
    /// Why the key is not accepted.
    pub fn recognise(&self, given: &KeyDigest) -> Result<Caller, Unrecognised> {
        // Compare with every key, also after a match, to take constant time.
        let mut found = None;
        for (key, role) in &self.environment {
            let is_equal: Choice = key.ct_eq(given);
            if is_equal.into() {
                found = found.max(Some(*role));
            }
        }
        let is_own: Choice = self.own.as_ref().map_or(Choice::from(0), |own| own.ct_eq(given));
        if is_own.into() {
            return Ok(Caller { name: "arbiter".to_owned(), ..Caller::environment(Role::Operator) });
        }
        if let Some(role) = found {
            return Ok(self.environment_caller(role));
        }
        let (table, now) = (self.table.read().clone(), self.clock.now());
        if !table.is_usable(now) {
            return Err(Unrecognised::Unknown);
        }
        let key = table.find(given, now).ok_or(Unrecognised::Wrong)?;
        self.uses.lock().note(&key.id, now);
        Ok(Caller::of_key(key))
    }

    /// A caller with a key of the environment, or a frontend that may call without one.
    #[must_use]
    pub fn environment_caller(&self, role: Role) -> Caller {
        let caller = Caller::environment(role);
        if role == Role::Client { Caller { quotas: self.client_quotas, ..caller } } else { caller }
    }

    /// The reference of a valid key: a name that tells nobody the key or its digest.
    pub(super) fn reference_of(&self, given: &KeyDigest) -> Option<String> {
        let caller = self.recognise(given).ok()?;
        Some(caller.key_id.unwrap_or_else(|| environment_reference(given)))
    }

    /// The digest of the valid key with this reference, and its caller.
    pub(super) fn by_reference(&self, reference: &str) -> Option<(KeyDigest, Caller)> {
        let named = self.environment.iter().filter(|(key, _)| environment_reference(key) == reference);
        // A key may stand in both lists.
        if let Some((key, role)) = named.max_by_key(|(_, role)| *role) {
            return Some((*key, self.environment_caller(*role)));
        }
        let (table, now) = (self.table.read().clone(), self.clock.now());
        let stored = table.is_usable(now).then(|| table.find_id(reference, now)).flatten()?;
        self.uses.lock().note(&stored.key.id, now);
        Some((stored.sha256, Caller::of_key(&stored.key)))
    }

    /// Whether the caller's key may manage keys now. While the database is away, only a key of the environment may: nobody
    /// knows whether another one was revoked.
    #[must_use]
    pub fn may_administer(&self, caller: &Caller) -> bool {
        caller.key_id.is_none() || self.is_confirmed()
    }

    fn is_confirmed(&self) -> bool {
        self.table.read().is_confirmed(self.clock.monotonic(), CONFIRMED_FOR)
    }

    /// Reads the keys of the database. Returns them for a cache.
    ///
    /// # Errors
    ///
    /// The error of the database. The keys that are known stay valid for a time.
    pub async fn refresh(&self, keys: &dyn ApiKeys) -> Result<Vec<StoredKey>, StorageError> {
        let _alone = self.refreshing.lock().await;
        let (asked_at, asked_on) = (self.clock.monotonic(), self.clock.now());
        let read = keys.ring().await;
        let mut table = self.table.write();
        match read {
            Ok(keys) => {
                *table = Arc::new(KeyTable::of_database(keys.clone(), asked_on, asked_at));
                drop(table);
                self.uses.lock().forget_others(&keys);
                Ok(keys)
            }
            Err(error) => {
                *table = Arc::new(table.unconfirmed());
                Err(error)
            }
        }
    }

    /// Takes the keys that the database confirmed at an earlier time, unless it has answered already.
    pub fn take_cached(&self, keys: Vec<StoredKey>, confirmed_on: Timestamp) {
        let mut table = self.table.write();
        if !table.is_read() {
            *table = Arc::new(KeyTable::of_cache(keys, confirmed_on));
        }
    }

    /// Another process has changed the keys.
    pub fn notify_changed(&self) {
        self.changed.notify_one();
    }

    /// Returns when another process has changed the keys.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// The uses that are to be written now: once a minute for each key at most.
    #[must_use]
    pub fn take_uses(&self) -> Vec<(String, Timestamp)> {
        self.uses.lock().take(self.clock.now())
    }
}

/// The reference of a key of the environment.
fn environment_reference(key: &KeyDigest) -> String {
    let hash = Sha256::new_with_prefix(b"innovation key reference\n").chain_update(key).finalize();
    let short: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("env-{short}")
}

/// The digest of a key.
#[must_use]
pub fn digest(key: &str) -> KeyDigest {
    Sha256::digest(key).into()
}

#[cfg(test)]
mod tests;
