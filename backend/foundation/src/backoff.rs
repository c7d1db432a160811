//! Random parts of waits.

/// Half fixed, half random, between a half and one: replicas that lost the database together do not come back together.
#[must_use]
pub fn jitter() -> f64 {
    // A random UUID is a random number at hand.
    let unit = f64::from(uuid::Uuid::new_v4().as_fields().0) / f64::from(u32::MAX);
    0.5 + 0.5 * unit
}
