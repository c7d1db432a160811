//! Endpoints that know no `response_format` at all.
//!
//! Source: OpenRouter's guide "Provider routing", its section "Requiring providers to support all parameters"
//! (<https://openrouter.ai/docs/guides/routing/provider-selection>): with `require_parameters` only endpoints that know
//! every parameter are asked, and without it the others drop what they do not know. The sentence is that of block/buzz#3018
//! and openstory-so/openstory#1302.

use serde_json::{Value, json};

use super::{Provider, Refusal, own, passed_on};

/// An endpoint that refuses the parameter itself.
pub(super) fn refused(body: &Value) -> Option<Refusal> {
    body.get("response_format").filter(|format| format["type"] != "text")?;
    let error = json!({"message": "response_format is not supported by this model", "type": "invalid_request_error",
        "param": "response_format", "code": "unsupported_parameter"});
    Some(passed_on(Provider::TextOnly, &json!({"error": error})))
}

/// OpenRouter's own refusal, before any endpoint is asked.
pub(super) fn no_endpoint(body: &Value) -> Option<Refusal> {
    let is_asked = body.get("response_format").is_some_and(|format| format["type"] != "text");
    (is_asked && body["provider"]["require_parameters"] == true).then(|| {
        own(
            404,
            "No endpoints found that can handle the requested parameters. To learn more about provider routing, visit: \
             https://openrouter.ai/docs/guides/routing/provider-selection",
        )
    })
}
