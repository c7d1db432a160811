//! Where outputs are kept, and for how long.

use std::time::Duration;

use super::Reader;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The settings of the files.
#[derive(Debug, Clone)]
pub struct StorageConfig {
    /// How long the files of ended runs are kept; none: for ever.
    pub retention: Option<Duration>,
}

impl StorageConfig {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let is_said = reader.text("RETENTION_DAYS").is_some();
        let what = "must be a whole number of days, 1 to 36500; unset keeps everything";
        let days: u32 = reader.number("RETENTION_DAYS", 365, 1..=36_500, what, "90");
        Self { retention: is_said.then(|| DAY * days) }
    }
}
