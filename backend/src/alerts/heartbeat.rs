//! The dead-man's ping: as long as it comes, alerting itself lives.

use std::{sync::Arc, time::Duration};

use pipeline::clock::Clock;
use reqwest::Client;
use secrecy::{ExposeSecret as _, SecretString};

use super::{board::Board, http};

/// Asks one address again and again.
#[derive(Debug, Clone)]
pub struct Heartbeat {
    url: SecretString,
    every: Duration,
    client: Client,
    board: Board,
    clock: Arc<dyn Clock>,
}

impl Heartbeat {
    #[must_use]
    pub fn new(
        url: SecretString,
        every: Duration,
        client: Client,
        board: Board,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { url, every, client, board, clock }
    }

    /// How long to wait between two pings.
    #[must_use]
    pub fn every(&self) -> Duration {
        self.every
    }

    /// Pings, if this replica notifies and looks at its rules. A watch that hangs sends none, and neither does a replica that does not notify.
    ///
    /// # Errors
    ///
    /// Why the ping was not taken, without its address.
    pub async fn ping(&self, late: Duration) -> Result<bool, String> {
        let (leads, looked_at) = self.board.with(|standing| (standing.leads, standing.looked_at));
        let age = looked_at.map(|at| (self.clock.now() - at).to_std().unwrap_or_default());
        if !leads || age.is_none_or(|age| age > late) {
            return Ok(false);
        }
        http::ask(self.client.get(self.url.expose_secret())).await.map(|_| true).map_err(|error| error.reason)
    }
}

#[cfg(test)]
mod tests {
    use pipeline::testing::ManualClock;

    use super::*;

    #[tokio::test]
    async fn a_replica_that_does_not_look_sends_no_ping() {
        const LATE: Duration = Duration::from_secs(60);
        foundation::tls::install_crypto();
        // Nobody listens there, so a ping that is sent fails.
        let (board, clock) = (Board::default(), Arc::new(ManualClock::new()));
        let heartbeat = Heartbeat::new(
            "http://127.0.0.1:9/ping".into(),
            Duration::from_secs(60),
            Client::new(),
            board.clone(),
            clock.clone(),
        );
        board.with(|standing| standing.looked_at = Some(clock.now()));
        assert_eq!(heartbeat.ping(LATE).await, Ok(false), "another replica notifies");
        board.with(|standing| standing.leads = true);
        assert!(heartbeat.ping(LATE).await.is_err(), "it is sent");
        clock.advance(LATE + Duration::from_secs(1));
        assert_eq!(heartbeat.ping(LATE).await, Ok(false), "the last look is too old");
    }
}
