//! Brings the keys of the database to this process, and their uses and costs back.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use storage::{
    StorageError,
    control_plane::{ApiKeys, UsageStore},
};

use super::{key_cache::KeyCache, key_ring::KeyRing, spend::SpendMeter};

/// Reads the keys again and again. Cheap to clone.
#[derive(Debug, Clone)]
pub struct KeyReader {
    pub ring: Arc<KeyRing>,
    pub keys: Arc<dyn ApiKeys>,
    /// None without `KEY_CACHE_SECRET`.
    pub cache: Option<KeyCache>,
    pub spend: Arc<SpendMeter>,
    pub usage: Arc<dyn UsageStore>,
    pub has_looked_at_cache: Arc<AtomicBool>,
}

impl KeyReader {
    #[must_use]
    pub fn new(
        ring: Arc<KeyRing>,
        keys: Arc<dyn ApiKeys>,
        cache: Option<KeyCache>,
        spend: Arc<SpendMeter>,
        usage: Arc<dyn UsageStore>,
    ) -> Self {
        Self { ring, keys, cache, spend, usage, has_looked_at_cache: Arc::default() }
    }

    /// Takes the keys of the cache, at the first call.
    pub async fn look_at_cache(&self) {
        if self.has_looked_at_cache.swap(true, Ordering::Relaxed) {
            return;
        }
        if let Some(cache) = &self.cache
            && let Some((keys, confirmed_on)) = cache.load().await
        {
            tracing::info!(event = "cached_keys_taken", keys = keys.len(), %confirmed_on, "cached keys are valid until the database answers, or for a day");
            self.ring.take_cached(keys, confirmed_on);
        }
    }

    /// Reads the keys of the database, and writes when keys were used. Returns the number of keys.
    ///
    /// # Errors
    ///
    /// The error of the database.
    pub async fn read(&self) -> Result<usize, StorageError> {
        let keys = self.ring.refresh(&*self.keys).await?;
        if let Some(cache) = &self.cache
            && let Err(error) = cache.keep(&keys).await
        {
            tracing::warn!(event = "key_cache_not_written", %error, "the keys cannot be cached; a start without the database will not know them");
        }
        let uses = self.ring.take_uses();
        if !uses.is_empty() {
            self.keys.touch(&uses).await?;
        }
        self.save_spending().await?;
        Ok(keys.len())
    }

    /// Brings to the database what was spent.
    ///
    /// # Errors
    ///
    /// The error of the database.
    pub async fn save_spending(&self) -> Result<(), StorageError> {
        self.spend.save(&*self.usage).await
    }
}
