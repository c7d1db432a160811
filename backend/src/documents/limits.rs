//! The limits of reading a document.

use std::time::Duration;

use pipeline::document::DocumentError;

/// The most bytes of a document, as for its download.
pub const INPUT_BYTES_MAX: usize = 25 * 1024 * 1024;

/// The most bytes of a child's answer: twice the most text of a document, for what describes the text.
const OUTPUT_BYTES_MAX: usize = 2 * pipeline::document::TEXT_BYTES_MAX;

/// The most CPU time of a child. The slowest real document took 0.65 s.
pub(super) const CPU_SECONDS_MAX: u64 = 10;

/// The kernel's limits for a child.
pub(super) const PROFILE: sandbox::Profile = sandbox::Profile {
    // Real documents needed at most 33 MiB, while hostile ones take all they get.
    memory_bytes: 512 * 1024 * 1024,
    cpu_seconds: CPU_SECONDS_MAX,
    // Deeply nested documents need some, and an overflow ends only the child.
    stack_bytes: 64 * 1024 * 1024,
};

/// The parent's limits for a child.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// From start to answer. It equals the CPU limit, which applies first on an idle machine. Every command
    /// gets its answer within 11 s.
    pub wall_timeout: Duration,
    pub output_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { wall_timeout: Duration::from_secs(10), output_bytes_max: OUTPUT_BYTES_MAX }
    }
}

/// The error of a document over [`INPUT_BYTES_MAX`].
#[must_use]
pub fn input_too_large() -> DocumentError {
    DocumentError::TooLarge(format!("more than {} MiB", INPUT_BYTES_MAX / (1024 * 1024)))
}
