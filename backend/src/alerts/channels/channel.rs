//! The abilities of every channel.

use std::time::Duration;

use async_trait::async_trait;

use super::notice::Notice;
use crate::alerts::{board::ChangeEvent, http::SendError, rules::Severity};

/// A way to tell people.
#[async_trait]
pub trait Channel: Send + Sync + std::fmt::Debug {
    fn name(&self) -> &'static str;

    /// Whether one message tells of several alerts.
    fn is_grouped(&self) -> bool;

    /// The least severity that it is told of.
    fn least(&self) -> Severity {
        Severity::Warning
    }

    /// The shortest pause between two messages, by the rules of its other side.
    fn pause(&self) -> Duration {
        Duration::from_secs(1)
    }

    /// Sends one message.
    ///
    /// # Errors
    ///
    /// Why it was not taken, and how long the other side asks to wait.
    async fn send(&self, notice: &Notice) -> Result<(), SendError>;

    /// Whether it shows flips and deployments.
    fn takes_changes(&self) -> bool {
        false
    }

    /// Sends a flip or a deployment.
    ///
    /// # Errors
    ///
    /// As [`Channel::send`].
    async fn send_change(&self, _: &ChangeEvent) -> Result<(), SendError> {
        Ok(())
    }
}
