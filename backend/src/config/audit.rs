//! The audit of changes by people.

use std::time::Duration;

use super::reader::Reader;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The settings of the audit.
#[derive(Debug, Clone)]
pub struct AuditConfig {
    /// `AUDIT_RETENTION_DAYS`
    pub keep: Duration,
}

impl AuditConfig {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let what = "must be a whole number of days, 1 to 36500";
        // More than a year, so that last year's same week can be looked up.
        let days: u32 = reader.number("AUDIT_RETENTION_DAYS", 400, 1..=36_500, what, "400");
        Self { keep: DAY * days }
    }
}
