//! The log of a service, read by its events.

// Each binary uses its own part of it.
#![allow(dead_code)]

use serde_json::Value;

/// The lines of a log with this event. A line that is not whole yet is left out.
pub(crate) fn events(log: &str, name: &str) -> Vec<Value> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["event"] == name).collect()
}

/// The end of a log, which a failed test shows.
pub(crate) fn tail(log: &str) -> String {
    const LINES: usize = 300;
    let skipped = log.lines().count().saturating_sub(LINES);
    let lines: Vec<&str> = log.lines().skip(skipped).collect();
    format!("({skipped} lines before)\n{}", lines.join("\n"))
}
