//! Parses a submission, and reports all wrong fields at once.

use pipeline::{brand::BrandId, run::RunId};
use schemars::JsonSchema;
use serde_json::Value;
use storage::control_plane::Principal;

use super::{
    batch_request::{self, BatchRequest},
    fields::{Fields, URL_BYTES_MAX, USER_ID_BYTES_MAX},
};
use crate::{
    documents::sample,
    http::error::{FieldProblem, Problem},
    runs::{BatchOrder, Submission},
};

/// The body of `POST /run`: one brand, or with `brands` a batch.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
#[allow(dead_code, reason = "read by hand, so that every problem is named at once")]
pub(super) enum RunOrBatchRequest {
    Run(RunRequest),
    Batch(BatchRequest),
}

/// A request for a run. Unknown fields are ignored; null counts as absent.
#[derive(Debug, JsonSchema)]
#[schemars(extend("anyOf" = [
    {"required": ["company_id"], "properties": {"company_id": {"type": "string"}}},
    {"required": ["brand_id"], "properties": {"brand_id": {"type": "string"}}},
]))]
#[allow(dead_code, reason = "read by hand, so that every problem is named at once")]
pub(super) struct RunRequest {
    /// The run's id. The same id with the same request is the same run. The service creates one by default.
    run_id: Option<RunId>,
    /// The document's address: `https`, on one of the allowed hosts.
    #[schemars(length(min = 1, max = URL_BYTES_MAX), url)]
    blob_url: String,
    /// The brand to find opportunities for.
    company_id: Option<BrandId>,
    /// Another name for `company_id`. It must not differ from it.
    brand_id: Option<BrandId>,
    /// The user who owns the run.
    #[schemars(length(min = 1, max = USER_ID_BYTES_MAX))]
    user_id: Option<String>,
    /// `extractive` asks for the built-in analyst. Only an operator's key may, with the address `builtin:sample.md`.
    analyst: Option<AskedAnalyst>,
    /// `off`: the model is asked anew for each stage, and no later run uses its answers. By default, runs of one owner share
    /// the answers to the same questions.
    cache: Option<AskedCache>,
}

/// Whether cached answers may be used.
#[derive(Debug, Clone, Copy, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(dead_code, reason = "read by hand, so that every problem is named at once")]
enum AskedCache {
    On,
    Off,
}

/// An analyst that a caller may ask for.
#[derive(Debug, Clone, Copy, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(dead_code, reason = "read by hand, so that every problem is named at once")]
enum AskedAnalyst {
    Extractive,
}

/// The request in a body of `POST /run`.
#[derive(Debug, Clone)]
pub(super) enum Order {
    Run(Submission),
    Batch(BatchOrder),
}

/// Parses the body of `POST /run`. It ignores unknown fields. With `brands` it asks for a batch.
pub(super) fn parse(body: &Value) -> Result<Order, Problem> {
    let Value::Object(body) = body else {
        let detail = "must be a JSON object with blob_url and company_id".to_owned();
        return Err(Problem::fields(vec![FieldProblem { field: "body", detail }]));
    };
    let has = |field: &str| body.get(field).is_some_and(|value| !value.is_null());
    let fields = Fields { body, problems: Vec::new() };
    if has("brands") || has("batch_id") {
        batch_request::parse(fields).map(Order::Batch)
    } else {
        run(fields).map(Order::Run)
    }
}

fn run(mut fields: Fields<'_>) -> Result<Submission, Problem> {
    let run_id = fields.text("run_id", usize::MAX).map(RunId::parse);
    let run_id = fields.valid("run_id", run_id);
    let document_url = fields.text("blob_url", URL_BYTES_MAX).map(str::to_owned);
    if document_url.is_none() {
        fields.require("blob_url", "the address of the document");
    }
    let brand_id = fields.company();
    let user_id = fields.text("user_id", USER_ID_BYTES_MAX).map(str::to_owned);
    let cache_off = fields.cache_off();
    let is_sample = fields.sample(document_url.as_deref());
    // The label of such runs in every list.
    let user_id = if is_sample { Some(Principal::SYSTEM.to_owned()) } else { user_id };
    match (document_url, brand_id) {
        (Some(document_url), Some(brand_id)) if fields.problems.is_empty() => Ok(Submission {
            run_id,
            document_url,
            brand_id,
            user_id,
            principal: Principal::environment(),
            is_sample,
            is_keyless: false,
            cache_off,
        }),
        _ => Err(Problem::fields(fields.problems)),
    }
}

impl Fields<'_> {
    /// Whether the body asks for a golden path: the built-in sample together with the extractive analyst.
    fn sample(&mut self, document_url: Option<&str>) -> bool {
        let asks_for_sample = document_url.is_some_and(sample::is_address);
        match self.text("analyst", usize::MAX) {
            None if asks_for_sample => {
                self.problem("analyst", "is required with the built-in sample: extractive");
                false
            }
            None => false,
            Some("extractive") if asks_for_sample => true,
            Some("extractive") => {
                self.problem(
                    "analyst",
                    format!("may be asked for with the address {} alone", sample::ADDRESS),
                );
                false
            }
            Some(_) => {
                self.problem("analyst", "must be extractive");
                false
            }
        }
    }

    /// Whether the body switches the answer cache off.
    fn cache_off(&mut self) -> bool {
        match self.text("cache", usize::MAX) {
            None | Some("on") => false,
            Some("off") => true,
            Some(_) => {
                self.problem("cache", "must be on or off");
                false
            }
        }
    }

    /// The company, by either of its names.
    fn company(&mut self) -> Option<BrandId> {
        let company = self.text("company_id", usize::MAX);
        let brand = self.text("brand_id", usize::MAX);
        match (company, brand) {
            (Some(company), Some(brand)) if company != brand => {
                self.problem("brand_id", "is another name for company_id and must not differ from it");
                None
            }
            (Some(company), _) => self.valid("company_id", Some(BrandId::parse(company))),
            (None, Some(brand)) => self.valid("brand_id", Some(BrandId::parse(brand))),
            (None, None) => {
                if !self.problems.iter().any(|problem| problem.field == "brand_id") {
                    self.require("company_id", "the brand to find opportunities for");
                }
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(body: &Value) -> Submission {
        match parse(body).unwrap() {
            Order::Run(submission) => submission,
            Order::Batch(order) => panic!("{order:?}"),
        }
    }

    fn wrong(body: &Value) -> Vec<&'static str> {
        let problem = parse(body).unwrap_err();
        assert_eq!(problem.status, 422);
        for field in &problem.fields {
            assert!(problem.detail.contains(&format!("{}: {}", field.field, field.detail)), "{problem:?}");
        }
        problem.fields.iter().map(|field| field.field).collect()
    }

    #[test]
    fn both_field_names_and_absent_optionals_are_accepted() {
        let body = json!({"blob_url": "https://x.y/z", "brand_id": "decathlon", "run_id": null, "more": [1]});
        let submission = run(&body);
        assert_eq!(submission.brand_id.as_str(), "decathlon");
        assert!(submission.run_id.is_none() && submission.user_id.is_none());
        let body = json!({
            "blob_url": "https://x.y/z", "brand_id": "decathlon", "company_id": "decathlon",
            "run_id": "run-1761234567890-42", "user_id": "user_2abc", "cache": "off",
        });
        assert!(!submission.cache_off);
        let submission = run(&body);
        assert!(submission.cache_off);
        assert_eq!(submission.run_id.unwrap().as_str(), "run-1761234567890-42");
        assert_eq!(submission.user_id.as_deref(), Some("user_2abc"));
    }

    #[test]
    fn everything_that_is_wrong_is_named_at_once() {
        assert_eq!(wrong(&json!({})), ["blob_url", "company_id"]);
        for user in ["  ", "user\u{FEFF}", "user\u{202E}2abc"] {
            assert_eq!(wrong(&json!({"blob_url": "x", "company_id": "y", "user_id": user})), ["user_id"]);
        }
        let all = json!({
            "run_id": "../../etc/x", "blob_url": 5, "company_id": "", "user_id": "a\u{0}b", "cache": "no",
        });
        assert_eq!(wrong(&all), ["run_id", "blob_url", "company_id", "user_id", "cache"]);
        for body in [json!([]), json!("text"), json!(null), json!(1)] {
            assert_eq!(wrong(&body), ["body"]);
        }
        let two = json!({"blob_url": "https://x.y/z", "brand_id": "decathlon", "company_id": "lactalis"});
        assert_eq!(wrong(&two), ["brand_id"]);
    }

    #[test]
    fn hostile_names_are_refused_in_words() {
        for id in [
            "",
            ".",
            "..",
            "../../etc/x",
            "a/b",
            "a\\b",
            "a?b",
            "a#b",
            "a b",
            "a\nb",
            "a\u{0}b",
            "é",
            "-a",
            "%2e",
        ] {
            let body = |field: &str| {
                let mut body = json!({"blob_url": "https://x.y/z", "company_id": "decathlon"});
                body[field] = json!(id);
                body
            };
            assert_eq!(wrong(&body("run_id")), ["run_id"], "{id:?}");
            assert_eq!(wrong(&body("company_id")), ["company_id"], "{id:?}");
        }
        let long = json!({
            "blob_url": format!("https://x.y/{}", "z".repeat(3_000)),
            "company_id": "x".repeat(300), "run_id": "x".repeat(300), "user_id": "x".repeat(300),
        });
        assert_eq!(wrong(&long), ["run_id", "blob_url", "company_id", "user_id"]);
    }
}
