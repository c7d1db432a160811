//! Asks an open breaker's database whether it is back.

use std::time::Duration;

use tokio::sync::watch;

use crate::{mode::Flags, router::Database};

/// Between two probes: half of it at least, all of it at most. Two seconds are what an operator waits without
/// wondering, and nothing to a database.
const INTERVAL_MAX: Duration = Duration::from_secs(2);

/// Probes while the breaker is open, for ever; calls `on_closed` each time it closes. Without a mode that has the
/// database, it is left alone.
pub async fn probe_when_open(database: Database, flags: watch::Receiver<Flags>, on_closed: impl Fn() + Send) {
    loop {
        database.breaker.wait_until_open().await;
        while !database.breaker.is_closed() {
            tokio::time::sleep(INTERVAL_MAX.mul_f64(foundation::backoff::jitter())).await;
            if flags.borrow().mode().has_database() {
                database.breaker.probed(database.store.probe().await);
            }
        }
        on_closed();
    }
}
