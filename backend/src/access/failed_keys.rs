//! Slows down callers who guess keys. It counts wrong keys by address, and never stands in the way of a right one.

use std::{collections::HashMap, net::IpAddr, sync::Arc, time::Duration};

use foundation::resilience::Jitter;
use parking_lot::Mutex;
use pipeline::clock::Clock;

use crate::telemetry::metrics;

/// So many wrong keys of one address are answered within [`WINDOW`].
const ANSWERED_MAX: usize = 5;

const WINDOW: Duration = Duration::from_secs(60);

/// So many wrong keys in a row block their address.
const BLOCKED_AFTER: u32 = 20;

const BLOCKED_FOR: Duration = Duration::from_secs(15 * 60);

/// The longest pause before a wrong key is answered. It blurs how long a comparison took, and slows one connection down.
const DELAY_MAX: Duration = Duration::from_millis(100);

/// The addresses of one half of the table. Both halves take 3 MB at most. When one is full, the older half is forgotten, so an
/// attacker with more addresses than that only gets back what their number gives them anyway.
const ADDRESSES_MAX: usize = 10_000;

/// Between two log lines. A flood must not fill the log too.
const LOG_PAUSE: Duration = Duration::from_secs(1);

/// The wrong keys of all addresses.
#[derive(Debug)]
pub struct FailedKeys {
    table: Mutex<Table>,
    clock: Arc<dyn Clock>,
    jitter: Jitter,
}

#[derive(Debug, Default)]
struct Table {
    /// Addresses with a wrong key since this half was begun.
    young: HashMap<IpAddr, Failures>,
    /// Addresses of the half before it.
    old: HashMap<IpAddr, Failures>,
    logged_at: Option<Duration>,
    /// Blocks without a log line of their own.
    unlogged: u32,
}

/// The wrong keys of one address.
#[derive(Debug, Clone, Copy, Default)]
struct Failures {
    /// The times of the last answered ones; the oldest is at `next`.
    answered: [Option<Duration>; ANSWERED_MAX],
    next: usize,
    in_a_row: u32,
    blocked_until: Option<Duration>,
}

/// How a wrong key is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    Wrong,
    /// The address had too many; it may try again after this long.
    TooMany(Duration),
    /// The address is blocked for this long.
    Blocked(Duration),
}

impl FailedKeys {
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Self::with_jitter(clock, Jitter::Random)
    }

    fn with_jitter(clock: Arc<dyn Clock>, jitter: Jitter) -> Arc<Self> {
        Arc::new(Self { table: Mutex::default(), clock, jitter })
    }

    /// Waits before a wrong key is answered, however it is answered.
    pub async fn pause(&self) {
        tokio::time::sleep(delay(self.jitter.fraction())).await;
    }

    /// Notes a wrong key. An IPv6 address is the network of one customer.
    pub fn failed(&self, address: IpAddr) -> Refusal {
        let now = self.clock.monotonic();
        let mut table = self.table.lock();
        let refusal = table.entry(address).fail(now);
        metrics::key_failed(match refusal {
            Refusal::Wrong => "wrong",
            Refusal::TooMany(_) => "limited",
            Refusal::Blocked(_) => "blocked",
        });
        if refusal == Refusal::Blocked(BLOCKED_FOR) {
            table.log(address, now);
        }
        refusal
    }

    /// Notes a right key: the wrong ones before it are no longer in a row.
    pub fn succeeded(&self, address: IpAddr) {
        let mut table = self.table.lock();
        let Table { young, old, .. } = &mut *table;
        if let Some(failures) = young.get_mut(&address).or_else(|| old.get_mut(&address)) {
            failures.in_a_row = 0;
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        let table = self.table.lock();
        table.young.len() + table.old.len()
    }
}

/// The pause at a random fraction between 0 and 1.
fn delay(fraction: f64) -> Duration {
    DELAY_MAX.mul_f64(fraction.clamp(0.0, 1.0))
}

impl Table {
    fn entry(&mut self, address: IpAddr) -> &mut Failures {
        if !self.young.contains_key(&address) {
            let before = self.old.remove(&address).unwrap_or_default();
            if self.young.len() >= ADDRESSES_MAX {
                self.old = std::mem::take(&mut self.young);
            }
            self.young.insert(address, before);
        }
        self.young.entry(address).or_default()
    }

    fn log(&mut self, address: IpAddr, now: Duration) {
        if self.logged_at.is_some_and(|at| now.saturating_sub(at) < LOG_PAUSE) {
            self.unlogged = self.unlogged.saturating_add(1);
            return;
        }
        self.logged_at = Some(now);
        tracing::warn!(
            event = "wrong_keys_blocked",
            client = %address,
            wrong_keys = BLOCKED_AFTER,
            unlogged = std::mem::take(&mut self.unlogged),
            "an address sent too many wrong keys; its wrong keys are refused for 15 minutes"
        );
    }
}

impl Failures {
    fn fail(&mut self, now: Duration) -> Refusal {
        match self.blocked_until {
            Some(end) if now < end => return Refusal::Blocked(end - now),
            Some(_) => *self = Self::default(),
            None => {}
        }
        self.in_a_row += 1;
        if self.in_a_row >= BLOCKED_AFTER {
            self.blocked_until = Some(now + BLOCKED_FOR);
            return Refusal::Blocked(BLOCKED_FOR);
        }
        let Some(oldest) = self.answered.get_mut(self.next) else { return Refusal::TooMany(WINDOW) };
        if let Some(at) = *oldest
            && now < at + WINDOW
        {
            return Refusal::TooMany(at + WINDOW - now);
        }
        *oldest = Some(now);
        self.next = (self.next + 1) % ANSWERED_MAX;
        Refusal::Wrong
    }
}

#[cfg(test)]
mod tests {
    use pipeline::testing::ManualClock;

    use super::*;

    fn address(number: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(0x0a00_0000 + number).into()
    }

    #[test]
    fn five_a_minute_are_answered() {
        let clock = Arc::new(ManualClock::new());
        let failed = FailedKeys::new(clock.clone());
        for second in 0..5 {
            assert_eq!(failed.failed(address(1)), Refusal::Wrong, "{second}");
            clock.advance(Duration::from_secs(1));
        }
        assert_eq!(failed.failed(address(1)), Refusal::TooMany(Duration::from_secs(55)));
        assert_eq!(failed.failed(address(2)), Refusal::Wrong, "another address");
        clock.advance(Duration::from_secs(55));
        assert_eq!(failed.failed(address(1)), Refusal::Wrong);
        assert_eq!(failed.failed(address(1)), Refusal::TooMany(Duration::from_secs(1)));
    }

    #[test]
    fn twenty_in_a_row_block_their_address() {
        let clock = Arc::new(ManualClock::new());
        let failed = FailedKeys::new(clock.clone());
        for _ in 0..19 {
            assert!(!matches!(failed.failed(address(1)), Refusal::Blocked(_)));
        }
        failed.succeeded(address(1));
        for _ in 0..19 {
            assert!(!matches!(failed.failed(address(1)), Refusal::Blocked(_)));
        }
        assert_eq!(failed.failed(address(1)), Refusal::Blocked(BLOCKED_FOR));
        clock.advance(BLOCKED_FOR - Duration::from_secs(1));
        assert_eq!(failed.failed(address(1)), Refusal::Blocked(Duration::from_secs(1)), "it does not grow");
        assert_eq!(failed.failed(address(2)), Refusal::Wrong);
        clock.advance(Duration::from_secs(1));
        assert_eq!(failed.failed(address(1)), Refusal::Wrong);
    }

    #[tokio::test(start_paused = true)]
    async fn each_pause_is_random_up_to_100_ms() {
        let clock = Arc::new(ManualClock::new());
        let failed = FailedKeys::with_jitter(clock, Jitter::seeded(7));
        let random = Jitter::seeded(7);
        let mut pauses = Vec::new();
        for _ in 0..50 {
            let (begun, expected) = (tokio::time::Instant::now(), delay(random.fraction()));
            failed.pause().await;
            // Timers count whole milliseconds.
            let pause = begun.elapsed();
            assert!(pause >= expected && pause <= expected + Duration::from_millis(2), "{pause:?}");
            pauses.push(pause.as_millis());
        }
        let (shortest, longest) = (pauses.iter().min().unwrap(), pauses.iter().max().unwrap());
        assert!(*shortest < 20 && (80..=101).contains(longest), "{shortest} to {longest} ms");
        assert_eq!([delay(-0.1), delay(0.5), delay(2.0)].map(|pause| pause.as_millis()), [0, 50, 100]);
    }

    #[test]
    fn the_table_is_bounded_and_keeps_attackers() {
        let failed = FailedKeys::new(Arc::new(ManualClock::new()));
        for number in 0..60_000 {
            failed.failed(address(number));
            // One that goes on is not forgotten.
            let of_one = failed.failed(address(0));
            assert!(number < 20 || matches!(of_one, Refusal::Blocked(_)), "{number}");
        }
        assert!(failed.len() <= 2 * ADDRESSES_MAX, "{}", failed.len());
    }
}
