//! Calls of the recent past, counted in slices of time, so that the count stays small at any rate of calls.

use std::{collections::VecDeque, time::Duration};

/// Slices a window is divided into.
const SLICES: u32 = 60;

#[derive(Debug, Default)]
pub(super) struct Window {
    slices: VecDeque<Slice>,
}

#[derive(Debug)]
struct Slice {
    start: Duration,
    calls: u32,
    failures: u32,
}

impl Window {
    /// Counts one call; returns calls and failures within the window, this one included.
    pub(super) fn count(&mut self, now: Duration, length: Duration, failed: bool) -> (u32, u32) {
        let age = |slice: &Slice| now.saturating_sub(slice.start);
        while self.slices.front().is_some_and(|slice| age(slice) >= length) {
            self.slices.pop_front();
        }
        if self.slices.back().is_none_or(|slice| age(slice) >= length / SLICES) {
            self.slices.push_back(Slice { start: now, calls: 0, failures: 0 });
        }
        if let Some(slice) = self.slices.back_mut() {
            slice.calls = slice.calls.saturating_add(1);
            slice.failures = slice.failures.saturating_add(u32::from(failed));
        }
        self.slices.iter().fold((0, 0), |(calls, failures): (u32, u32), slice| {
            (calls.saturating_add(slice.calls), failures.saturating_add(slice.failures))
        })
    }
}
