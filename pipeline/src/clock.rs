//! The seam to time. This crate never reads a clock: whoever calls it says what time it is.

/// An instant in UTC.
pub type Timestamp = chrono::DateTime<chrono::Utc>;

/// Tells the time.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The current wall-clock time, for records people read. Never used to measure a duration.
    fn now(&self) -> Timestamp;

    /// Time since some fixed point, never going backwards, for measuring durations.
    fn monotonic(&self) -> std::time::Duration;
}
