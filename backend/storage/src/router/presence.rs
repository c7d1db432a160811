//! Decides whether this process is alone. Only then does a local file guard against a second execution.
//!
//! Unknown counts as no: a deployed process that never looked into the registry of replicas is not alone,
//! unless its operator or its volume says so.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use pipeline::clock::Clock;
use schemars::JsonSchema;
use serde::Serialize;

/// The configuration's statements about other replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PresenceRules {
    /// `SINGLE_REPLICA`: the operator's word. None if unset.
    pub single_replica: Option<bool>,
    /// Whether this process executes no runs: others do, and they do not see its files.
    pub is_web: bool,
    /// Whether this process is deployed (staging or production). A developer knows about a second process.
    pub is_deployed: bool,
    /// Whether the files are on a volume that only one container can mount.
    pub has_volume: bool,
    /// How long the previous deployment may still run after this process has started.
    pub overlap: Duration,
}

/// Whether this replica may accept runs by file alone, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileAcceptance {
    /// Yes: all replicas share a store with conditional put.
    SharedStore,
    /// Yes: only one container can mount the volume.
    Volume,
    /// Yes: the operator says that there is no other replica.
    SingleReplica,
    /// Yes: the last look at the registry found no other live replica.
    Registry,
    /// Yes: a developer's machine, where the registry showed no other replica.
    Development,
    /// Not yet: the previous deployment may still run.
    Overlap,
    /// No: this process has never looked at the registry.
    NeverLooked,
    /// No: the last look at the registry found another live replica.
    OtherReplicas,
    /// No: the operator says that there are several replicas.
    SeveralReplicas,
    /// No: this process executes no runs.
    WebRole,
    /// No: this process is stopping.
    Stopping,
}

impl FileAcceptance {
    #[must_use]
    pub const fn is_allowed(self) -> bool {
        match self {
            Self::SharedStore | Self::Volume | Self::SingleReplica | Self::Registry | Self::Development => {
                true
            }
            Self::Overlap
            | Self::NeverLooked
            | Self::OtherReplicas
            | Self::SeveralReplicas
            | Self::WebRole
            | Self::Stopping => false,
        }
    }

    /// The stable word for health and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SharedStore => "shared_store",
            Self::Volume => "volume",
            Self::SingleReplica => "single_replica",
            Self::Registry => "registry",
            Self::Development => "development",
            Self::Overlap => "overlap",
            Self::NeverLooked => "never_looked",
            Self::OtherReplicas => "other_replicas",
            Self::SeveralReplicas => "several_replicas",
            Self::WebRole => "web_role",
            Self::Stopping => "stopping",
        }
    }

    /// A sentence for clients and operators.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::SharedStore => "all replicas share the files",
            Self::Volume => "the files are on a volume of this container alone",
            Self::SingleReplica => "SINGLE_REPLICA=true says that there is no other replica",
            Self::Registry => "the registry showed no other replica",
            Self::Development => "a development machine has no other replica",
            Self::Overlap => {
                "the previous deployment may still run (RAILWAY_DEPLOYMENT_OVERLAP_SECONDS), so files alone may not \
                 accept runs yet; try again"
            }
            Self::NeverLooked => {
                "this replica has not seen the registry of replicas, so files alone may not accept runs; set \
                 SINGLE_REPLICA=true if it is the only one"
            }
            Self::OtherReplicas => {
                "other replicas may run, so files alone may not accept runs; set SINGLE_REPLICA=true if this is the \
                 only one"
            }
            Self::SeveralReplicas => {
                "SINGLE_REPLICA=false says that there are several replicas, so files alone may not accept runs"
            }
            Self::WebRole => {
                "a replica with ROLE=web has no worker that sees its files, so files alone may not accept runs"
            }
            Self::Stopping => "this replica is stopping; try again",
        }
    }
}

/// How long this process reaches the registry without a break before it may find itself alone. Another replica may
/// have been cut off for longer than the registry remembers it. It probes the database every 30 seconds at least, and
/// sends a heartbeat 5 seconds later at the latest.
const SETTLED_AFTER: Duration = Duration::from_secs(40);

/// The last look at the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Look {
    #[default]
    Never,
    /// A process that died on this disk looked last, and found no other replica. Others count that process as alive
    /// until this time of the monotonic clock.
    Inherited {
        until: Duration,
    },
    Alone,
    Others,
}

/// The last look, and what it is worth.
#[derive(Debug, Default)]
struct Registry {
    /// It stays during an outage of the database, because the other replicas still run then.
    look: Look,
    /// This process has once failed to reach the registry.
    was_lost: bool,
    /// Since when this process reaches the registry without a break.
    reached_since: Option<Duration>,
}

/// Whether other processes accept or work on runs.
#[derive(Debug)]
pub struct ReplicaPresence {
    rules: PresenceRules,
    /// None without anything that takes time.
    clock: Option<Arc<dyn Clock>>,
    /// The clock's time at which the overlap ends.
    overlap_end: Duration,
    registry: Mutex<Registry>,
    is_stopping: AtomicBool,
}

impl ReplicaPresence {
    /// The presence of a process that is not deployed, with the operator's word.
    #[must_use]
    pub fn new(single_replica: Option<bool>) -> Self {
        let rules = PresenceRules { single_replica, ..PresenceRules::default() };
        Self {
            rules,
            clock: None,
            overlap_end: Duration::ZERO,
            registry: Mutex::default(),
            is_stopping: AtomicBool::new(false),
        }
    }

    /// The presence of a process that starts now.
    #[must_use]
    pub fn by_rules(rules: PresenceRules, clock: &Arc<dyn Clock>) -> Self {
        let overlap_end = clock.monotonic() + rules.overlap;
        Self { rules, clock: Some(clock.clone()), overlap_end, ..Self::new(None) }
    }

    fn now(&self) -> Duration {
        self.clock.as_ref().map_or(Duration::ZERO, |clock| clock.monotonic())
    }

    /// Records the registry's answer. Returns whether this process is alone, as far as the registry goes.
    pub fn set_has_peers(&self, has_peers: bool) -> bool {
        let now = self.now();
        let mut registry = self.registry.lock();
        let reached_for = now.saturating_sub(*registry.reached_since.get_or_insert(now));
        let before = registry.look;
        let is_settled = self.clock.is_none() || !registry.was_lost || reached_for >= SETTLED_AFTER;
        if !has_peers && !is_settled {
            return before == Look::Alone;
        }
        let look = if has_peers { Look::Others } else { Look::Alone };
        registry.look = look;
        drop(registry);
        if before != look && self.rules.single_replica.is_none() {
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
        !has_peers
    }

    /// Records that the registry could not be asked. The last look stays.
    pub fn lose_registry(&self) {
        let mut registry = self.registry.lock();
        (registry.was_lost, registry.reached_since) = (true, None);
    }

    /// Takes over the look of a process that died on this disk and had found no other replica, for the time that is
    /// left of it. A look of this process counts more.
    pub fn inherit_look(&self, left: Duration) {
        let until = self.now() + left;
        let look = &mut self.registry.lock().look;
        if *look == Look::Never {
            *look = Look::Inherited { until };
        }
    }

    /// Whether this process itself has looked at the registry.
    #[must_use]
    pub fn has_looked(&self) -> bool {
        matches!(self.registry.lock().look, Look::Alone | Look::Others)
    }

    /// Records the signal to stop. From then on nothing is accepted by file; runs under way continue.
    pub fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }

    /// Whether no other process accepts or works on runs, as far as this process can know, and the reason.
    #[must_use]
    pub fn standing(&self) -> FileAcceptance {
        let rules = &self.rules;
        if rules.is_web {
            return FileAcceptance::WebRole;
        }
        let look = match self.registry.lock().look {
            Look::Inherited { until } if until <= self.now() => Look::Never,
            look => look,
        };
        match (rules.single_replica, look) {
            (Some(false), _) => FileAcceptance::SeveralReplicas,
            (Some(true), _) => self.after_overlap(FileAcceptance::SingleReplica),
            (None, Look::Others) => FileAcceptance::OtherReplicas,
            // The previous container has unmounted the volume.
            (None, _) if rules.has_volume => FileAcceptance::Volume,
            (None, Look::Alone | Look::Inherited { .. }) => self.after_overlap(FileAcceptance::Registry),
            (None, Look::Never) if !rules.is_deployed => self.after_overlap(FileAcceptance::Development),
            (None, Look::Never) => FileAcceptance::NeverLooked,
        }
    }

    /// Whether no other process accepts or works on runs, as far as this process can know.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.standing().is_allowed()
    }

    /// How long the previous deployment may still run.
    #[must_use]
    pub fn overlap_left(&self) -> Duration {
        self.overlap_end.saturating_sub(self.now())
    }

    fn after_overlap(&self, allowed: FileAcceptance) -> FileAcceptance {
        if self.overlap_left().is_zero() { allowed } else { FileAcceptance::Overlap }
    }
}

#[cfg(test)]
mod tests {
    use pipeline::testing::ManualClock;

    use super::*;

    const DEPLOYED: PresenceRules = PresenceRules {
        single_replica: None,
        is_web: false,
        is_deployed: true,
        has_volume: false,
        overlap: Duration::ZERO,
    };

    fn presence(rules: PresenceRules) -> ReplicaPresence {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::default());
        ReplicaPresence::by_rules(rules, &clock)
    }

    #[test]
    fn a_deployed_process_must_look_first() {
        let presence = presence(DEPLOYED);
        assert_eq!(presence.standing(), FileAcceptance::NeverLooked);
        presence.set_has_peers(true);
        assert_eq!(presence.standing(), FileAcceptance::OtherReplicas);
        presence.set_has_peers(false);
        assert_eq!(presence.standing(), FileAcceptance::Registry);
    }

    #[test]
    fn development_is_alone_until_another_shows() {
        let presence = ReplicaPresence::new(None);
        assert_eq!(presence.standing(), FileAcceptance::Development);
        presence.set_has_peers(true);
        assert!(!presence.is_alone());
    }

    #[test]
    fn the_setting_overrides_the_registry() {
        for (word, standing) in
            [(true, FileAcceptance::SingleReplica), (false, FileAcceptance::SeveralReplicas)]
        {
            let presence = presence(PresenceRules { single_replica: Some(word), ..DEPLOYED });
            presence.set_has_peers(word);
            assert_eq!((presence.standing(), presence.is_alone()), (standing, word));
        }
    }

    #[test]
    fn a_volume_excludes_others_unless_they_show() {
        let presence =
            presence(PresenceRules { has_volume: true, overlap: Duration::from_secs(9), ..DEPLOYED });
        assert_eq!(presence.standing(), FileAcceptance::Volume);
        presence.set_has_peers(true);
        assert_eq!(presence.standing(), FileAcceptance::OtherReplicas);
    }

    #[test]
    fn a_web_process_is_never_alone() {
        let rules = PresenceRules { is_web: true, has_volume: true, single_replica: Some(true), ..DEPLOYED };
        assert_eq!(presence(rules).standing(), FileAcceptance::WebRole);
    }

    fn with_clock() -> (Arc<ManualClock>, ReplicaPresence) {
        let clock = Arc::new(ManualClock::default());
        let dynamic: Arc<dyn Clock> = clock.clone();
        let presence = ReplicaPresence::by_rules(DEPLOYED, &dynamic);
        (clock, presence)
    }

    #[test]
    fn an_inherited_look_yields_to_an_own() {
        let presence = presence(DEPLOYED);
        presence.inherit_look(Duration::from_secs(1));
        assert_eq!((presence.standing(), presence.has_looked()), (FileAcceptance::Registry, false));
        presence.set_has_peers(true);
        presence.inherit_look(Duration::from_secs(1));
        assert_eq!((presence.standing(), presence.has_looked()), (FileAcceptance::OtherReplicas, true));
    }

    #[test]
    fn an_inherited_look_expires() {
        let (clock, presence) = with_clock();
        presence.inherit_look(Duration::from_secs(2));
        clock.advance(Duration::from_secs(1));
        assert_eq!(presence.standing(), FileAcceptance::Registry);
        clock.advance(Duration::from_secs(1));
        assert_eq!(presence.standing(), FileAcceptance::NeverLooked);
    }

    #[test]
    fn a_returning_replica_waits_for_others() {
        let (clock, presence) = with_clock();
        presence.set_has_peers(true);
        presence.lose_registry();
        // The other replica was cut off for as long, so the registry has forgotten it.
        assert!(!presence.set_has_peers(false));
        clock.advance(SETTLED_AFTER / 2);
        presence.lose_registry();
        assert!(!presence.set_has_peers(false));
        clock.advance(SETTLED_AFTER - Duration::from_millis(1));
        assert!(!presence.set_has_peers(false));
        assert_eq!(presence.standing(), FileAcceptance::OtherReplicas);
        clock.advance(Duration::from_millis(1));
        assert!(presence.set_has_peers(false));
        assert_eq!(presence.standing(), FileAcceptance::Registry);
        presence.lose_registry();
        assert_eq!(presence.standing(), FileAcceptance::Registry, "an outage starts no other replica");
    }

    #[test]
    fn the_overlap_passes_before_acceptance() {
        let clock = Arc::new(ManualClock::default());
        let dynamic: Arc<dyn Clock> = clock.clone();
        let rules =
            PresenceRules { single_replica: Some(true), overlap: Duration::from_secs(10), ..DEPLOYED };
        let presence = ReplicaPresence::by_rules(rules, &dynamic);
        clock.advance(Duration::from_secs(9));
        assert_eq!(
            (presence.standing(), presence.overlap_left()),
            (FileAcceptance::Overlap, Duration::from_secs(1))
        );
        clock.advance(Duration::from_secs(1));
        assert_eq!(presence.standing(), FileAcceptance::SingleReplica);
    }
}
