//! The runs of one document for several brands, and their comparison.

use pipeline::{
    batch::BatchId,
    brand::BrandId,
    failure::{FailureCode, RunFailure},
    record::StageRecord,
    report::comparison::{Compared, ComparedRun, render},
    run::RunId,
};
use serde_json::Value;
use storage::{StorageError, StorageErrorKind, prelude::*};

use crate::app::App;

/// A run that has ended.
pub(super) struct Ended {
    pub(super) brand: BrandId,
    pub(super) run_id: RunId,
    pub(super) result: Result<(), RunFailure>,
    /// Whether a later command can continue the run.
    pub(super) may_continue: bool,
    /// The result for machines.
    pub(super) json: Value,
}

impl Ended {
    /// Whether a later command can succeed where this run failed.
    pub(super) fn can_continue(&self) -> bool {
        self.may_continue && self.result.as_ref().is_err_and(|failure| failure.can_retry)
    }

    /// Whether the document is the reason of the failure.
    pub(super) fn is_of_document(&self) -> bool {
        self.result.as_ref().is_err_and(|failure| {
            matches!(
                failure.code,
                FailureCode::DocumentCorrupt
                    | FailureCode::DocumentEncrypted
                    | FailureCode::DocumentNoText
                    | FailureCode::DocumentTimeout
                    | FailureCode::DocumentTooLarge
                    | FailureCode::DocumentUnavailable
                    | FailureCode::DocumentUnsupported
            )
        })
    }
}

/// Compares the complete runs, and writes the comparison beside them. None if no run is complete.
pub(super) async fn write_comparison(
    app: &App,
    id: &BatchId,
    ended: &[Ended],
) -> Result<Option<String>, StorageError> {
    let mut loaded: Vec<(String, Option<Vec<StageRecord>>)> = Vec::with_capacity(ended.len());
    let mut document = None;
    for one in ended {
        let name = app
            .brands
            .load(&one.brand)
            .map_or_else(|_| one.brand.to_string(), |brand| brand.brand_name.clone());
        let run = match one.result {
            Ok(()) => app.router.load(&one.run_id).await?,
            Err(_) => None,
        };
        if document.is_none() {
            document = run.as_ref().and_then(|run| Some(run.request.as_ref()?.source.clone()));
        }
        loaded.push((name, run.map(|run| run.stages.into_values().map(|held| held.record).collect())));
    }
    let runs: Vec<ComparedRun<'_>> = ended
        .iter()
        .zip(&loaded)
        .map(|(one, (brand, records))| ComparedRun {
            run: &one.run_id,
            brand,
            content: records.as_deref().map_or(Compared::Nothing("failed"), Compared::Complete),
        })
        .collect();
    let text = render(document.as_deref(), &runs)
        .map_err(|error| StorageError::new(StorageErrorKind::Invalid, error.to_string()))?;
    match text {
        Some(text) => app.router.files().write_comparison(id, text).await.map(Some),
        None => Ok(None),
    }
}
