//! Writes to the files what the database has taken: no run waits for it.

use std::sync::Arc;

use async_trait::async_trait;
use storage::{mode::Flags, router::Router};
use tokio::sync::watch;

use crate::background::{Outcome, Pass, Schedule, Task, TaskError};

/// Writes what is due in the mirror.
#[derive(Debug)]
pub struct WriteMirror {
    router: Arc<Router>,
    flags: watch::Receiver<Flags>,
}

impl WriteMirror {
    /// From now on, writes of runs go through the mirror.
    #[must_use]
    pub fn new(router: Arc<Router>, flags: watch::Receiver<Flags>) -> Self {
        router.files().mirror().set_driven(true);
        Self { router, flags }
    }
}

#[async_trait]
impl Task for WriteMirror {
    fn name(&self) -> &'static str {
        "mirror"
    }

    fn schedule(&self) -> Schedule {
        Schedule::when_woken()
    }

    fn log_outage(&self, error: &TaskError) {
        tracing::warn!(event = "mirror_failed", task = self.name(), %error, "a pass of the mirror failed; will retry");
    }

    /// A change of mode writes everything at once.
    async fn woken(&mut self) {
        let mirror = self.router.files().mirror();
        tokio::select! {
            () = mirror.due() => {}
            Ok(()) = self.flags.changed() => mirror.hasten(),
        }
    }

    async fn pass(&mut self, _: &Pass<'_>) -> Result<Outcome, TaskError> {
        match self.router.write_mirror().await {
            0 => Ok(Outcome::Skipped("nothing is due")),
            parts => Ok(Outcome::done(format!("{parts} parts"))),
        }
    }

    /// Its time limits end each pass, and a half-written one helps nobody.
    fn is_interruptible(&self) -> bool {
        false
    }

    async fn stopped(&mut self) {
        self.router.files().mirror().set_driven(false);
    }
}
