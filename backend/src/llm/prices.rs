//! The endpoint's price list, for replies that do not state their costs.

use std::{collections::HashMap, sync::Arc, time::Duration};

use pipeline::{clock::Clock, llm::Usage};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde_json::Value;
use tokio::sync::Mutex;
use url::Url;

use super::connections::Connections;

/// The longest list that is read. OpenRouter's has about 700 kB.
const LIST_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How long a run waits for the list.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long a list stays valid. Prices rarely change.
const KEPT_FOR: Duration = Duration::from_secs(3_600);
/// How long after a failure the list is not requested again.
const FAILURE_KEPT_FOR: Duration = Duration::from_secs(600);

/// US dollars per token, and per request.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Price {
    prompt: f64,
    completion: f64,
    cache_read: Option<f64>,
    cache_write: Option<f64>,
    request: f64,
}

impl Price {
    fn read(pricing: &Value) -> Option<Self> {
        // Prices are decimal texts. A negative one means a varying price.
        let usd = |name: &str| {
            let price = pricing.get(name)?;
            let usd = price.as_f64().or_else(|| price.as_str()?.trim().parse().ok())?;
            (usd.is_finite() && usd >= 0.0).then_some(usd)
        };
        Some(Self {
            // Vercel's gateway uses these other names.
            prompt: usd("prompt").or_else(|| usd("input"))?,
            completion: usd("completion").or_else(|| usd("output"))?,
            cache_read: usd("input_cache_read"),
            cache_write: usd("input_cache_write"),
            request: usd("request").unwrap_or(0.0),
        })
    }

    fn of(&self, usage: &Usage) -> f64 {
        let cached = usage.cached_tokens.min(usage.prompt_tokens);
        let written = usage.cache_write_tokens.min(usage.prompt_tokens - cached);
        let fresh = usage.prompt_tokens - cached - written;
        fresh as f64 * self.prompt
            + cached as f64 * self.cache_read.unwrap_or(self.prompt)
            + written as f64 * self.cache_write.unwrap_or(self.prompt)
            + usage.completion_tokens as f64 * self.completion
            + self.request
    }
}

type List = HashMap<String, Price>;

/// The list. It is downloaded when it is first needed.
#[derive(Debug)]
pub(super) struct PriceList {
    url: Url,
    authorization: HeaderValue,
    clock: Arc<dyn Clock>,
    /// Until a reading of the monotonic clock; without a list where the endpoint has none.
    known: Mutex<Option<(Duration, Option<Arc<List>>)>>,
}

impl PriceList {
    pub(super) fn new(url: Url, authorization: HeaderValue, clock: Arc<dyn Clock>) -> Self {
        Self { url, authorization, clock, known: Mutex::default() }
    }

    /// The cost of this usage by the first of these models that the list contains.
    pub(super) async fn cost_usd(
        &self,
        connections: &Connections,
        mut models: impl Iterator<Item = &str>,
        usage: &Usage,
    ) -> Option<f64> {
        let list = self.list(connections).await?;
        // `acme/one:free` and `acme/one` are different entries, but `acme/one:nitro` only selects a provider
        // of the latter.
        let price =
            models.find_map(|model| list.get(model).or_else(|| list.get(model.rsplit_once(':')?.0)))?;
        Some(price.of(usage))
    }

    async fn list(&self, connections: &Connections) -> Option<Arc<List>> {
        // One download at a time; the other callers wait for its result.
        let mut known = self.known.lock().await;
        if let Some((until, list)) = &*known
            && *until > self.clock.monotonic()
        {
            return list.clone();
        }
        let list = tokio::time::timeout(TIMEOUT, self.fetch(connections)).await.ok().flatten().map(Arc::new);
        if list.is_none() {
            tracing::warn!(
                event = "price_list_unavailable",
                "the endpoint offers no price list; unknown costs stay unknown"
            );
        }
        let kept_for = if list.is_some() { KEPT_FOR } else { FAILURE_KEPT_FOR };
        *known = Some((self.clock.monotonic() + kept_for, list.clone()));
        list
    }

    async fn fetch(&self, connections: &Connections) -> Option<List> {
        let room = connections.room().await;
        let request = |http: &reqwest::Client| {
            Ok(http.get(self.url.clone()).header(AUTHORIZATION, self.authorization.clone()))
        };
        let mut response = connections.send(room, request).await.ok()?.response;
        if !response.status().is_success() {
            return None;
        }
        let mut body = Vec::new();
        while let Some(bytes) = response.chunk().await.ok()? {
            body.extend_from_slice(&bytes);
            if body.len() > LIST_BYTES_MAX {
                return None;
            }
        }
        read(&body)
    }
}

fn read(body: &[u8]) -> Option<List> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let models = body.get("data")?.as_array()?;
    let mut list = List::new();
    for model in models {
        let Some(price) = model.get("pricing").and_then(Price::read) else { continue };
        let Some(id) = model.get("id").and_then(Value::as_str) else { continue };
        list.insert(id.to_owned(), price);
        // A free variant has the same slug as the paid model.
        let slug = model.get("canonical_slug").and_then(Value::as_str).filter(|_| !id.contains(':'));
        if let Some(slug) = slug {
            list.entry(slug.to_owned()).or_insert(price);
        }
    }
    Some(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_decimal_texts_and_caches_cost_less() {
        let list = read(
            br#"{"data": [
                {"id": "a/b", "canonical_slug": "a/b-2026", "pricing": {"prompt": "0.000003", "completion": "0.000015",
                    "input_cache_read": "0.0000003", "input_cache_write": "0.00000375", "request": "0.001"}},
                {"id": "auto", "pricing": {"prompt": "-1", "completion": "-1"}},
                {"id": "none"}]}"#,
        )
        .unwrap();
        assert_eq!(list.len(), 2, "a varying price is no price");
        let usage = Usage {
            prompt_tokens: 1_000_000,
            cached_tokens: 500_000,
            cache_write_tokens: 100_000,
            completion_tokens: 10_000,
            ..Usage::default()
        };
        let cost = list["a/b-2026"].of(&usage);
        assert!((cost - (1.2 + 0.15 + 0.375 + 0.15 + 0.001)).abs() < 1e-9, "{cost}");
        let odd = Usage { prompt_tokens: 5, cached_tokens: 50, ..Usage::default() };
        assert!(list["a/b"].of(&odd) > 0.0);
    }
}
