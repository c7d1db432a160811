//! `/brands`: the profiles of the brands that a run can use.

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::StatusCode,
};
use pipeline::{
    brand::{BrandId, BrandProfile},
    failure::FailureCode,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    codes,
    error::{Problem, brand_not_found},
    operation::Operation,
    state::HttpState,
};
use crate::brands::BrandFolder;

/// All brands.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Brands {
    brands: Vec<BrandSummary>,
}

/// One brand of the list.
#[derive(Debug, Serialize, JsonSchema)]
struct BrandSummary {
    id: BrandId,
    /// Missing if the profile is invalid, as are the next two fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    industry: Option<String>,
    /// Whether a run can use the brand.
    is_valid: bool,
}

pub(super) fn describe_list() -> Operation {
    Operation::new("Brands", "listBrands", "All brands, including those with an invalid profile")
        .json::<Brands>(StatusCode::OK, "the brands, by id")
}

pub(super) fn describe_one() -> Operation {
    Operation::new("Brands", "getBrand", "One brand's profile, without its research notes")
        .json::<BrandProfile>(StatusCode::OK, "the profile")
        .problems(&[codes::BRAND_NOT_FOUND, codes::BRAND_INVALID])
}

/// All brands, including those with an invalid profile: see `is_valid`.
pub(super) async fn list(State(state): State<HttpState>) -> Result<Json<Brands>, Problem> {
    let brands = blocking(state.brands, |folder| {
        let ids = folder.ids().map_err(|error| {
            tracing::error!(event = "brands_list_failed", %error, "the brand profiles cannot be listed");
            Problem::internal()
        })?;
        Ok(ids.iter().map(|id| summary(&folder, id)).collect::<Vec<_>>())
    })
    .await?;
    Ok(Json(Brands { brands }))
}

/// One brand's profile.
pub(super) async fn one(
    State(state): State<HttpState>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<BrandProfile>, Problem> {
    // A text that is not a brand id names no brand.
    let Path(id) = id.map_err(|_| brand_not_found())?;
    let id = BrandId::parse(&id).map_err(|_| brand_not_found())?;
    let profile = blocking(state.brands, move |folder| {
        folder.load(&id).map_err(|failure| {
            if failure.code == FailureCode::BrandNotFound {
                return brand_not_found();
            }
            tracing::error!(event = "brand_invalid", brand_id = %id, "{}", failure.message);
            let detail = "this brand's profile is invalid; its operator must correct it";
            Problem::new(codes::BRAND_INVALID, detail)
        })
    })
    .await?;
    Ok(Json(public(&profile)))
}

fn summary(folder: &BrandFolder, id: &BrandId) -> BrandSummary {
    let profile = folder.load(id).ok();
    BrandSummary {
        id: id.clone(),
        name: profile.as_ref().map(|profile| profile.brand_name.clone()),
        country: profile.as_ref().map(|profile| profile.country.clone()),
        industry: profile.as_ref().map(|profile| profile.industry.clone()),
        is_valid: profile.is_some(),
    }
}

/// The profile without the research notes, which only the analyst reads.
fn public(profile: &BrandProfile) -> BrandProfile {
    BrandProfile { research_notes: None, ..profile.clone() }
}

/// Reads files outside of the threads that answer requests.
async fn blocking<T: Send + 'static>(
    folder: BrandFolder,
    work: impl FnOnce(BrandFolder) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(move || work(folder)).await.map_err(|_| Problem::internal())?
}
