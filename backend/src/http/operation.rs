//! One operation of the API, described: what it takes, what it answers, and which errors it may end in.
//!
//! Bodies are described by the types that are read and written. What every operation has (request ids, keys, 500, the
//! time limit) is added by [`super::routes`] and [`super::openapi`], so that a handler's description holds only its own.

use axum::http::StatusCode;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::codes::Code;

/// Describes a type, as a reference to its named schema.
pub(super) type Describe = fn(&mut SchemaGenerator) -> Schema;

/// The operation of one method at one address.
#[derive(Debug, Clone)]
pub(in crate::http) struct Operation {
    /// Stable, for generated clients.
    pub(super) id: &'static str,
    pub(super) tag: &'static str,
    pub(super) summary: &'static str,
    pub(super) description: &'static str,
    /// A struct whose fields are the query's parameters.
    pub(super) query: Option<Describe>,
    pub(super) body: Option<Describe>,
    pub(super) answers: Vec<Answer>,
    pub(super) problems: Vec<Code>,
    pub(super) key: Key,
}

/// Whether a key is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Never,
    /// One of `BACKEND_API_KEYS`.
    Api,
    /// `METRICS_KEY`, where it is set.
    Metrics,
}

/// One answer that is no error.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) meaning: &'static str,
    /// Each with its media type.
    pub(super) forms: Vec<(&'static str, Describe)>,
    pub(super) headers: Vec<(&'static str, &'static str)>,
}

pub(super) fn describe<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

impl Operation {
    #[must_use]
    pub(in crate::http) fn new(tag: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self {
            id,
            tag,
            summary,
            description: "",
            query: None,
            body: None,
            answers: Vec::new(),
            problems: Vec::new(),
            key: Key::Never,
        }
    }

    /// More than the summary says.
    #[must_use]
    pub(in crate::http) fn text(self, description: &'static str) -> Self {
        Self { description, ..self }
    }

    /// The query: each field of the type is a parameter.
    #[must_use]
    pub(in crate::http) fn query<T: JsonSchema>(self) -> Self {
        Self { query: Some(describe::<T>), ..self }
    }

    /// The body, as JSON.
    #[must_use]
    pub(in crate::http) fn body<T: JsonSchema>(self) -> Self {
        Self { body: Some(describe::<T>), ..self }
    }

    /// An answer in JSON.
    #[must_use]
    pub(in crate::http) fn json<T: JsonSchema>(self, status: StatusCode, meaning: &'static str) -> Self {
        self.empty(status, meaning).form::<T>("application/json")
    }

    /// An answer without a body.
    #[must_use]
    pub(in crate::http) fn empty(mut self, status: StatusCode, meaning: &'static str) -> Self {
        self.answers.push(Answer { status, meaning, forms: Vec::new(), headers: Vec::new() });
        self
    }

    /// A form that the last answer may take.
    #[must_use]
    pub(in crate::http) fn form<T: JsonSchema>(mut self, media_type: &'static str) -> Self {
        if let Some(answer) = self.answers.last_mut() {
            answer.forms.push((media_type, describe::<T>));
        }
        self
    }

    /// A header that the last answer has.
    #[must_use]
    pub(in crate::http) fn header(mut self, name: &'static str, meaning: &'static str) -> Self {
        if let Some(answer) = self.answers.last_mut() {
            answer.headers.push((name, meaning));
        }
        self
    }

    /// The errors of its own.
    #[must_use]
    pub(in crate::http) fn problems(mut self, codes: &[Code]) -> Self {
        self.problems.extend_from_slice(codes);
        self
    }

    #[must_use]
    pub(super) fn with_key(self, key: Key) -> Self {
        Self { key, ..self }
    }
}
