//! Reads the fields of a body by hand, and reports all wrong ones at once.

use pipeline::visible_text::is_invisible;
use serde_json::{Map, Value};

use crate::http::error::FieldProblem;

/// The longest address in bytes, which browsers and proxies support.
pub(super) const URL_BYTES_MAX: usize = 2_048;

/// The longest user id, in bytes. Clerk's ids have about 32.
pub(super) const USER_ID_BYTES_MAX: usize = 200;

/// The fields of a body, and what is wrong with them.
pub(super) struct Fields<'a> {
    pub(super) body: &'a Map<String, Value>,
    pub(super) problems: Vec<FieldProblem>,
}

impl<'a> Fields<'a> {
    pub(super) fn problem(&mut self, field: &'static str, detail: impl Into<String>) {
        self.problems.push(FieldProblem { field, detail: detail.into() });
    }

    /// Reports a missing field, unless it has an error already.
    pub(super) fn require(&mut self, field: &'static str, what: &str) {
        if !self.problems.iter().any(|problem| problem.field == field) {
            self.problem(field, format!("is required: {what}"));
        }
    }

    /// A text, if it is present. Null counts as absent.
    pub(super) fn text(&mut self, field: &'static str, bytes_max: usize) -> Option<&'a str> {
        match self.body.get(field)? {
            Value::Null => None,
            Value::String(text) if text.trim().is_empty() => {
                self.problem(field, "must not be empty");
                None
            }
            Value::String(text) if text.len() > bytes_max => {
                self.problem(field, format!("must not be longer than {bytes_max} bytes"));
                None
            }
            // Without them, two ids that look alike are equal.
            Value::String(text) if text.chars().any(|c| c.is_control() || is_invisible(c)) => {
                self.problem(field, "must not contain control or invisible characters");
                None
            }
            Value::String(text) => Some(text),
            _ => {
                self.problem(field, "must be a string");
                None
            }
        }
    }

    pub(super) fn valid<T, E: std::fmt::Display>(
        &mut self,
        field: &'static str,
        parsed: Option<Result<T, E>>,
    ) -> Option<T> {
        match parsed? {
            Ok(value) => Some(value),
            Err(error) => {
                self.problem(field, error.to_string());
                None
            }
        }
    }
}
