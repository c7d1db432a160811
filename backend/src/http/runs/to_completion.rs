//! Runs work to its end, even if the client hangs up.

use tracing::Instrument as _;

use crate::http::error::Problem;

/// Runs work to its end, even if the client hangs up. Half a change must never remain.
pub(crate) async fn run_to_completion<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, Problem> {
    tokio::spawn(work.in_current_span()).await.map_err(|_| Problem::internal())
}
