//! Parses a request for a batch, and reports all wrong fields at once.

use std::collections::BTreeSet;

use pipeline::{
    batch::{BATCH_BRANDS_MAX, BatchId},
    brand::BrandId,
};
use schemars::JsonSchema;
use serde_json::Value;
use storage::control_plane::Principal;

use super::fields::{Fields, URL_BYTES_MAX, USER_ID_BYTES_MAX};
use crate::{documents::sample, http::error::Problem, runs::BatchOrder};

/// A request for a batch: one document for several brands, each with a run of its own. All runs are accepted, or none.
#[derive(Debug, JsonSchema)]
#[allow(dead_code, reason = "read by hand, so that every problem is named at once")]
pub(super) struct BatchRequest {
    /// The batch's id, which the client chooses. The same id with the same request is the same batch. The id of a brand's run is
    /// UUIDv5(batch_id, brand).
    batch_id: BatchId,
    /// The document's address: `https`, on one of the allowed hosts.
    #[schemars(length(min = 1, max = URL_BYTES_MAX), url)]
    blob_url: String,
    /// The brands to find opportunities for, each once.
    #[schemars(length(min = 1, max = BATCH_BRANDS_MAX), extend("uniqueItems" = true))]
    brands: Vec<BrandId>,
    /// The user who owns the runs.
    #[schemars(length(min = 1, max = USER_ID_BYTES_MAX))]
    user_id: Option<String>,
}

/// Parses a body with `brands` or `batch_id`.
pub(super) fn parse(mut fields: Fields<'_>) -> Result<BatchOrder, Problem> {
    let batch_id = fields.text("batch_id", usize::MAX).map(BatchId::parse);
    let batch_id = fields.valid("batch_id", batch_id);
    if batch_id.is_none() {
        fields.require("batch_id", "an id that the client chooses, so that a repetition finds the batch");
    }
    for (field, instead) in [
        ("run_id", "the ids of its runs derive from batch_id"),
        ("company_id", "name all brands in brands"),
        ("brand_id", "name all brands in brands"),
        ("analyst", "a batch has the analyst of the service"),
    ] {
        if fields.body.get(field).is_some_and(|value| !value.is_null()) {
            fields.problem(field, format!("must not be given together with brands: {instead}"));
        }
    }
    let document_url = fields.text("blob_url", URL_BYTES_MAX).map(str::to_owned);
    match &document_url {
        None => fields.require("blob_url", "the address of the document"),
        Some(url) if sample::is_address(url) => fields.problem("blob_url", "must not be the built-in sample"),
        Some(_) => {}
    }
    let brands = brands(&mut fields);
    let user_id = fields.text("user_id", USER_ID_BYTES_MAX).map(str::to_owned);
    match (batch_id, document_url) {
        (Some(batch_id), Some(document_url)) if fields.problems.is_empty() => {
            Ok(BatchOrder { batch_id, document_url, brands, user_id, principal: Principal::environment() })
        }
        _ => Err(Problem::fields(fields.problems)),
    }
}

/// The brands of a batch, each once.
fn brands(fields: &mut Fields<'_>) -> Vec<BrandId> {
    let given = match fields.body.get("brands") {
        Some(Value::Array(given)) if (1..=BATCH_BRANDS_MAX).contains(&given.len()) => given,
        None | Some(Value::Null) => {
            fields.require("brands", "the brands to find opportunities for");
            return Vec::new();
        }
        Some(_) => {
            fields.problem("brands", format!("must be a list of 1 to {BATCH_BRANDS_MAX} brand ids"));
            return Vec::new();
        }
    };
    let mut brands = Vec::with_capacity(given.len());
    let mut seen = BTreeSet::new();
    for one in given {
        let parsed = one.as_str().ok_or_else(|| "must hold strings alone".to_owned());
        match parsed.and_then(|text| BrandId::parse(text).map_err(|error| error.to_string())) {
            Ok(brand) if seen.insert(brand.clone()) => brands.push(brand),
            Ok(brand) => fields.problem("brands", format!("names {brand} twice")),
            Err(why) => fields.problem("brands", why),
        }
    }
    brands
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(body: &Value) -> Result<BatchOrder, Problem> {
        parse(Fields { body: body.as_object().unwrap(), problems: Vec::new() })
    }

    fn wrong(body: &Value) -> Vec<&'static str> {
        parsed(body).unwrap_err().fields.iter().map(|field| field.field).collect()
    }

    #[test]
    fn brands_make_a_batch_of_checked_fields() {
        let body =
            json!({"batch_id": "spring", "blob_url": "https://x.y/z", "brands": ["b", "a"], "run_id": null});
        let order = parsed(&body).unwrap();
        assert_eq!(order.brands.iter().map(BrandId::as_str).collect::<Vec<_>>(), ["b", "a"]);
        let with = |field: &str, value: Value| {
            let mut changed = body.clone();
            changed[field] = value;
            changed
        };
        for field in ["run_id", "company_id", "brand_id", "analyst"] {
            assert_eq!(wrong(&with(field, json!("extractive"))), [field]);
        }
        let many: Vec<String> = (0..51).map(|number| format!("brand-{number}")).collect();
        for brands in
            [json!(null), json!([]), json!("a"), json!([1]), json!(["a", "a"]), json!(["../x"]), json!(many)]
        {
            assert_eq!(wrong(&with("brands", brands.clone())), ["brands"], "{brands}");
        }
        assert_eq!(wrong(&with("batch_id", json!(null))), ["batch_id"]);
        assert_eq!(wrong(&with("batch_id", json!("a/b"))), ["batch_id"]);
        assert_eq!(wrong(&with("blob_url", json!(sample::ADDRESS))), ["blob_url"]);
    }
}
