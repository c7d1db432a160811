//! Whether this process is alone: only then is a file a guard against running twice.

use std::sync::atomic::{AtomicBool, Ordering};

/// What is known of other processes that accept or work on runs.
#[derive(Debug)]
pub struct Alone {
    /// What the operator says, which rules.
    said: Option<bool>,
    /// Whether the last look at the registry found another. Without a later look it stays so: a database that is away
    /// does not make the others go away.
    has_company: AtomicBool,
}

impl Alone {
    #[must_use]
    pub const fn new(said: Option<bool>) -> Self {
        Self { said, has_company: AtomicBool::new(false) }
    }

    /// Takes note of what the registry says.
    pub fn note_company(&self, has_company: bool) {
        if self.has_company.swap(has_company, Ordering::Relaxed) != has_company && self.said.is_none() {
            tracing::info!(
                has_company,
                "{}",
                if has_company {
                    "other replicas are there: runs are accepted by the database only"
                } else {
                    "no other replica is there: files may accept runs too"
                }
            );
        }
    }

    /// Whether no other process accepts or works on runs, as far as anybody knows.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.said.unwrap_or_else(|| !self.has_company.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_rules_and_what_is_seen_stays() {
        let unsaid = Alone::new(None);
        assert!(unsaid.is_alone());
        unsaid.note_company(true);
        assert!(!unsaid.is_alone());
        unsaid.note_company(false);
        assert!(unsaid.is_alone());
        for said in [true, false] {
            let alone = Alone::new(Some(said));
            alone.note_company(said);
            assert_eq!(alone.is_alone(), said);
        }
    }
}
