//! Counters over time: fine for the last quarter of an hour, coarse for a day.

use std::{collections::VecDeque, time::Duration};

use super::counts::Counts;

/// The distance of fine samples, and how long they are kept. A deployment is watched for a quarter of an hour.
const FINE: Resolution = Resolution { step: Duration::from_secs(1), samples_max: 16 * 60 };

/// The distance of coarse samples, and how long they are kept: a day and a step.
const COARSE: Resolution = Resolution { step: Duration::from_secs(300), samples_max: 290 };

#[derive(Debug, Clone, Copy)]
struct Resolution {
    step: Duration,
    samples_max: usize,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    /// By the monotonic clock.
    at: Duration,
    counts: Counts,
}

/// Samples of counters. At most 1,250, half a kilobyte each.
#[derive(Debug)]
pub(super) struct Windows {
    /// The start of the process: all counters before it are zero.
    begun: Sample,
    fine: VecDeque<Sample>,
    coarse: VecDeque<Sample>,
}

impl Windows {
    pub(super) fn new(at: Duration, counts: Counts) -> Self {
        Self { begun: Sample { at, counts }, fine: VecDeque::new(), coarse: VecDeque::new() }
    }

    /// Adds a sample, if it is time for one. An unchanged counter needs none.
    pub(super) fn add(&mut self, at: Duration, counts: Counts) {
        for (samples, resolution) in [(&mut self.fine, FINE), (&mut self.coarse, COARSE)] {
            let last = samples.back().copied().unwrap_or(self.begun);
            if at < last.at + resolution.step {
                continue;
            }
            samples.push_back(Sample { at, counts });
            if samples.len() > resolution.samples_max {
                samples.pop_front();
            }
        }
    }

    /// The growth from this long ago until now, and how much of that time is known.
    pub(super) fn over(&self, window: Duration, now: Duration, counts: &Counts) -> (Counts, Duration) {
        let Some(from) = now.checked_sub(window).filter(|from| *from > self.begun.at) else {
            return (counts.since(&self.begun.counts), now.saturating_sub(self.begun.at));
        };
        let before = self.at(from);
        (counts.since(&before.counts), now.saturating_sub(before.at).min(window))
    }

    /// The last sample that is not newer than this.
    fn at(&self, time: Duration) -> Sample {
        let last = |samples: &VecDeque<Sample>| {
            let after = samples.partition_point(|sample| sample.at <= time);
            after.checked_sub(1).and_then(|index| samples.get(index)).copied()
        };
        // Where the fine samples do not reach back so far, the coarse ones do.
        let known = [last(&self.coarse), last(&self.fine)].into_iter().flatten();
        known.max_by_key(|sample| sample.at).unwrap_or(self.begun)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(requests: u64) -> Counts {
        Counts { requests, ..Counts::default() }
    }

    #[test]
    fn windows_slide_and_stay_bounded() {
        let mut windows = Windows::new(Duration::ZERO, Counts::default());
        // One request a second for two days.
        let end = 2 * 24 * 3_600;
        for second in 1..=end {
            windows.add(Duration::from_secs(second), counts(second));
        }
        let over = |seconds: u64| {
            let (counts, covered) =
                windows.over(Duration::from_secs(seconds), Duration::from_secs(end), &counts(end));
            (counts.requests, covered.as_secs())
        };
        assert_eq!(over(5), (5, 5));
        assert_eq!(over(300), (300, 300));
        let (hour, covered) = over(3_600);
        assert!((3_600..=3_900).contains(&hour) && covered == 3_600, "{hour}");
        let (day, _) = over(24 * 3_600);
        assert!((86_400..=86_700).contains(&day), "{day}");
        assert!(windows.fine.len() + windows.coarse.len() <= 1_250);
    }

    #[test]
    fn a_young_process_knows_what_it_covers() {
        let mut windows = Windows::new(Duration::from_secs(100), counts(7));
        windows.add(Duration::from_secs(102), counts(9));
        let (counts, covered) = windows.over(Duration::from_secs(300), Duration::from_secs(103), &counts(10));
        assert_eq!((counts.requests, covered.as_secs()), (3, 3));
    }
}
