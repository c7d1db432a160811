//! Tracks whether this process is alone. Only then does a local file guard against a second execution.

use std::sync::atomic::{AtomicBool, Ordering};

/// Whether other processes accept or work on runs.
#[derive(Debug)]
pub struct ReplicaPresence {
    /// The operator's setting, which overrides the registry.
    configured: Option<bool>,
    /// Whether the registry showed another replica at the last check. It stays during an outage of the
    /// database, because the other replicas still run then.
    has_peers: AtomicBool,
}

impl ReplicaPresence {
    #[must_use]
    pub const fn new(configured: Option<bool>) -> Self {
        Self { configured, has_peers: AtomicBool::new(false) }
    }

    /// Records the registry's answer.
    pub fn set_has_peers(&self, has_peers: bool) {
        if self.has_peers.swap(has_peers, Ordering::Relaxed) != has_peers && self.configured.is_none() {
            tracing::info!(
                event = "replica_presence_changed",
                has_peers,
                "{}",
                if has_peers {
                    "other replicas run: only the database accepts runs"
                } else {
                    "no other replica runs: files may accept runs too"
                }
            );
        }
    }

    /// Whether no other process accepts or works on runs, as far as this process can know.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.configured.unwrap_or_else(|| !self.has_peers.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_overrides_and_detection_persists() {
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
