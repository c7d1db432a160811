//! Listens to the database for runs that wait, are cancelled or change. A pass is one connection's life.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use foundation::resilience::Backoff;
use storage::{Notification, mode::Flags, postgres::Listener};
use tokio::sync::watch;

use crate::background::{Outcome, Pass, Schedule, Task, TaskError};

/// The longest wait between two attempts to listen; jitter shortens it to a half at most. Polling finds all that a notification
/// would have started.
const RECONNECT: Backoff = Backoff::constant(Duration::from_secs(3));

pub struct Notifications {
    pub listener: Listener,
    pub flags: watch::Receiver<Flags>,
    pub on_notification: Box<dyn Fn(Notification) + Send + Sync>,
}

impl fmt::Debug for Notifications {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifications").field("listener", &self.listener).finish_non_exhaustive()
    }
}

#[async_trait]
impl Task for Notifications {
    fn name(&self) -> &'static str {
        "notifications"
    }

    fn schedule(&self) -> Schedule {
        Schedule::every(Duration::ZERO).with_jitter().retry(RECONNECT)
    }

    fn log_outage(&self, error: &TaskError) {
        tracing::warn!(event = "notifications_lost", task = self.name(), %error, "no notifications from the database; work is found by looking for it");
    }

    /// A stop waits for the end of the pass, because the listener closes its connection there.
    fn is_interruptible(&self) -> bool {
        false
    }

    async fn pass(&mut self, pass: &Pass<'_>) -> Result<Outcome, TaskError> {
        let on_notification = |heard| {
            if heard == Notification::Connected {
                pass.works("listening");
            }
            (self.on_notification)(heard);
        };
        self.listener.listen(&mut self.flags, pass.stop(), on_notification).await?;
        Ok(Outcome::Skipped("the mode has no database"))
    }
}
