//! The figures that alerts look at, by the same answers as the deep report.

use super::{Health, baseline::BaselineReport};
use crate::{flags::FlagListing, telemetry::metrics::Measured};
use storage::{Replica, StorageError, breaker::BreakerState};

/// The facts that rules of alerts look at.
#[derive(Debug)]
pub struct Watched {
    pub measured: Measured,
    /// None without a database, or while it is away.
    pub replicas: Option<Vec<Replica>>,
    /// None while unknown.
    pub baseline: Option<BaselineReport>,
    /// The answer of the file storage. None where the mode has no files.
    pub files: Option<Result<(), StorageError>>,
    /// Path and errno of the last failed file write, until a write succeeds.
    pub file_alarm: Option<String>,
    /// Why the database's breaker is open. None while it is closed, or without a database.
    pub breaker: Option<String>,
    /// Whether the mode has a database.
    pub uses_database: bool,
    /// Why and since when the model is not asked. None while it is asked.
    pub model: Option<String>,
    /// From 0 to 1 of the database pool. None without a database.
    pub pool_share: Option<f64>,
    pub flags: Option<FlagListing>,
    /// The problem of the sources of flags, while there is one.
    pub flags_alarm: Option<String>,
}

impl Health {
    /// Everything that rules of alerts look at. No question takes longer than a second.
    pub async fn watched(&self) -> Watched {
        let router = &self.sources.router;
        let uses_database = router.uses_database();
        let files = async { if router.expects_files() { Some(self.ask_files().await) } else { None } };
        let baseline = async {
            match &self.outside {
                Some(outside) => outside.baseline(uses_database).await,
                None => None,
            }
        };
        let (measured, replicas, baseline, files) =
            tokio::join!(self.measured(), self.replicas(), baseline, files);
        let state = router.state();
        Watched {
            replicas,
            baseline,
            files,
            file_alarm: state.file_alarm,
            breaker: match state.breaker {
                Some(BreakerState::Open { reason, .. }) => Some(reason),
                Some(BreakerState::Closed) | None => None,
            },
            uses_database,
            model: measured.model_pause.map(|reason| format!("it is paused for {}", reason.as_str())),
            pool_share: self
                .outside
                .as_ref()
                .and_then(|outside| outside.baseline.as_ref())
                .filter(|_| uses_database)
                .map(|baseline| baseline.pool_share()),
            measured,
            flags: self.sources.flags.as_ref().map(FlagListing::of),
            flags_alarm: self.sources.flags.as_ref().and_then(crate::flags::FlagSource::alarm),
        }
    }
}
