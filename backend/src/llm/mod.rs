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
//! * [`breaker`]: stops calls to an endpoint that keeps failing.

pub mod breaker;
pub mod connections;
pub mod deadline;
mod error_messages;
mod fault;
mod gunzip;
mod ladder;
mod oddities;
pub mod openrouter;
mod prices;
mod redact;
mod request;
mod resilience;
mod retry_after;
mod routing;
mod sse;
pub mod wire;

pub use fault::{Failure, Fault, Upstream};
pub use ladder::StructuredOutputSetting;
pub use openrouter::{OpenRouter, OpenRouterConfig, OpenRouterError};
pub use routing::{DataCollection, ReasoningEffort, Routing};
