//! Probes the database while its breaker is open.

use std::time::Duration;

use tokio::sync::watch;

use crate::{mode::Flags, router::Database};

/// The longest wait between two probes; the shortest is half of it. An operator does not notice two seconds,
/// and the probes cost the database nothing.
const INTERVAL_MAX: Duration = Duration::from_secs(2);

/// Probes for ever while the breaker is open, and calls `on_closed` each time it closes. It makes no calls in
/// a mode without database.
pub async fn probe_when_open(database: Database, flags: watch::Receiver<Flags>, on_closed: impl Fn() + Send) {
    loop {
        database.breaker.wait_until_open().await;
        while !database.breaker.is_closed() {
            tokio::time::sleep(foundation::resilience::Jitter::Random.spread(INTERVAL_MAX)).await;
            if flags.borrow().mode().has_database() {
                database.breaker.probed(database.store.probe().await);
            }
        }
        on_closed();
    }
}
