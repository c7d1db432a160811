//! Traffic of the arbiter's own: a golden path through this process's own address.

use std::{net::IpAddr, sync::Arc, time::Duration};

use pipeline::clock::Clock;
use secrecy::SecretString;
use tokio::time::timeout;

use crate::smoke::{ClientError, SmokeClient, walk};

/// How long the run of a golden path may take.
const RUN_LIMIT: Duration = Duration::from_secs(60);

/// How long the whole path may take. Its steps have limits of their own, which never add up to this.
const LIMIT: Duration = Duration::from_secs(150);

/// A golden path through this process.
#[derive(Debug, Clone)]
pub struct GoldenPath {
    client: SmokeClient,
    clock: Arc<dyn Clock>,
}

impl GoldenPath {
    /// Through this address. The key is one that only this process knows; None where no key is required.
    ///
    /// # Errors
    ///
    /// [`ClientError`] if no HTTP client can be made.
    pub fn new(
        host: IpAddr,
        port: u16,
        key: Option<&SecretString>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ClientError> {
        let host = match host {
            IpAddr::V4(address) if address.is_unspecified() => "127.0.0.1".to_owned(),
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) if address.is_unspecified() => "[::1]".to_owned(),
            IpAddr::V6(address) => format!("[{address}]"),
        };
        Ok(Self { client: SmokeClient::new(&format!("http://{host}:{port}"), key, None)?, clock })
    }

    /// Walks it once. Returns whether every step passed, and a sentence.
    pub async fn walk(&self) -> (bool, String) {
        let Ok(mission) = timeout(LIMIT, walk(&self.client, &self.clock, None, RUN_LIMIT)).await else {
            return (false, format!("not done within {} s", LIMIT.as_secs()));
        };
        match mission.steps.iter().find(|step| !step.passed) {
            None => (true, format!("every step passed in {} ms", mission.elapsed_ms)),
            Some(step) => (false, format!("step {}: {}", step.name, step.detail)),
        }
    }
}
