//! How far a run's ownership has come: what decides between two claims of one run.

/// A run's generation and, within it, the fencing token. The greater term wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Term {
    /// A retry raises it.
    pub generation: i32,
    /// The fencing token: every claim and every cancellation raises it.
    pub epoch: i32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generation_decides_before_epoch() {
        let term = |generation, epoch| Term { generation, epoch };
        assert!(term(2, 1) > term(1, 9));
        assert!(term(1, 2) > term(1, 1));
        assert_eq!(term(1, 1).max(term(1, 3)), term(1, 3));
    }
}
