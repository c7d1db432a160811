//! Jitter: the random part of waits.

/// A random factor between a half and one, so that replicas do not return to the database at the same moment.
#[must_use]
pub fn jitter() -> f64 {
    // A random UUID serves as a source of randomness.
    let unit = f64::from(uuid::Uuid::new_v4().as_fields().0) / f64::from(u32::MAX);
    0.5 + 0.5 * unit
}
