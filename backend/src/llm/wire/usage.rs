//! Parses tokens and costs, in every form that endpoints state them.

use pipeline::llm::Usage;
use serde_json::Value;

use super::path::at;

/// xAI states costs in ticks of 1e-10 US dollars.
const USD_PER_TICK: f64 = 1e-10;
/// No request costs more. A larger figure is invalid, and would make sums infinite.
const USD_MAX: f64 = 1e6;

/// The figures that the chunks of one reply have stated so far.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Stated {
    prompt: Option<u64>,
    completion: Option<u64>,
    total: Option<u64>,
    cached: Option<u64>,
    cache_write: Option<u64>,
    reasoning: Option<u64>,
    cost_usd: Option<f64>,
}

impl Stated {
    /// Reads the usage of a chunk, wherever it is. A later figure replaces an earlier one. A missing one
    /// replaces nothing.
    pub(super) fn absorb(&mut self, chunk: &Value) {
        let choice = at(chunk, "/choices/0");
        let places = [
            chunk.get("usage"),
            chunk.get("usageMetadata"),
            at(chunk, "/x_groq/usage"),
            at(chunk, "/message/usage"),
            choice.and_then(|choice| choice.get("usage")),
        ];
        for usage in places.into_iter().flatten().filter(|usage| usage.is_object()) {
            self.absorb_usage(usage);
        }
        let gateway =
            ["/provider_metadata/gateway/cost", "/choices/0/message/provider_metadata/gateway/cost"];
        self.cost_usd = gateway.into_iter().find_map(|path| money(at(chunk, path)?)).or(self.cost_usd);
    }

    fn absorb_usage(&mut self, usage: &Value) {
        let count = |paths: &[&str]| paths.iter().find_map(|path| tokens(at(usage, path)?));
        let cached = count(&[
            "/prompt_tokens_details/cached_tokens",
            "/input_tokens_details/cached_tokens",
            "/cached_tokens",
            "/prompt_cache_hit_tokens",
            "/cache_read_input_tokens",
            "/cachedContentTokenCount",
        ]);
        let cache_write = count(&[
            "/prompt_tokens_details/cache_write_tokens",
            "/prompt_tokens_details/cache_creation_tokens",
            "/cache_write_tokens",
            "/cache_creation_input_tokens",
        ]);
        // Anthropic's `input_tokens` excludes tokens that were read from or written to the cache. OpenAI's
        // includes them.
        let leaves_out = usage.get("input_tokens").is_some()
            && (usage.get("cache_read_input_tokens").is_some()
                || usage.get("cache_creation_input_tokens").is_some());
        let input = count(&["/input_tokens"]).map(|input| {
            if leaves_out { input + cached.unwrap_or(0) + cache_write.unwrap_or(0) } else { input }
        });
        let completion = count(&["/completion_tokens", "/output_tokens", "/candidatesTokenCount"]);
        self.prompt = count(&["/prompt_tokens"]).or(input).or(count(&["/promptTokenCount"])).or(self.prompt);
        self.completion = completion.or(self.completion);
        self.total = count(&["/total_tokens", "/totalTokenCount"]).or(self.total);
        self.cached = cached.or(self.cached);
        self.cache_write = cache_write.or(self.cache_write);
        self.reasoning = count(&[
            "/completion_tokens_details/reasoning_tokens",
            "/output_tokens_details/reasoning_tokens",
            "/reasoning_tokens",
            "/thoughtsTokenCount",
        ])
        .or(self.reasoning);
        self.cost_usd = cost(usage).or(self.cost_usd);
    }

    /// The cost in a response's header, as LiteLLM and similar proxies state it.
    pub(super) fn absorb_cost_header(&mut self, value: &str) {
        // LiteLLM states zero if it knows no price.
        self.cost_usd = self.cost_usd.or_else(|| money(&Value::from(value)).filter(|cost| *cost > 0.0));
    }

    /// Whether anything was stated.
    pub(super) fn is_blank(&self) -> bool {
        *self == Self::default()
    }

    /// The figures. A cost that was not stated is unknown. Impossible figures are cut, so that their sums
    /// stay finite.
    pub(super) fn usage(&self) -> Usage {
        let count = |count: Option<u64>| count.unwrap_or(0).min(u64::from(u32::MAX));
        // Some endpoints exclude reasoning from the completion. It is charged, and the total includes it.
        let beside_prompt = self.total.zip(self.prompt).map(|(total, prompt)| total.saturating_sub(prompt));
        Usage {
            prompt_tokens: count(self.prompt),
            completion_tokens: count(self.completion.max(beside_prompt)),
            cached_tokens: count(self.cached),
            cache_write_tokens: count(self.cache_write),
            reasoning_tokens: count(self.reasoning),
            cost_usd: self.cost_usd.unwrap_or(0.0),
            cost_is_estimated: false,
            cost_is_unknown: self.cost_usd.is_none(),
        }
    }
}

/// A count as a number or as digits.
fn tokens(value: &Value) -> Option<u64> {
    let float = || value.as_f64().filter(|count| *count >= 0.0).map(|count| count as u64);
    value.as_u64().or_else(float).or_else(|| value.as_str()?.trim().parse().ok())
}

/// The whole cost of a request. If the account has its own key at the provider, `cost` is only OpenRouter's
/// fee, and `cost_details` has the provider's bill.
fn cost(usage: &Value) -> Option<f64> {
    let amount = |path: &str| at(usage, path).and_then(money);
    let summed = || {
        let parts = ["/cost/input_tokens_cost", "/cost/output_tokens_cost", "/cost/request_cost"].map(amount);
        parts.iter().any(Option::is_some).then(|| parts.into_iter().flatten().sum())
    };
    let stated = [
        "/cost",
        "/cost/total_cost",
        "/cost/total",
        "/total_cost",
        "/estimated_cost",
        "/cost_usd",
        "/total_cost_usd",
    ]
    .into_iter()
    .find_map(amount)
    .or_else(|| usage.get("cost_in_usd_ticks").and_then(tokens).map(|ticks| ticks as f64 * USD_PER_TICK))
    .or_else(summed);
    let parts = |names: [&str; 2]| match names.map(|name| amount(&format!("/cost_details/{name}"))) {
        [None, None] => None,
        [input, output] => Some(input.unwrap_or(0.0) + output.unwrap_or(0.0)),
    };
    let upstream = amount("/cost_details/upstream_inference_cost")
        .or_else(|| parts(["upstream_inference_prompt_cost", "upstream_inference_completions_cost"]))
        .or_else(|| parts(["upstream_inference_input_cost", "upstream_inference_output_cost"]));
    let is_own_key = usage.get("is_byok").and_then(Value::as_bool);
    let total = match (stated, upstream, is_own_key) {
        (Some(fee), Some(bill), Some(true)) => fee + bill,
        // Without a mark, a cost of zero with a bill means the account's own key.
        (Some(0.0), Some(bill), None | Some(false)) => bill,
        // OpenRouter's fee alone is not the cost of the request.
        (Some(_), None, Some(true)) => return None,
        (None, Some(bill), _) => bill,
        (stated, ..) => stated?,
    };
    Some(total.min(USD_MAX))
}

/// An amount as a number or as a decimal text. Negative and infinite amounts are ignored.
fn money(value: &Value) -> Option<f64> {
    let amount = value.as_f64().or_else(|| value.as_str()?.trim().trim_start_matches('$').parse().ok())?;
    (amount.is_finite() && amount >= 0.0).then_some(amount.min(USD_MAX))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn usage(usage: &Value) -> Usage {
        let mut stated = Stated::default();
        stated.absorb(&json!({ "usage": usage }));
        stated.usage()
    }

    fn cost_of(value: &Value) -> Option<f64> {
        let usage = usage(value);
        (!usage.cost_is_unknown).then_some(usage.cost_usd)
    }

    #[test]
    fn tokens_are_read_in_every_spelling() {
        let expected = Usage {
            prompt_tokens: 100,
            completion_tokens: 50,
            cached_tokens: 40,
            cache_write_tokens: 10,
            reasoning_tokens: 30,
            cost_usd: 0.0,
            cost_is_estimated: false,
            cost_is_unknown: true,
        };
        for value in [
            json!({"prompt_tokens": 100, "completion_tokens": 50,
                "prompt_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 10},
                "completion_tokens_details": {"reasoning_tokens": 30}}),
            json!({"input_tokens": 50, "output_tokens": "50", "cache_read_input_tokens": 40,
                "cache_creation_input_tokens": 10, "output_tokens_details": {"reasoning_tokens": 30.0}}),
            json!({"prompt_tokens": 100, "completion_tokens": 50, "prompt_cache_hit_tokens": 40,
                "cache_write_tokens": 10, "reasoning_tokens": 30}),
            json!({"promptTokenCount": 100, "candidatesTokenCount": 50, "cachedContentTokenCount": 40,
                "cache_write_tokens": 10, "thoughtsTokenCount": 30}),
        ] {
            assert_eq!(usage(&value), expected, "{value}");
        }
    }

    #[test]
    fn reasoning_beside_the_completion_is_counted() {
        let stated = usage(&json!({"prompt_tokens": 1_000, "completion_tokens": 500, "total_tokens": 9_500}));
        assert_eq!(stated.completion_tokens, 8_500);
    }

    #[test]
    fn cost_is_read_in_every_form() {
        for (value, cost) in [
            (json!({"cost": 0.25}), Some(0.25)),
            (json!({"cost": "0.25"}), Some(0.25)),
            (json!({"cost": {"total_cost": 0.25, "input_tokens_cost": 0.1}}), Some(0.25)),
            (json!({"estimated_cost": 0.25}), Some(0.25)),
            (json!({"cost_in_usd_ticks": 2_500_000_000_u64}), Some(0.25)),
            (json!({"cost": 0}), Some(0.0)),
            (
                json!({"cost": 0, "is_byok": true, "cost_details": {"upstream_inference_cost": 0.25}}),
                Some(0.25),
            ),
            (
                json!({"cost": 0.01, "is_byok": true, "cost_details": {"upstream_inference_cost": 0.24}}),
                Some(0.25),
            ),
            (json!({"cost": 0, "cost_details": {"upstream_inference_cost": 0.25}}), Some(0.25)),
            (
                json!({"cost": 0.25, "is_byok": false, "cost_details": {"upstream_inference_cost": 0.24}}),
                Some(0.25),
            ),
            (json!({"cost": 0.25, "cost_details": {"upstream_inference_cost": null}}), Some(0.25)),
            (
                json!({"cost": 0, "is_byok": true, "cost_details": {"upstream_inference_cost": null,
                    "upstream_inference_prompt_cost": 0.2, "upstream_inference_completions_cost": 0.05}}),
                Some(0.25),
            ),
            (json!({"cost": {"input_tokens_cost": 0.2, "output_tokens_cost": 0.05}}), Some(0.25)),
            (json!({"cost": 0, "is_byok": true}), None),
            (json!({"prompt_tokens": 5}), None),
            (json!({"cost": -1}), None),
            (json!({"cost": null}), None),
        ] {
            assert_eq!(cost_of(&value), cost, "{value}");
        }
    }

    #[test]
    fn a_later_chunk_adds_and_never_erases() {
        let mut stated = Stated::default();
        assert!(stated.is_blank());
        stated.absorb(&json!({"usage": {"prompt_tokens": 5, "cost": 0.5}}));
        stated.absorb(&json!({"usage": null, "x_groq": {"usage": {"completion_tokens": 3}}}));
        stated.absorb(&json!({"usage": {"cost": null}, "choices": [{"usage": {"prompt_tokens": 7}}]}));
        let usage = stated.usage();
        assert_eq!((usage.prompt_tokens, usage.completion_tokens, usage.cost_usd), (7, 3, 0.5));
        stated.absorb_cost_header("0.9");
        assert_eq!(stated.usage().cost_usd, 0.5, "the body goes before the header");
    }
}
