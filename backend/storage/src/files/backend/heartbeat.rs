//! Tracks living processes in a bucket by heartbeat: each process rewrites its own file regularly.
//!
//! A bucket has no lock that a dying process releases. An observer treats an owner as dead if its file is
//! gone, or unchanged for one lease by the observer's own clock. No two clocks are compared. The owner counts
//! from before each heartbeat, so it considers its lease ended before any observer does.

use std::{collections::HashMap, fmt, io, sync::Arc, time::Duration};

use parking_lot::{Mutex, MutexGuard};
use pipeline::clock::Clock;
use tokio::{runtime::Handle, task::AbortHandle};

use crate::files::backend::{
    client::{REQUEST_TIMEOUT, SharedClient},
    file_backend::OwnerLease,
};
use crate::files::layout::OWNERS_FOLDER;

/// An owner sends five heartbeats a lease, so four may fail.
const BEATS_PER_LEASE: u32 = 5;

/// How long one listing of all owners is reused.
const RECENT: Duration = Duration::from_secs(1);

/// After so many leases, the file of a dead owner is removed. An owner that resumes after a long pause sends
/// heartbeats again. An earlier removal could make it look dead in between.
const CLEARED_AFTER_LEASES: u32 = 240;

/// The owners of this process, and its observations of others.
pub(super) struct Heartbeat {
    client: SharedClient,
    clock: Arc<dyn Clock>,
    lease: Duration,
    own: Mutex<HashMap<String, Own>>,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Own {
    pulse: Arc<Mutex<HeartbeatState>>,
    beating: AbortHandle,
}

/// The heartbeat state of an own owner, by the monotonic clock.
#[derive(Debug, Default)]
struct HeartbeatState {
    /// The start of the last successful heartbeat.
    last: Option<Duration>,
    /// How often a lease ended before the next heartbeat succeeded.
    gaps: u64,
    count: u64,
}

/// The observed owners, by this process's monotonic clock.
#[derive(Debug, Default)]
struct Seen {
    /// The version of each owner's file, and since when it is unchanged.
    owners: HashMap<String, (Option<String>, Duration)>,
    /// The start of the last listing.
    at: Option<Duration>,
}

impl fmt::Debug for Heartbeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heartbeat")
            .field("lease", &self.lease)
            .field("own", &self.own)
            .finish_non_exhaustive()
    }
}

impl Heartbeat {
    pub(super) fn new(client: SharedClient, clock: Arc<dyn Clock>, lease: Duration) -> Self {
        Self { client, clock, lease, own: Mutex::default(), seen: Mutex::default() }
    }

    pub(super) fn lease(&self) -> Duration {
        self.lease
    }

    /// Starts heartbeats for this owner, until it leaves or the process ends.
    pub(super) fn hold(&self, owner: &str, runtime: &Handle) -> io::Result<()> {
        let mut own = lock(&self.own);
        if own.contains_key(owner) {
            return Ok(());
        }
        let pulse = Arc::new(Mutex::new(HeartbeatState::default()));
        let (client, clock, lease, name) = (self.client.clone(), self.clock.clone(), self.lease, file(owner));
        runtime.block_on(heartbeat(&client, &*clock, lease, &name, &pulse))?;
        let beaten = pulse.clone();
        let beating = runtime.spawn(async move {
            let mut was_failing = false;
            loop {
                tokio::time::sleep(lease / BEATS_PER_LEASE).await;
                match heartbeat(&client, &*clock, lease, &name, &beaten).await {
                    Ok(()) => was_failing = false,
                    // Log once per outage.
                    Err(error) if !was_failing => {
                        was_failing = true;
                        tracing::warn!(event = "bucket_heartbeat_failed", place = client.place(&name), %error, "heartbeat could not be written to the bucket; will retry");
                    }
                    Err(_) => {}
                }
            }
        });
        own.insert(owner.to_owned(), Own { pulse, beating: beating.abort_handle() });
        Ok(())
    }

    /// Whether a living process holds this owner name. With `now`, it lists all owners after this call.
    pub(super) fn is_alive(&self, owner: &str, now: bool, runtime: &Handle) -> io::Result<bool> {
        if lock(&self.own).contains_key(owner) {
            return Ok(true);
        }
        let mut seen = lock(&self.seen);
        let at = self.clock.monotonic();
        let is_recent = seen.at.is_some_and(|last| at.saturating_sub(last) < RECENT.min(self.lease / 4));
        if now || !is_recent {
            self.look(&mut seen, runtime)?;
        }
        let name = key(owner);
        Ok(seen.owners.get(&name).is_some_and(|(_, since)| !self.is_over(*since)))
    }

    /// Whether an owner is dead whose version is unchanged since then.
    fn is_over(&self, since: Duration) -> bool {
        self.clock.monotonic().saturating_sub(since) >= self.lease
    }

    fn look(&self, seen: &mut Seen, runtime: &Handle) -> io::Result<()> {
        let began = self.clock.monotonic();
        // Nobody listed the owners for one lease, so older observations prove nothing. In an outage, no owner
        // could send heartbeats either.
        if seen.at.is_none_or(|last| began.saturating_sub(last) >= self.lease) {
            seen.owners.clear();
        }
        seen.at = None;
        let (files, _) = runtime.block_on(self.client.list(OWNERS_FOLDER, REQUEST_TIMEOUT))?;
        let now = self.clock.monotonic();
        let mut owners = HashMap::with_capacity(files.len());
        for file in files {
            let since = match seen.owners.get(&file.name) {
                Some((version, since)) if *version == file.version => *since,
                _ => now,
            };
            if now.saturating_sub(since) >= self.lease * CLEARED_AFTER_LEASES {
                // A later listing retries a failed removal.
                let _ = runtime.block_on(self.client.remove(&format!("{OWNERS_FOLDER}/{}", file.name)));
            }
            owners.insert(file.name, (file.version, since));
        }
        *seen = Seen { owners, at: Some(began) };
        Ok(())
    }

    pub(super) fn owner_lease(&self, owner: &str) -> OwnerLease {
        let own = lock(&self.own);
        let Some(own) = own.get(owner) else { return OwnerLease::Ended };
        let pulse = lock(&own.pulse);
        match pulse.last {
            Some(last) if self.clock.monotonic().saturating_sub(last) < self.lease => {
                OwnerLease::Lasting(pulse.gaps)
            }
            _ => OwnerLease::Ended,
        }
    }

    /// Ends the owners of this process.
    pub(super) fn leave(&self, runtime: &Handle) {
        for (owner, own) in lock(&self.own).drain() {
            own.beating.abort();
            if let Err(error) = runtime.block_on(self.client.remove(&file(&owner))) {
                tracing::warn!(event = "bucket_heartbeat_not_removed", %error, "heartbeat file could not be removed from the bucket; other replicas wait for one lease");
            }
        }
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        for own in self.own.get_mut().values() {
            own.beating.abort();
        }
    }
}

async fn heartbeat(
    client: &SharedClient,
    clock: &dyn Clock,
    lease: Duration,
    name: &str,
    pulse: &Mutex<HeartbeatState>,
) -> io::Result<()> {
    let began = clock.monotonic();
    // The content determines the version, so no two heartbeats may be equal.
    let content = {
        let mut pulse = lock(pulse);
        pulse.count += 1;
        format!("{}\n", pulse.count)
    };
    client.replace(name, content.as_bytes()).await?;
    let mut pulse = lock(pulse);
    if pulse.last.is_some_and(|last| began.saturating_sub(last) >= lease) {
        pulse.gaps += 1;
    }
    pulse.last = Some(began);
    Ok(())
}

/// An owner is an id that a process gave itself. Filtering keeps any other text inside this folder.
fn key(owner: &str) -> String {
    owner.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect()
}

fn file(owner: &str) -> String {
    format!("{OWNERS_FOLDER}/{}", key(owner))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}
