//! The waits between attempts.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// The doublings after which a wait has long reached its maximum; a shift by more bits would overflow.
const DOUBLINGS_MAX: u32 = 20;

/// Waits that double with each failure in a row, up to a maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first failure.
    pub start: Duration,
    pub max: Duration,
}

impl Backoff {
    #[must_use]
    pub const fn new(start: Duration, max: Duration) -> Self {
        Self { start, max }
    }

    /// The same wait after each failure.
    #[must_use]
    pub const fn constant(wait: Duration) -> Self {
        Self { start: wait, max: wait }
    }

    /// The whole wait after so many failures in a row, before jitter.
    #[must_use]
    pub fn wait(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(DOUBLINGS_MAX);
        self.start.saturating_mul(1 << doublings).min(self.max)
    }

    /// All waits in turn, before jitter and without an end. `backon` accepts them as its own.
    pub fn waits(self) -> impl Iterator<Item = Duration> + Send + Sync + Unpin {
        (1_u32..).map(move |failures| self.wait(failures))
    }
}

/// The random part of a wait. Replicas that lost a store together must not come back together.
#[derive(Debug)]
pub enum Jitter {
    /// From the system.
    Random,
    /// From a seed (SplitMix64): enough to spread retries, and repeatable in tests.
    Seeded(AtomicU64),
}

impl Jitter {
    #[must_use]
    pub const fn seeded(seed: u64) -> Self {
        Self::Seeded(AtomicU64::new(seed))
    }

    /// The next fraction, 0 to 1.
    #[must_use]
    pub fn fraction(&self) -> f64 {
        const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
        match self {
            // A random UUID is a random number at hand.
            Self::Random => f64::from(uuid::Uuid::new_v4().as_fields().0) / f64::from(u32::MAX),
            Self::Seeded(seed) => {
                let mut bits = seed.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
                bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
                bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
                ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
            }
        }
    }

    /// A wait of which half is fixed and half is random.
    #[must_use]
    pub fn spread(&self, wait: Duration) -> Duration {
        half_random(wait, self.fraction())
    }
}

/// A wait of which half is fixed, and the other half counts by this fraction.
#[must_use]
pub fn half_random(wait: Duration, fraction: f64) -> Duration {
    wait.mul_f64(0.5 + 0.5 * fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_maximum() {
        let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        let waits: Vec<u128> = backoff.waits().take(6).map(|wait| wait.as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1000, 1000]);
        assert_eq!(backoff.wait(0), Duration::from_millis(100));
        assert_eq!(backoff.wait(u32::MAX), Duration::from_secs(1));
    }

    #[test]
    fn half_of_a_wait_is_random() {
        for jitter in [Jitter::Random, Jitter::seeded(7)] {
            for _ in 0..1_000 {
                let wait = jitter.spread(Duration::from_secs(2));
                assert!((1.0..=2.0).contains(&wait.as_secs_f64()), "{wait:?}");
            }
        }
    }

    #[test]
    fn a_seed_repeats_its_fractions() {
        let [one, other] = [(); 2].map(|()| {
            let jitter = Jitter::seeded(42);
            [jitter.fraction(), jitter.fraction(), jitter.fraction()]
        });
        assert_eq!(one, other);
        assert_ne!(one[0], one[1]);
    }
}
