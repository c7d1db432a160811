//! The model's client behind the [`pipeline::llm::LlmClient`] trait: OpenRouter, or any endpoint with its
//! wire format.
//!
//! * [`openrouter`]: the client, its settings, one HTTP request.
//! * [`connections`]: HTTP/2 or HTTP/1.1, with the operator's own certificate authority.
//! * `request` and [`wire`]: the request's body, and the reply, which tolerates unknown fields.
//! * `ladder`: the levels of structured output.
//! * `routing`: the operator's constraints.
//! * `prices`: costs that the endpoint does not state.
//! * `resilience`: which failure is retried, when, and what the user reads.
//! * [`gate`]: pauses calls while the model is away, and lets them in again step by step.
//! * `token_bucket`: spaces calls after a rate limit.

pub mod connections;
pub mod deadline;
mod error_messages;
mod fault;
pub mod gate;
mod gunzip;
mod ladder;
mod oddities;
pub mod openrouter;
mod prices;
pub mod probe;
mod redact;
mod request;
mod resilience;
mod retry_after;
mod routing;
mod sse;
mod token_bucket;
pub mod wire;

pub use fault::{Failure, Fault, Upstream};
pub use ladder::StructuredOutputSetting;
pub use openrouter::{OpenRouter, OpenRouterConfig, OpenRouterError};
pub use routing::{DataCollection, ReasoningEffort, Routing};
