//! Turns a document and a brand profile into a report of opportunities. Every claim in it can be traced to a
//! page.
//!
//! # Promises
//!
//! * **A stage that is stored with a matching digest is never asked for again** ([`engine`]).
//! * **No quote is trusted**: each is looked up in the extracted text, and the look-up alone sets its status
//!   ([`grounding`]).
//! * **The report says nothing that the four outputs do not say** ([`report`] is code, not a model).
//! * **Equal work has equal digests** ([`record`]: SHA-256 over RFC 8785 canonical JSON).
//!
//! # Deliberately absent
//!
//! The crate has no HTTP, no database, no environment variable, no clock and no randomness. Callers pass
//! these in through the seams [`analyst::Analyst`], [`llm::LlmClient`], [`store::RunStore`],
//! [`answers::AnswerCache`] and [`clock::Clock`].

#![warn(clippy::missing_errors_doc)]

pub mod analyst;
pub mod answers;
pub mod batch;
pub mod brand;
pub mod clock;
mod compressed;
pub mod document;
pub mod engine;
mod english;
pub mod evaluation;
pub mod failure;
pub mod grounding;
pub mod llm;
pub mod prior_outputs;
pub mod record;
pub mod report;
pub mod run;
pub mod stages;
pub mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod tolerant_json;
pub mod visible_text;
