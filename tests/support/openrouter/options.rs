//! The settings of the double: which provider it speaks for, and how well its model behaves.

use std::time::Duration;

use super::{
    noise::Noise,
    rules::{Endpoint, Provider},
};

/// How the double behaves beyond its script.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Whether `stream: true` is honoured; some endpoints ignore it.
    pub(crate) streams: bool,
    /// Before each response.
    pub(crate) latency: Duration,
    pub(crate) cost_usd: f64,
    /// The only key that is let in; none lets everybody in.
    pub(crate) api_key: Option<String>,
    /// Models whose requests go to the next one in `models`.
    pub(crate) unavailable_models: Vec<String>,
    /// The rules by which requests are refused.
    pub(crate) provider: Provider,
    /// The endpoint that constraints of routing must fit.
    pub(crate) endpoint: Endpoint,
    /// The bounds that answers break, although they satisfy the schema that was sent.
    pub(crate) violates: Violates,
    /// Oddities that surround every answer and change nothing in it.
    pub(crate) noise: Vec<Noise>,
    /// The form in which tokens and cost are told.
    pub(crate) usage: UsageForm,
    /// The list that `GET /models` gives.
    pub(crate) models: Vec<Model>,
    /// Equal seeds and equal requests give equal answers.
    pub(crate) seed: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            streams: true,
            latency: Duration::ZERO,
            cost_usd: 0.01,
            api_key: None,
            unavailable_models: Vec::new(),
            provider: Provider::default(),
            endpoint: Endpoint::default(),
            violates: Violates::Nothing,
            noise: Vec::new(),
            usage: UsageForm::OpenRouter,
            models: Model::usual(),
            seed: 0,
        }
    }
}

/// Which answers break a bound that the prompt states and the schema that was sent does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Violates {
    Nothing,
    /// The first answer of all.
    Once(Bound),
    /// The first answer to each stage.
    OnceEachStage(Bound),
    Always(Bound),
}

/// The kind of bound that is broken, at the first place that has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    TooManyItems,
    NoItems,
    TooLong,
    Empty,
    TooLarge,
}

/// The form in which an endpoint tells tokens and cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UsageForm {
    /// OpenRouter's, with `cost`.
    OpenRouter,
    /// OpenRouter's for a key of one's own at the provider: `cost` is 0, and the bill stands in `cost_details`.
    OwnKey,
    /// OpenAI's, without cost.
    OpenAi,
    /// Anthropic's names, without cost.
    Anthropic,
    /// None at all.
    Absent,
}

impl UsageForm {
    pub(crate) const ALL: [Self; 5] =
        [Self::OpenRouter, Self::OwnKey, Self::OpenAi, Self::Anthropic, Self::Absent];
}

/// A model of the price list. Prices are decimal strings, US dollars a token, as OpenRouter writes them.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    pub(crate) id: &'static str,
    pub(crate) context_length: u32,
    pub(crate) prompt: &'static str,
    pub(crate) completion: &'static str,
    pub(crate) input_cache_read: Option<&'static str>,
    pub(crate) input_cache_write: Option<&'static str>,
}

impl Model {
    /// A model with a price for prompt and completion alone.
    pub(crate) const fn priced(id: &'static str, prompt: &'static str, completion: &'static str) -> Self {
        Self {
            id,
            context_length: 200_000,
            prompt,
            completion,
            input_cache_read: None,
            input_cache_write: None,
        }
    }

    /// The models that tests ask for by default.
    fn usual() -> Vec<Self> {
        vec![
            Self {
                input_cache_read: Some("0.0000003"),
                input_cache_write: Some("0.00000375"),
                ..Self::priced("anthropic/claude-sonnet-4.5", "0.000003", "0.000015")
            },
            Self {
                input_cache_read: Some("0.000000025"),
                ..Self::priced("openai/gpt-5-mini", "0.00000025", "0.000002")
            },
            Self::priced("google/gemini-2.5-flash", "0.0000003", "0.0000025"),
            Self::priced("acme/second", "0.0000001", "0.0000004"),
            Self::priced("fake_model/model", "0.000001", "0.000002"),
        ]
    }
}
