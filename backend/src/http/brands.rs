//! `/brands`: the profiles that a run can be for.

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use pipeline::{
    brand::{BrandId, BrandProfile},
    failure::FailureCode,
};
use serde_json::{Value, json};

use super::{
    HttpState,
    error::{Problem, brand_not_found},
};
use crate::brands::BrandFolder;

/// All brands, also those whose profile is wrong: `is_valid` says so.
pub(super) async fn list(State(state): State<HttpState>) -> Result<Response, Problem> {
    let brands = blocking(state.brands, |folder| {
        let ids = folder.ids().map_err(|error| {
            tracing::error!(%error, "the brand profiles cannot be listed");
            Problem::internal()
        })?;
        Ok(ids.iter().map(|id| summary(&folder, id)).collect::<Vec<_>>())
    })
    .await?;
    Ok(Json(json!({ "brands": brands })).into_response())
}

/// One brand's profile.
pub(super) async fn one(
    State(state): State<HttpState>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    // What is no brand's id is the id of no brand.
    let Path(id) = id.map_err(|_| brand_not_found())?;
    let id = BrandId::parse(&id).map_err(|_| brand_not_found())?;
    let profile = blocking(state.brands, move |folder| {
        folder.load(&id).map_err(|failure| {
            if failure.code == FailureCode::BrandNotFound {
                return brand_not_found();
            }
            tracing::error!(brand_id = %id, "{}", failure.message);
            let detail = "this brand's profile is not valid; its operator has to correct it";
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "brand_invalid", detail)
        })
    })
    .await?;
    Ok(Json(public(&profile)).into_response())
}

fn summary(folder: &BrandFolder, id: &BrandId) -> Value {
    match folder.load(id) {
        Ok(profile) => json!({
            "id": id,
            "name": profile.brand_name,
            "country": profile.country,
            "industry": profile.industry,
            "is_valid": true,
        }),
        Err(_) => json!({"id": id, "is_valid": false}),
    }
}

/// The profile without the research notes, which are the analyst's own.
fn public(profile: &BrandProfile) -> BrandProfile {
    BrandProfile { research_notes: None, ..profile.clone() }
}

/// Reads files off the threads that answer requests.
async fn blocking<T: Send + 'static>(
    folder: BrandFolder,
    work: impl FnOnce(BrandFolder) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(move || work(folder)).await.map_err(|_| Problem::internal())?
}
