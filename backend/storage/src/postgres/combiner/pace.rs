//! How many rows a statement may hold, so that it ends well within its time limit: a server that is slow gets fewer.

use std::time::Duration;

/// So many rows may follow one that took its time: most of that may be the connection, the flush or the machine.
const FEW: usize = 8;

/// The pace of the statements of one kind.
#[derive(Debug)]
pub(super) struct Pace {
    /// The time that a statement should take at most.
    aim: Duration,
    rows_max: usize,
    limit: usize,
}

impl Pace {
    pub(super) fn new(aim: Duration, limit: usize) -> Self {
        Self { aim, rows_max: limit, limit }
    }

    pub(super) fn rows_max(&self) -> usize {
        self.rows_max
    }

    /// Takes note of a statement. A failed one halves the next; a slow one shrinks it in proportion, a fast one doubles it.
    pub(super) fn note(&mut self, rows: usize, took: Duration, is_ok: bool) {
        let rows = rows.max(1);
        let fitting = if is_ok {
            let a_row = took / u32::try_from(rows).unwrap_or(u32::MAX);
            let fit = self.aim.as_micros() / a_row.as_micros().max(1);
            let few = if took <= self.aim { FEW } else { 1 };
            usize::try_from(fit).unwrap_or(self.limit).max(few).min(self.rows_max * 2)
        } else {
            rows / 2
        };
        self.rows_max = fitting.clamp(1, self.limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_server_gets_smaller_groups() {
        let mut pace = Pace::new(Duration::from_millis(250), 64);
        pace.note(1, Duration::from_millis(25), true);
        assert_eq!(pace.rows_max(), 10);
        pace.note(1, Duration::from_millis(200), true);
        assert_eq!(pace.rows_max(), 8);
        pace.note(1, Duration::from_millis(25), true);
        assert_eq!(pace.rows_max(), 10);
        pace.note(10, Duration::from_millis(10), true);
        assert_eq!(pace.rows_max(), 20);
        pace.note(20, Duration::from_secs(1), false);
        assert_eq!(pace.rows_max(), 10);
        pace.note(1, Duration::from_secs(5), true);
        assert_eq!(pace.rows_max(), 1);
        for _ in 0..10 {
            pace.note(1, Duration::from_millis(1), true);
        }
        assert_eq!(pace.rows_max(), 64);
    }
}
