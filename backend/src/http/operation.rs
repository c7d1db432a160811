//! The description of one operation: its parameters, its answers, and its errors.
//!
//! Bodies are described by their types. [`super::routes`] and [`super::openapi`] add the parts that all
//! operations share: request ids, keys, 500, and the time limit.

use axum::http::StatusCode;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use storage::control_plane::Permission;

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
    pub(super) is_body_required: bool,
    pub(super) answers: Vec<Answer>,
    pub(super) problems: Vec<Code>,
    pub(super) key: Key,
}

/// The key that an operation requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Never,
    /// A key whose role has the permission.
    Api(Permission),
    /// `METRICS_KEY`, if it is set.
    Metrics,
}

/// One answer that is not an error.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) meaning: &'static str,
    /// The schemas by media type.
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
            is_body_required: false,
            answers: Vec::new(),
            problems: Vec::new(),
            key: Key::Never,
        }
    }

    /// Adds a description to the summary.
    #[must_use]
    pub(in crate::http) fn text(self, description: &'static str) -> Self {
        Self { description, ..self }
    }

    /// Sets the query. Each field of the type is a parameter.
    #[must_use]
    pub(in crate::http) fn query<T: JsonSchema>(self) -> Self {
        Self { query: Some(describe::<T>), ..self }
    }

    /// Sets the JSON body.
    #[must_use]
    pub(in crate::http) fn body<T: JsonSchema>(self) -> Self {
        Self { body: Some(describe::<T>), is_body_required: true, ..self }
    }

    /// Sets a JSON body that a request may leave out.
    #[must_use]
    pub(in crate::http) fn optional_body<T: JsonSchema>(self) -> Self {
        Self { body: Some(describe::<T>), ..self }
    }

    /// Adds an answer in JSON.
    #[must_use]
    pub(in crate::http) fn json<T: JsonSchema>(self, status: StatusCode, meaning: &'static str) -> Self {
        self.empty(status, meaning).form::<T>("application/json")
    }

    /// Adds an answer without a body.
    #[must_use]
    pub(in crate::http) fn empty(mut self, status: StatusCode, meaning: &'static str) -> Self {
        self.answers.push(Answer { status, meaning, forms: Vec::new(), headers: Vec::new() });
        self
    }

    /// Adds a form to the last answer.
    #[must_use]
    pub(in crate::http) fn form<T: JsonSchema>(mut self, media_type: &'static str) -> Self {
        if let Some(answer) = self.answers.last_mut() {
            answer.forms.push((media_type, describe::<T>));
        }
        self
    }

    /// Adds a header to the last answer.
    #[must_use]
    pub(in crate::http) fn header(mut self, name: &'static str, meaning: &'static str) -> Self {
        if let Some(answer) = self.answers.last_mut() {
            answer.headers.push((name, meaning));
        }
        self
    }

    /// Adds the operation's own errors.
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
