//! The settings of connections: how many, from one address, for how long.

use std::time::Duration;

use super::reader::Reader;

/// The limits of the server's connections.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionsConfig {
    /// `MAX_CONNECTIONS`: the most open connections.
    pub connections_max: usize,
    /// `MAX_CONNECTIONS_PER_ADDRESS`: the most of one address. Behind proxies, the most requests under way of one
    /// client's address.
    pub per_address_max: usize,
    /// `CONNECTION_MAX_AGE_SECONDS`: a connection ends with its current request after at most this time.
    pub age_max: Duration,
    /// `MAX_REQUESTS_PER_CONNECTION`: a connection ends after so many requests.
    pub requests_max: u64,
}

impl Default for ConnectionsConfig {
    fn default() -> Self {
        Self {
            connections_max: 4_096,
            // A quarter: no address can take the others' places, and a frontend's server needs hundreds.
            per_address_max: 1_024,
            age_max: Duration::from_secs(3_600),
            // As nginx has it.
            requests_max: 1_000,
        }
    }
}

impl ConnectionsConfig {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let default = Self::default();
        let total = "must be a number of connections, 16 to 1000000";
        let connections_max =
            reader.number("MAX_CONNECTIONS", default.connections_max, 16..=1_000_000, total, "4096");
        let share = "must be a number of connections, 1 to MAX_CONNECTIONS";
        let quarter = (connections_max / 4).max(1);
        let per_address_max =
            reader.number("MAX_CONNECTIONS_PER_ADDRESS", quarter, 1..=connections_max, share, "1024");
        let age = "must be a number of seconds, 1 to 86400";
        let age_max = reader.number("CONNECTION_MAX_AGE_SECONDS", 3_600, 1..=86_400, age, "3600");
        let requests = "must be a number of requests, at least 1";
        let requests_max = reader.number(
            "MAX_REQUESTS_PER_CONNECTION",
            default.requests_max,
            1..=u64::MAX,
            requests,
            "1000",
        );
        Self { connections_max, per_address_max, age_max: Duration::from_secs(age_max), requests_max }
    }

    /// The connections that a process with so many open files can serve: half of the files are for everything else.
    #[must_use]
    pub fn within(self, open_files: u64) -> Self {
        let half = usize::try_from(open_files / 2).unwrap_or(usize::MAX).max(1);
        let connections_max = self.connections_max.min(half);
        Self {
            connections_max,
            per_address_max: self.per_address_max.min(connections_max.div_ceil(4)).max(1),
            ..self
        }
    }
}
