//! The seam to time. This crate never reads a clock: the caller passes one in.

/// An instant in UTC.
pub type Timestamp = chrono::DateTime<chrono::Utc>;

/// Tells the time.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The current wall-clock time, for records that people read. It never measures a duration.
    fn now(&self) -> Timestamp;

    /// Time since a fixed point, for measuring durations. It never goes backwards.
    fn monotonic(&self) -> std::time::Duration;
}
