//! Shares the connections of this process between addresses, before anything is read.
//!
//! One address may hold a share of the connections. At its limit, its own longest idle connection gives way to its new one.
//! While all connections are taken, the address with the most connections gives way. A connection with a request under way is
//! never closed for another one. If nothing is idle, a new connection gets a reserved place, at which only health answers.

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use foundation::clock::timer_now;
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::serve_limits::ServeLimits;
use crate::telemetry::metrics;

/// Reserved places above the limits. A health check takes milliseconds, so a few serve many probes.
const RESERVED_MAX: usize = 32;

/// The time between two log lines about the limits. A flood must not fill the log too.
const LOG_PAUSE: Duration = Duration::from_secs(60);

/// The bits of an IPv6 address that identify a customer: providers assign at least a /64 to each.
const IPV6_NETWORK_MASK: u128 = !0 << 64;

/// The address that counts: an IPv4 address, or an IPv6 network.
pub(super) fn counted(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & IPV6_NETWORK_MASK)),
        address @ IpAddr::V4(_) => address,
    }
}

/// All open connections.
#[derive(Debug)]
pub(super) struct Connections {
    total_max: usize,
    per_address_max: usize,
    /// Numbers connections and the moments at which they became idle, in one order.
    moments: AtomicU64,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    by_address: HashMap<IpAddr, Group>,
    total: usize,
    reserved: Group,
    logged_at: Option<Instant>,
}

type Group = BTreeMap<u64, Arc<Activity>>;

/// How an admission ended, as a label of the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Admission {
    Free,
    Evicting,
    Reserved,
    Refused,
}

impl Admission {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Free => "admitted",
            Self::Evicting => "evicted_another",
            Self::Reserved => "reserved",
            Self::Refused => "refused",
        }
    }
}

impl Connections {
    pub(super) fn new(limits: &ServeLimits) -> Arc<Self> {
        Arc::new(Self {
            total_max: limits.connections_max,
            per_address_max: limits.connections_per_address_max,
            moments: AtomicU64::new(0),
            open: Mutex::default(),
        })
    }

    /// Admits a new connection. `None` if even the reserved places are busy.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Admitted> {
        let address = counted(address);
        let mut open = self.open.lock();
        let admission = self.decide(&mut open, address);
        metrics::connection_admitted(admission.as_str());
        if admission != Admission::Free {
            open.log(address, self);
        }
        let is_reserved = match admission {
            Admission::Refused => return None,
            Admission::Reserved => true,
            Admission::Free | Admission::Evicting => false,
        };
        let id = self.next_moment();
        let activity = Arc::new(Activity::new(id));
        let group = if is_reserved {
            &mut open.reserved
        } else {
            open.total += 1;
            open.by_address.entry(address).or_default()
        };
        group.insert(id, activity.clone());
        Some(Admitted { connections: self.clone(), address, id, is_reserved, activity })
    }

    /// Makes room for a connection of this address.
    fn decide(&self, open: &mut Open, address: IpAddr) -> Admission {
        let held = open.by_address.get(&address).map_or(0, BTreeMap::len);
        let evicted = if held >= self.per_address_max {
            open.evict(address)
        } else if open.total < self.total_max {
            return Admission::Free;
        } else {
            open.evict_from_largest()
        };
        if evicted {
            Admission::Evicting
        } else if open.reserved.len() < RESERVED_MAX || evict_longest_idle(&mut open.reserved) {
            Admission::Reserved
        } else {
            Admission::Refused
        }
    }

    fn next_moment(&self) -> u64 {
        self.moments.fetch_add(1, Ordering::Relaxed)
    }

    fn release(&self, admitted: &Admitted) {
        let mut open = self.open.lock();
        if admitted.is_reserved {
            open.reserved.remove(&admitted.id);
            return;
        }
        // An evicted connection is no longer counted.
        let Some(group) = open.by_address.get_mut(&admitted.address) else { return };
        if group.remove(&admitted.id).is_some() {
            open.total -= 1;
        }
        open.forget_if_empty(admitted.address);
    }
}

impl Open {
    /// Evicts the longest idle connection of an address.
    fn evict(&mut self, address: IpAddr) -> bool {
        let evicted = self.by_address.get_mut(&address).is_some_and(evict_longest_idle);
        if evicted {
            self.total -= 1;
            self.forget_if_empty(address);
        }
        evicted
    }

    /// Evicts from the address with the most connections, among those with an idle one.
    fn evict_from_largest(&mut self) -> bool {
        let has_idle = |group: &Group| group.values().any(|activity| activity.idle_since().is_some());
        let largest = self.by_address.iter().filter(|(_, group)| has_idle(group));
        // Among equals, the oldest connection decides, so that a newcomer is not the next one to go.
        let oldest = |group: &Group| group.keys().next().copied().unwrap_or(u64::MAX);
        let largest = largest.max_by_key(|(_, group)| (group.len(), std::cmp::Reverse(oldest(group))));
        let Some(address) = largest.map(|(address, _)| *address) else { return false };
        self.evict(address)
    }

    fn forget_if_empty(&mut self, address: IpAddr) {
        if self.by_address.get(&address).is_some_and(BTreeMap::is_empty) {
            self.by_address.remove(&address);
        }
    }

    fn log(&mut self, address: IpAddr, connections: &Connections) {
        let now = timer_now();
        if self.logged_at.is_some_and(|at| now.saturating_duration_since(at) < LOG_PAUSE) {
            return;
        }
        self.logged_at = Some(now);
        tracing::warn!(
            event = "connections_limited",
            client = %address,
            held = self.by_address.get(&address).map_or(0, BTreeMap::len),
            open = self.total,
            per_address_max = connections.per_address_max,
            total_max = connections.total_max,
            "a limit of connections is reached: idle ones are closed for new ones"
        );
    }
}

/// Evicts the longest idle connection of a group, if there is an idle one.
fn evict_longest_idle(group: &mut Group) -> bool {
    loop {
        let idle = group.iter().filter_map(|(id, activity)| Some((activity.idle_since()?, *id)));
        let Some((since, id)) = idle.min() else { return false };
        // A request may have begun since.
        if group.get(&id).is_some_and(|activity| activity.evict(since)) {
            group.remove(&id);
            return true;
        }
    }
}

/// Whether a connection has a request under way.
#[derive(Debug)]
struct Activity {
    /// The number of the moment at which it became idle; [`Self::BUSY`]; or [`Self::EVICTED`].
    state: AtomicU64,
    evicted: CancellationToken,
}

impl Activity {
    const BUSY: u64 = u64::MAX;
    const EVICTED: u64 = u64::MAX - 1;

    /// A new connection is idle until its first request has all its headers.
    fn new(id: u64) -> Self {
        // Connections that have sent no request yet go first, in the order of their arrival.
        Self { state: AtomicU64::new(id), evicted: CancellationToken::new() }
    }

    fn idle_since(&self) -> Option<u64> {
        let state = self.state.load(Ordering::Acquire);
        (state < Self::EVICTED).then_some(state)
    }

    fn evict(&self, since: u64) -> bool {
        let evicted = self.exchange(since, Self::EVICTED);
        if evicted {
            self.evicted.cancel();
        }
        evicted
    }

    /// Marks a request as begun. False if the connection has been evicted.
    fn begin(&self) -> bool {
        loop {
            match self.state.load(Ordering::Acquire) {
                Self::EVICTED => return false,
                state if self.exchange(state, Self::BUSY) => return true,
                _ => {}
            }
        }
    }

    fn end(&self, moment: u64) {
        // Nobody else leaves the busy state.
        let _ = self.exchange(Self::BUSY, moment);
    }

    fn exchange(&self, from: u64, to: u64) -> bool {
        self.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// The place of an open connection, until it is dropped.
#[derive(Debug)]
pub(super) struct Admitted {
    connections: Arc<Connections>,
    address: IpAddr,
    id: u64,
    /// Above the limits: only health answers here.
    pub(super) is_reserved: bool,
    activity: Arc<Activity>,
}

impl Admitted {
    /// Completes when the connection must give way.
    pub(super) async fn evicted(&self) {
        self.activity.evicted.cancelled().await;
    }

    /// Begins a request, which keeps the connection until it is dropped. `None` if the connection must give way.
    pub(super) fn begin(self: &Arc<Self>) -> Option<UnderWay> {
        self.activity.begin().then(|| UnderWay(self.clone()))
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.connections.release(self);
    }
}

/// A request under way, until its answer is sent.
#[derive(Debug)]
pub(super) struct UnderWay(Arc<Admitted>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.activity.end(self.0.connections.next_moment());
    }
}

/// The request of a connection whose answer is written, and perhaps not flushed. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Unflushed(Arc<Mutex<Option<UnderWay>>>);

impl Unflushed {
    /// Ends the request: its answer is flushed, or another request has begun.
    pub(super) fn end(&self) {
        let ended = self.0.lock().take();
        drop(ended);
    }

    /// Keeps the request beyond the end of its body, until [`Self::end`].
    pub(super) fn hold(&self, under_way: UnderWay) -> UntilFlushed {
        UntilFlushed { under_way: Some(under_way), unflushed: self.clone() }
    }
}

/// A request whose answer's body is not written yet.
#[derive(Debug)]
pub(super) struct UntilFlushed {
    under_way: Option<UnderWay>,
    unflushed: Unflushed,
}

impl Drop for UntilFlushed {
    fn drop(&mut self) {
        *self.unflushed.0.lock() = self.under_way.take();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(total: usize, per_address: usize) -> Arc<Connections> {
        Connections::new(&ServeLimits {
            connections_max: total,
            connections_per_address_max: per_address,
            ..ServeLimits::default()
        })
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn is_evicted(connection: &Admitted) -> bool {
        connection.activity.evicted.is_cancelled()
    }

    fn open(connections: &Arc<Connections>, last: u8) -> Arc<Admitted> {
        Arc::new(connections.admit(address(last)).unwrap())
    }

    #[test]
    fn an_address_evicts_its_own_longest_idle_connection() {
        let all = connections(10, 2);
        let other = open(&all, 9);
        let (first, second) = (open(&all, 1), open(&all, 1));
        drop(first.begin().unwrap());
        let third = open(&all, 1);
        assert!(is_evicted(&second) && !is_evicted(&first) && !is_evicted(&other) && !third.is_reserved);
        assert!(second.begin().is_none());
        drop((first, second, third, other));
        let open = all.open.lock();
        assert!(open.total == 0 && open.by_address.is_empty(), "{open:?}");
    }

    #[test]
    fn requests_under_way_are_never_evicted() {
        let all = connections(2, 2);
        let held = [open(&all, 1), open(&all, 1)];
        let busy = [held[0].begin().unwrap(), held[1].begin().unwrap()];
        let reserved: Vec<_> = (0..RESERVED_MAX).map(|_| open(&all, 1)).collect();
        assert!(reserved.iter().all(|connection| connection.is_reserved));
        let next = open(&all, 2);
        assert!(next.is_reserved && is_evicted(&reserved[0]), "the oldest silent one gives way");
        assert!(!held.iter().any(|connection| is_evicted(connection)));
        drop(busy);
        assert!(!open(&all, 2).is_reserved);
    }

    #[test]
    fn the_largest_holder_gives_way_when_full() {
        let all = connections(4, 3);
        let (modest, large) = (open(&all, 1), [open(&all, 2), open(&all, 2), open(&all, 2)]);
        let newcomer = open(&all, 3);
        assert!(!newcomer.is_reserved && !is_evicted(&modest) && is_evicted(&large[0]));
        assert_eq!(all.open.lock().total, 4);
    }

    #[test]
    fn busy_reserved_places_refuse() {
        let all = connections(1, 1);
        let held = open(&all, 1);
        let _busy = held.begin().unwrap();
        let reserved: Vec<_> = (0..RESERVED_MAX).map(|_| open(&all, 1)).collect();
        let _answering: Vec<_> = reserved.iter().map(|connection| connection.begin().unwrap()).collect();
        assert!(all.admit(address(2)).is_none());
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        let count = |text: &str| counted(text.parse().unwrap());
        assert_eq!(count("2001:db8:1:2:3::4"), count("2001:db8:1:2:ffff::1"));
        assert_ne!(count("2001:db8:1:2::1"), count("2001:db8:1:3::1"));
        assert_eq!(count("::ffff:192.0.2.1"), address(1));
        assert_ne!(count("192.0.2.1"), count("192.0.2.2"));
    }
}
