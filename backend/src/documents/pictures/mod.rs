//! Pictures of pages, for readers of a report: drawn on demand in a confined process, cached, each drawn once.
//!
//! * `painter`: the parent's side. `child`: the confined side. `wire`: their messages.
//! * `cache`: pictures in memory, within a limit of bytes.

mod cache;
pub mod child;
mod painter;
mod picture;
mod wire;

use std::{
    collections::HashMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::Semaphore;

pub use self::picture::{Picture, PictureError, PictureKey};
use self::{cache::Cache, painter::paint};
use super::isolate::Isolation;

/// How many pages are drawn at once. One is enough, and reading keeps the other core.
const PAINTERS_MAX: usize = 1;
/// How many requests may wait for their page.
const WAITING_MAX: usize = 32;
/// How long a request waits for its turn. The request itself may take half a minute.
const TURN_TIMEOUT: Duration = Duration::from_secs(10);

/// Draws pages. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Pictures(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    isolation: Isolation,
    cache: Mutex<Cache>,
    /// One lock for each page under way, so that simultaneous requests draw it once.
    under_way: Mutex<HashMap<PictureKey, Weak<tokio::sync::Mutex<()>>>>,
    painters: Semaphore,
    waiting: AtomicUsize,
    #[cfg(feature = "testing")]
    drawn: AtomicUsize,
}

/// Counts a request that waits, until it is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pictures {
    #[must_use]
    pub fn new(isolation: Isolation) -> Self {
        Self(Arc::new(Inner {
            isolation,
            cache: Mutex::default(),
            under_way: Mutex::default(),
            painters: Semaphore::new(PAINTERS_MAX),
            waiting: AtomicUsize::new(0),
            #[cfg(feature = "testing")]
            drawn: AtomicUsize::new(0),
        }))
    }

    /// The picture of a page. `load` gives the document's bytes; it is asked only if the page must be drawn, when it is the
    /// page's turn, so that few documents are in memory at once.
    ///
    /// # Errors
    ///
    /// [`PictureError::Busy`] if too many requests wait. [`PictureError::NoSuchPage`] or [`PictureError::Document`] if the
    /// page cannot be drawn. The error of `load`.
    pub async fn get<E: From<PictureError>>(
        &self,
        key: &PictureKey,
        load: impl Future<Output = Result<Vec<u8>, E>>,
    ) -> Result<Picture, E> {
        if let Some(known) = self.0.cache.lock().get(key) {
            return Ok(known?);
        }
        if self.0.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING_MAX {
            self.0.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(PictureError::Busy.into());
        }
        let waiting = Waiting(&self.0.waiting);
        let page = self.page_lock(key);
        let turn = async {
            let page = page.lock_owned().await;
            (page, self.0.painters.acquire().await)
        };
        let (_page, _painter) =
            tokio::time::timeout(TURN_TIMEOUT, turn).await.map_err(|_| PictureError::Busy)?;
        // Another request may have drawn it meanwhile.
        if let Some(known) = self.0.cache.lock().get(key) {
            return Ok(known?);
        }
        drop(waiting);
        let bytes = load.await?;
        #[cfg(feature = "testing")]
        self.0.drawn.fetch_add(1, Ordering::Relaxed);
        let painted = paint(&self.0.isolation, key.page, &bytes).await;
        if painted.as_ref().err().is_none_or(PictureError::is_final) {
            self.0.cache.lock().insert(key.clone(), painted.clone());
        }
        Ok(painted?)
    }

    /// How many pages were drawn.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn drawn(&self) -> usize {
        self.0.drawn.load(Ordering::Relaxed)
    }

    fn page_lock(&self, key: &PictureKey) -> Arc<tokio::sync::Mutex<()>> {
        let mut under_way = self.0.under_way.lock();
        if let Some(lock) = under_way.get(key).and_then(Weak::upgrade) {
            return lock;
        }
        // The map holds only pages with requests under way.
        under_way.retain(|_, lock| lock.strong_count() > 0);
        let lock = Arc::new(tokio::sync::Mutex::new(()));
        under_way.insert(key.clone(), Arc::downgrade(&lock));
        lock
    }
}
