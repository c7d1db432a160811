//! The operator's constraints: permitted providers, their prices, and the amount of reasoning.

use std::str::FromStr;

use serde_json::{Map, Value, json};

use super::ladder::Level;

/// `LLM_DATA_COLLECTION`: whether providers that store prompts may answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataCollection {
    Allow,
    Deny,
}

impl FromStr for DataCollection {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.to_ascii_lowercase().as_str() {
            "allow" => Ok(Self::Allow),
            "deny" => Ok(Self::Deny),
            _ => Err(()),
        }
    }
}

/// `LLM_REASONING_EFFORT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReasoningEffort {
    None,
    Minimal,
    Low,
    Medium,
    High,
    XHigh,
}

impl ReasoningEffort {
    const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::XHigh => "xhigh",
        }
    }
}

impl FromStr for ReasoningEffort {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let all = [Self::None, Self::Minimal, Self::Low, Self::Medium, Self::High, Self::XHigh];
        all.into_iter().find(|effort| effort.as_str() == text.to_ascii_lowercase()).ok_or(())
    }
}

/// The constraints from the environment. The client never drops one to get an answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Routing {
    pub reasoning_effort: Option<ReasoningEffort>,
    /// `LLM_ZERO_DATA_RETENTION`
    pub zero_data_retention: bool,
    pub data_collection: Option<DataCollection>,
    /// `LLM_PROVIDER_ONLY`
    pub only: Vec<String>,
    /// `LLM_PROVIDER_IGNORE`
    pub ignore: Vec<String>,
    /// `LLM_PROVIDER_ORDER`
    pub order: Vec<String>,
    /// `LLM_MAX_PRICE_PROMPT_USD`, for a million tokens.
    pub price_prompt_usd_max: Option<f64>,
    /// `LLM_MAX_PRICE_COMPLETION_USD`, for a million tokens.
    pub price_completion_usd_max: Option<f64>,
}

impl Routing {
    /// Whether any constraint excludes a provider.
    #[must_use]
    pub fn is_constrained(&self) -> bool {
        Self { reasoning_effort: None, ..self.clone() } != Self::default()
    }

    /// OpenRouter's member `provider`. None if it would be empty, because other endpoints refuse it.
    pub(super) fn provider(&self, level: Level) -> Option<Value> {
        let mut provider = Map::new();
        if level.requires_parameters {
            provider.insert("require_parameters".to_owned(), true.into());
        }
        if self.zero_data_retention {
            provider.insert("zdr".to_owned(), true.into());
        }
        if let Some(collection) = self.data_collection {
            let word = if collection == DataCollection::Deny { "deny" } else { "allow" };
            provider.insert("data_collection".to_owned(), word.into());
        }
        for (name, list) in [("only", &self.only), ("ignore", &self.ignore), ("order", &self.order)] {
            if !list.is_empty() {
                provider.insert(name.to_owned(), json!(list));
            }
        }
        let prices = [("prompt", self.price_prompt_usd_max), ("completion", self.price_completion_usd_max)];
        let prices: Map<String, Value> =
            prices.into_iter().filter_map(|(name, price)| Some((name.to_owned(), json!(price?)))).collect();
        if !prices.is_empty() {
            provider.insert("max_price".to_owned(), Value::Object(prices));
        }
        (!provider.is_empty()).then_some(Value::Object(provider))
    }

    /// OpenRouter's member `reasoning`.
    pub(super) fn reasoning(&self) -> Option<Value> {
        self.reasoning_effort.map(|effort| json!({"effort": effort.as_str()}))
    }

    /// The settings that a refusal with these words may concern. Only settings in use count, and only those
    /// of the kind that the words name, if they name one.
    pub(super) fn named_in(&self, words: &str) -> Vec<&'static str> {
        let words = words.to_lowercase();
        let privacy = [
            (self.zero_data_retention, "LLM_ZERO_DATA_RETENTION"),
            (self.data_collection == Some(DataCollection::Deny), "LLM_DATA_COLLECTION"),
        ];
        let providers =
            [(!self.only.is_empty(), "LLM_PROVIDER_ONLY"), (!self.ignore.is_empty(), "LLM_PROVIDER_IGNORE")];
        let prices = [
            (self.price_prompt_usd_max.is_some(), "LLM_MAX_PRICE_PROMPT_USD"),
            (self.price_completion_usd_max.is_some(), "LLM_MAX_PRICE_COMPLETION_USD"),
        ];
        let set =
            |of: &[(bool, &'static str)]| of.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect();
        let kinds: [(&[&str], Vec<&'static str>); 3] = [
            (&["data policy", "data retention", "zdr", "privacy", "data collection"], set(&privacy)),
            (&["price"], set(&prices)),
            (&["allowed provider", "ignored", "provider list"], set(&providers)),
        ];
        for (hints, named) in &kinds {
            if hints.iter().any(|hint| words.contains(hint)) && !named.is_empty() {
                return named.clone();
            }
        }
        kinds.into_iter().flat_map(|(_, named)| named).collect()
    }
}

#[cfg(test)]
mod tests {
    use pipeline::llm::StructuredOutput;

    use super::*;

    fn level(structured_output: StructuredOutput, requires_parameters: bool) -> Level {
        Level { requires_parameters, ..Level::of(structured_output) }
    }

    fn constrained() -> Routing {
        Routing {
            reasoning_effort: Some("low".parse().unwrap()),
            zero_data_retention: true,
            data_collection: Some(DataCollection::Deny),
            only: vec!["azure".to_owned()],
            price_prompt_usd_max: Some(2.5),
            ..Routing::default()
        }
    }

    #[test]
    fn a_step_removes_no_constraint() {
        let strict = constrained().provider(level(StructuredOutput::Strict, true)).unwrap();
        assert_eq!(
            strict,
            json!({"require_parameters": true, "zdr": true, "data_collection": "deny", "only": ["azure"],
                "max_price": {"prompt": 2.5}})
        );
        let text = constrained().provider(level(StructuredOutput::Text, false)).unwrap();
        assert_eq!(
            text,
            json!({"zdr": true, "data_collection": "deny", "only": ["azure"], "max_price": {"prompt": 2.5}})
        );
        assert_eq!(Routing::default().provider(level(StructuredOutput::Text, false)), None);
        assert_eq!(constrained().reasoning(), Some(json!({"effort": "low"})));
    }

    #[test]
    fn a_refusal_names_its_constraints() {
        let named = |words| constrained().named_in(words);
        assert_eq!(
            named("No endpoints found matching your data policy"),
            ["LLM_ZERO_DATA_RETENTION", "LLM_DATA_COLLECTION"]
        );
        assert_eq!(named("No allowed providers are available"), ["LLM_PROVIDER_ONLY"]);
        assert_eq!(named("no endpoint below your max price"), ["LLM_MAX_PRICE_PROMPT_USD"]);
        assert_eq!(named("No endpoints found").len(), 4, "any of them may be meant");
        assert!(Routing::default().named_in("No endpoints found").is_empty());
    }
}
