//! The keys of the environment and of the database.

use std::sync::Arc;

use pipeline::clock::Clock;

use super::storage::Stores;
use crate::{
    access::{KeyCache, KeyReader, KeyRing, NewSecret, SpendMeter},
    config::Config,
};

/// The keys, and what reads those of the database; none without a database. The mode of the storage of runs does not matter:
/// a replica that stores runs in files alone still refuses revoked keys.
pub(super) fn wire_keys(
    config: &Config,
    stores: &Stores,
    spend: Arc<SpendMeter>,
    own_key: Option<&NewSecret>,
    clock: &Arc<dyn Clock>,
) -> (Arc<KeyRing>, Option<KeyReader>) {
    let ring = KeyRing::new(&config.access, clock.clone());
    let ring = match own_key {
        Some(key) => ring.with_own_key(key.sha256),
        None => ring,
    };
    let (Some(keys), Some(usage)) = (stores.api_keys(), stores.usage()) else {
        return (Arc::new(ring), None);
    };
    let ring = Arc::new(ring.with_database());
    // On the local disk also with a bucket: readers of the bucket learn nothing of keys.
    let cache = config.access.key_cache_secret.clone();
    let cache = cache.map(|secret| KeyCache::new(config.storage.local.clone(), secret, clock.clone()));
    let reader = KeyReader::new(ring.clone(), keys, cache, spend, usage);
    (ring, Some(reader))
}
