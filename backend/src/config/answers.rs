//! The answer cache.

use std::time::Duration;

use super::reader::Reader;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The settings of the answer cache.
#[derive(Debug, Clone)]
pub struct AnswersConfig {
    /// `ANSWER_CACHE`
    pub is_on: bool,
    /// `ANSWER_CACHE_DAYS`
    pub keep: Duration,
}

impl AnswersConfig {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let what = "must be a whole number of days, 1 to 365";
        // The brands of one document are mostly asked for within a week.
        let days: u32 = reader.number("ANSWER_CACHE_DAYS", 7, 1..=365, what, "7");
        Self { is_on: reader.switch("ANSWER_CACHE", true), keep: DAY * days }
    }
}
