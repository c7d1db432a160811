//! The way to end an analysis before its time.

use tokio_util::sync::CancellationToken;

/// The analysis was told to stop: its run was cancelled, or its time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the analysis was stopped")]
pub(crate) struct Stopped;

/// Tells a long computation to stop.
///
/// Every loop over blocks, sentences or topics asks it once a turn. A turn takes microseconds, so an analysis
/// ends within milliseconds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop(CancellationToken);

impl Stop {
    pub(crate) fn new(token: CancellationToken) -> Self {
        Self(token)
    }

    /// # Errors
    ///
    /// [`Stopped`] once the computation must end.
    pub(crate) fn check(&self) -> Result<(), Stopped> {
        if self.0.is_cancelled() { Err(Stopped) } else { Ok(()) }
    }
}
