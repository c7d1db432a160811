//! The limits of the server's connections.

use std::time::Duration;

use crate::config::ConnectionsConfig;

/// The limits of connections.
#[derive(Debug, Clone, Copy)]
pub struct ServeLimits {
    /// The most connections at once, without the few reserved ones for health.
    pub connections_max: usize,
    /// The most connections of one address.
    pub connections_per_address_max: usize,
    /// After at most this time a connection ends with its current request.
    pub connection_age_max: Duration,
    /// After so many requests a connection ends.
    pub requests_per_connection_max: u64,
    /// From the end of one request, or from the start of the connection, to the end of the next request's
    /// headers. It also limits how long an idle connection is kept.
    pub header_timeout: Duration,
    /// How long a client may read nothing of its answer.
    pub stall_timeout: Duration,
    /// How long running answers may take after the stop.
    pub stop_timeout: Duration,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self::new(&ConnectionsConfig::default(), 0)
    }
}

impl ServeLimits {
    /// With `hops` trusted proxies in front. The connections of a proxy carry many clients, so it may hold all of them.
    #[must_use]
    pub fn new(config: &ConnectionsConfig, hops: u8) -> Self {
        let per_address = if hops == 0 { config.per_address_max } else { config.connections_max };
        Self {
            connections_max: config.connections_max,
            connections_per_address_max: per_address,
            connection_age_max: config.age_max,
            requests_per_connection_max: config.requests_max,
            // An attacker who opens connections and sends nothing holds each no longer than this.
            header_timeout: Duration::from_secs(5),
            stall_timeout: Duration::from_secs(30),
            stop_timeout: Duration::from_secs(5),
        }
    }
}
