//! The model behind the [`pipeline::llm::LlmClient`] seam: OpenRouter, or any endpoint that speaks its wire format.
//!
//! * [`openrouter`]: the client, its settings, one HTTP request.
//! * [`connections`]: over HTTP/2 or HTTP/1.1, with the operator's own authority.
//! * [`request`] and [`wire`]: what goes out and what comes back, tolerant of what it does not know.
//! * [`ladder`]: how a model is held to the schema; [`routing`]: the operator's constraints; [`prices`]: unknown costs.
//! * [`resilience`]: which failure is worth another attempt, when, and what the user is told; [`breaker`] stops
//!   asking an endpoint that keeps failing.

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
