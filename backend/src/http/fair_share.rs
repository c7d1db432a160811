//! Limits the requests that one client address has under way, behind proxies of ours.
//!
//! A proxy's connections carry many clients, so the limit of connections cannot tell them apart. The limit here counts by the
//! address that the proxies saw. Health answers in any case.

use std::{collections::HashMap, net::IpAddr, sync::Arc, time::Duration};

use axum::response::{IntoResponse as _, Response};
use parking_lot::Mutex;

use super::{codes, connections::counted, error::Problem};

/// `Retry-After` for a client with too many requests or connections. Most requests take milliseconds.
const RETRY: Duration = Duration::from_secs(2);

/// Marks the requests of a connection above the limits.
#[derive(Debug, Clone, Copy)]
pub(super) struct OverLimit;

/// The requests under way, by address.
#[derive(Debug)]
pub struct FairShare {
    /// `None` without proxies: then the limit of connections is the same.
    per_address_max: Option<usize>,
    under_way: Mutex<HashMap<IpAddr, usize>>,
}

impl FairShare {
    /// With `hops` trusted proxies in front.
    #[must_use]
    pub fn new(per_address_max: usize, hops: u8) -> Arc<Self> {
        Arc::new(Self { per_address_max: (hops > 0).then_some(per_address_max), under_way: Mutex::default() })
    }

    /// Admits one more request, if the limit allows it.
    pub(super) fn admit(self: &Arc<Self>, address: Option<IpAddr>) -> Option<Share> {
        let (Some(limit), Some(address)) = (self.per_address_max, address.map(counted)) else {
            return Some(Share { of: None });
        };
        let mut under_way = self.under_way.lock();
        let count = under_way.entry(address).or_default();
        if *count >= limit {
            return None;
        }
        *count += 1;
        Some(Share { of: Some((self.clone(), address)) })
    }
}

/// The place of a request under way, until it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    of: Option<(Arc<FairShare>, IpAddr)>,
}

impl Drop for Share {
    fn drop(&mut self) {
        let Some((shares, address)) = &self.of else { return };
        let mut under_way = shares.under_way.lock();
        if let Some(count) = under_way.get_mut(address) {
            *count -= 1;
            if *count == 0 {
                under_way.remove(address);
            }
        }
    }
}

/// Health must answer while one client takes everything else. `/health/deep` is expensive, so it is not among these.
pub(super) fn answers_always(path: &str) -> bool {
    matches!(path.trim_end_matches('/'), "/health" | "/api/health" | "/health/live" | "/health/ready")
}

pub(super) fn refusal() -> Response {
    let detail = "too many connections or requests of this address are open (MAX_CONNECTIONS_PER_ADDRESS); try again later";
    Problem::unavailable(codes::TOO_MANY_CONNECTIONS, detail, RETRY).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behind_proxies_each_client_has_a_share() {
        let (one, other) = (Some(IpAddr::from([192, 0, 2, 1])), Some(IpAddr::from([192, 0, 2, 2])));
        let shares = FairShare::new(2, 1);
        let held = [shares.admit(one).unwrap(), shares.admit(one).unwrap()];
        assert!(shares.admit(one).is_none());
        assert!(shares.admit(other).is_some());
        drop(held);
        assert!(shares.admit(one).is_some());
        assert!(shares.under_way.lock().is_empty(), "an address without requests is forgotten");
        let direct = FairShare::new(0, 0);
        assert!(direct.admit(one).is_some(), "the limit of connections is the same");
    }
}
