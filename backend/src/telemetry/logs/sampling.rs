//! Which routine lines the log has. The share is sticky: all lines of one run, and all of one request, are there or not.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::fields::Fields;

/// Lines that say that all goes as usual. Everything else is always written, and so is each line of warning or error.
const ROUTINE: [&str; 4] = ["request_answered", "stage_started", "stage_stored", "stage_reused"];

/// An answered request of so many milliseconds is never routine.
const SLOW_MS: u64 = 1_000;

/// Answers from here on are never routine.
const ERROR_STATUS: u64 = 400;

/// The share of routine lines that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampling {
    /// 0 to 100.
    pub percent: u8,
}

impl Sampling {
    /// All lines.
    pub const ALL: Self = Self { percent: 100 };

    /// Whether a line of the level `info` or below is written.
    pub(super) fn keeps(self, fields: &Fields) -> bool {
        if self.percent >= 100 || !is_routine(fields) {
            return true;
        }
        let text = |name| fields.get(name).and_then(Value::as_str);
        text("run_id").or_else(|| text("request_id")).is_none_or(|id| place(id) < u32::from(self.percent))
    }
}

fn is_routine(fields: &Fields) -> bool {
    let number = |name| fields.get(name).and_then(Value::as_u64);
    let is_listed = fields.get("event").and_then(Value::as_str).is_some_and(|event| ROUTINE.contains(&event));
    is_listed
        && number("status").is_none_or(|status| status < ERROR_STATUS)
        && number("duration_ms").is_none_or(|took| took < SLOW_MS)
}

/// The place of an id among a hundred, the same in every process.
fn place(id: &str) -> u32 {
    let digest = Sha256::digest(id.as_bytes());
    let first = digest.iter().take(4).fold(0_u32, |number, byte| (number << 8) | u32::from(*byte));
    first % 100
}
