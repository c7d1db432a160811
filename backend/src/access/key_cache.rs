//! The keys of the database on the local disk, so that a start while the database is away knows them.
//!
//! The file has digests of keys and no key. It is sealed with an HMAC under `KEY_CACHE_SECRET`: a user who writes to the disk can
//! bring back an older file of the same day, and cannot add a key.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use foundation::one_at_a_time::OneAtATime;
use hmac::{Hmac, KeyInit as _, Mac as _};
use parking_lot::Mutex;
use pipeline::clock::{Clock, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use storage::{control_plane::StoredKey, private_tree::PrivateTree};
use tokio::time::timeout;

use super::key_table::is_recent;

/// Below the local folder of the file storage.
const FOLDER: &str = ".keys";
const FILE: &str = ".keys/cache";

/// Keeps this seal apart from every other use of the secret.
const PURPOSE: &[u8] = b"innovation key cache 1\n";

/// 10,000 keys have about 5 MB.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// A disk that hangs must not hold up the reading of keys.
const TIMEOUT: Duration = Duration::from_secs(1);

/// The file is written again after this long without a change, so that its time stays recent.
const REWRITE_AFTER: Duration = Duration::from_secs(10 * 60);

/// The cache on this disk. Cheap to clone.
#[derive(Debug, Clone)]
pub struct KeyCache {
    tree: PrivateTree,
    secret: SecretString,
    clock: Arc<dyn Clock>,
    calls: OneAtATime,
    written: Arc<Mutex<Option<Written>>>,
}

/// The content of the file, and when it was written.
#[derive(Debug)]
struct Written {
    keys: Vec<StoredKey>,
    at: Duration,
}

#[derive(Serialize, Deserialize)]
struct Content {
    confirmed_on: Timestamp,
    keys: Vec<StoredKey>,
}

impl KeyCache {
    /// In this folder of the local disk.
    #[must_use]
    pub fn new(folder: PathBuf, secret: SecretString, clock: Arc<dyn Clock>) -> Self {
        let tree = PrivateTree::new(folder);
        Self { tree, secret, clock, calls: OneAtATime::default(), written: Arc::default() }
    }

    /// The cached keys, and when the database confirmed them. None without a recent file that this service sealed.
    pub async fn load(&self) -> Option<(Vec<StoredKey>, Timestamp)> {
        let tree = self.tree.clone();
        let bytes = match self.call(move || tree.read(FILE, BYTES_MAX)).await {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(event = "key_cache_unreadable", %error, "the cached keys cannot be read");
                return None;
            }
        };
        let Some(Content { confirmed_on, keys }) = self.open(&bytes) else {
            tracing::warn!(
                event = "key_cache_refused",
                "the cached keys are not sealed with KEY_CACHE_SECRET; they are ignored"
            );
            return None;
        };
        is_recent(confirmed_on, self.clock.now()).then_some((keys, confirmed_on))
    }

    /// Writes the keys that the database has just confirmed, if they differ from the file or the file is old.
    ///
    /// # Errors
    ///
    /// The error of the disk.
    pub async fn keep(&self, keys: &[StoredKey]) -> io::Result<()> {
        let now = self.clock.monotonic();
        let is_kept = |written: &Written| {
            now.saturating_sub(written.at) < REWRITE_AFTER && same_keys(&written.keys, keys)
        };
        if self.written.lock().as_ref().is_some_and(is_kept) {
            return Ok(());
        }
        let content = Content { confirmed_on: self.clock.now(), keys: keys.to_vec() };
        let (tree, bytes) = (self.tree.clone(), self.seal(&content)?);
        self.call(move || {
            tree.replace(FILE, &bytes)?;
            tree.flush(FOLDER)
        })
        .await?;
        *self.written.lock() = Some(Written { keys: content.keys, at: now });
        Ok(())
    }

    fn seal(&self, content: &Content) -> io::Result<Vec<u8>> {
        let json = serde_json::to_vec(content)?;
        let seal = self.mac(&json)?.finalize().into_bytes();
        let mut bytes: Vec<u8> = seal.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect();
        bytes.push(b'\n');
        bytes.extend_from_slice(&json);
        Ok(bytes)
    }

    fn open(&self, bytes: &[u8]) -> Option<Content> {
        let (seal, json) = bytes.split_at_checked(64)?;
        let json = json.strip_prefix(b"\n")?;
        let seal = std::str::from_utf8(seal).ok()?;
        let byte = |index: usize| u8::from_str_radix(seal.get(2 * index..2 * index + 2)?, 16).ok();
        let seal: Option<Vec<u8>> = (0..32).map(byte).collect();
        self.mac(json).ok()?.verify_slice(&seal?).ok()?;
        serde_json::from_slice(json).ok()
    }

    fn mac(&self, json: &[u8]) -> io::Result<Hmac<Sha256>> {
        let mac = Hmac::<Sha256>::new_from_slice(self.secret.expose_secret().as_bytes());
        let mut mac = mac.map_err(|error| io::Error::other(error.to_string()))?;
        mac.update(PURPOSE);
        mac.update(json);
        Ok(mac)
    }

    async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let turn = self.calls.turn(TIMEOUT).await.ok_or(io::ErrorKind::TimedOut)?;
        let called = tokio::task::spawn_blocking(move || {
            let result = call();
            drop(turn);
            result
        });
        timeout(TIMEOUT, called).await.map_err(|_| io::ErrorKind::TimedOut)??
    }
}

/// Whether two lists differ in no more than the time of the last use.
fn same_keys(one: &[StoredKey], other: &[StoredKey]) -> bool {
    let is_same = |(one, other): (&StoredKey, &StoredKey)| {
        let mut one = one.clone();
        one.key.last_used_at = other.key.last_used_at;
        one == *other
    };
    one.len() == other.len() && one.iter().zip(other).all(is_same)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use pipeline::testing::ManualClock;
    use storage::control_plane::{ApiKey, Principal, Quotas, Role};

    use super::*;
    use crate::access::{key_ring::digest, key_table::KEYS_LAST};

    fn key(name: &str, now: Timestamp) -> StoredKey {
        let key = ApiKey {
            id: name.to_owned(),
            name: name.to_owned(),
            role: Role::Client,
            principal: Principal::environment(),
            scopes: Vec::new(),
            quotas: Quotas { usd_per_day: Some(1.5), ..Quotas::default() },
            created_at: now,
            expires_at: None,
            last_used_at: None,
            revoked_at: Some(now),
            rotated_from: None,
        };
        StoredKey { key, sha256: digest(name) }
    }

    #[tokio::test]
    async fn only_our_own_recent_file_is_believed() {
        let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::new(ManualClock::new()));
        let cache =
            |secret: &str| KeyCache::new(folder.path().to_owned(), secret.to_owned().into(), clock.clone());
        assert_eq!(cache("one").load().await, None);
        let keys = vec![key("team", clock.now())];
        cache("one").keep(&keys).await.unwrap();
        assert_eq!(cache("one").load().await, Some((keys.clone(), clock.now())));
        assert_eq!(cache("two").load().await, None);
        let file = folder.path().join(FILE);
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(&file).unwrap();
        for changed in [text.replace("client", "admin"), text.replacen('\n', "", 1), String::new()] {
            std::fs::write(&file, changed).unwrap();
            assert_eq!(cache("one").load().await, None);
        }
        std::fs::write(&file, text).unwrap();
        clock.advance(KEYS_LAST + Duration::from_secs(1));
        assert_eq!(cache("one").load().await, None);
    }

    #[tokio::test]
    async fn an_unchanged_ring_is_rarely_written() {
        let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::new(ManualClock::new()));
        let cache = KeyCache::new(folder.path().to_owned(), "secret".to_owned().into(), clock.clone());
        let mut keys = vec![key("team", clock.now())];
        cache.keep(&keys).await.unwrap();
        let file = folder.path().join(FILE);
        std::fs::remove_file(&file).unwrap();
        keys[0].key.last_used_at = Some(clock.now());
        cache.keep(&keys).await.unwrap();
        assert!(!file.exists());
        clock.advance(REWRITE_AFTER);
        cache.keep(&keys).await.unwrap();
        assert!(file.exists());
    }
}
