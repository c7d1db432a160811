//! Whether this process is alone: only then is a file a guard against running twice.

use std::sync::atomic::{AtomicBool, Ordering};

/// What is known of other processes that accept or work on runs.
#[derive(Debug)]
pub struct ReplicaPresence {
    /// What the operator says, which rules.
    configured: Option<bool>,
    /// Whether the last look at the registry found another. Without a later look it stays so: a database that is away
    /// does not make the others go away.
    has_peers: AtomicBool,
}

impl ReplicaPresence {
    #[must_use]
    pub const fn new(configured: Option<bool>) -> Self {
        Self { configured, has_peers: AtomicBool::new(false) }
    }

    /// Takes note of what the registry says.
    pub fn set_has_peers(&self, has_peers: bool) {
        if self.has_peers.swap(has_peers, Ordering::Relaxed) != has_peers && self.configured.is_none() {
            tracing::info!(
                event = "replica_presence_changed",
                has_peers,
                "{}",
                if has_peers {
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
        self.configured.unwrap_or_else(|| !self.has_peers.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_rules_and_what_is_seen_stays() {
        let unsaid = ReplicaPresence::new(None);
        assert!(unsaid.is_alone());
        unsaid.set_has_peers(true);
        assert!(!unsaid.is_alone());
        unsaid.set_has_peers(false);
        assert!(unsaid.is_alone());
        for configured in [true, false] {
            let presence = ReplicaPresence::new(Some(configured));
            presence.set_has_peers(configured);
            assert_eq!(presence.is_alone(), configured);
        }
    }
}
