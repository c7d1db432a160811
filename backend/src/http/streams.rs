//! Counts the open event streams by client.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use axum::extract::Request;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::{client_ip::client_ip, key_header::given_digest};
use crate::{config::AccessConfig, telemetry::metrics};

/// The client that a stream belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Client {
    /// The digest of its key.
    Key([u8; 32]),
    Address(IpAddr),
    Unknown,
}

impl Client {
    /// The client of an admitted request.
    pub(super) fn of(request: &Request, access: &AccessConfig) -> Self {
        // Without configured keys, an invented key must not make a client look like another one.
        if !access.api_keys.is_empty()
            && let Some(digest) = given_digest(request.headers())
        {
            return Self::Key(digest);
        }
        client_ip(request, access.trusted_proxy_hops).map_or(Self::Unknown, Self::Address)
    }
}

/// All streams of this process.
#[derive(Debug)]
pub struct Streams {
    per_client_max: usize,
    total_max: usize,
    open: Mutex<HashMap<Client, usize>>,
    ending: CancellationToken,
}

impl Streams {
    #[must_use]
    pub fn new(per_client_max: usize, total_max: usize) -> Arc<Self> {
        let ending = CancellationToken::new();
        Arc::new(Self { per_client_max, total_max, open: Mutex::default(), ending })
    }

    /// Admits one more stream, if the limits allow it.
    pub(super) fn admit(self: &Arc<Self>, client: Client) -> Option<Admitted> {
        let mut open = self.lock();
        if open.values().sum::<usize>() >= self.total_max
            || open.get(&client).is_some_and(|count| *count >= self.per_client_max)
        {
            return None;
        }
        *open.entry(client).or_default() += 1;
        metrics::event_stream_opened();
        Some(Admitted { streams: self.clone(), client })
    }

    /// Ends all streams. Their clients reconnect to another replica.
    pub fn end(&self) {
        self.ending.cancel();
    }

    pub(super) fn ending(&self) -> &CancellationToken {
        &self.ending
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, HashMap<Client, usize>> {
        self.open.lock()
    }
}

/// The place of an open stream, until it is dropped.
#[derive(Debug)]
pub(super) struct Admitted {
    streams: Arc<Streams>,
    client: Client,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        metrics::event_stream_closed();
        let mut open = self.streams.lock();
        if let Some(count) = open.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_and_all_together_have_a_limit() {
        let streams = Streams::new(2, 10);
        let one = Client::Address("192.0.2.1".parse().unwrap());
        let held = [streams.admit(one).unwrap(), streams.admit(one).unwrap()];
        assert!(streams.admit(one).is_none());
        assert!(streams.admit(Client::Key([1; 32])).is_some(), "another client");
        drop(held);
        assert!(streams.admit(one).is_some());
        assert!(streams.lock().is_empty(), "a client without streams is forgotten");
        let streams = Streams::new(usize::MAX, 10);
        let all: Vec<Admitted> = (0..10).map(|_| streams.admit(one).unwrap()).collect();
        assert!(streams.admit(Client::Unknown).is_none());
        drop(all);
    }
}
