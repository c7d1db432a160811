//! Reads the bodies of `/api/admin/operations`, and names every problem at once.

use serde_json::{Map, Value};
use storage::control_plane::{BULK_RUNS_MAX, BulkAction, BulkFilter};

use crate::{
    http::{
        error::{FieldProblem, Problem},
        reason::REASON_MAX,
    },
    runs::bulk::parse_filter,
};

/// The fields of a body, and what is wrong with them.
pub(super) struct Fields<'a> {
    body: &'a Map<String, Value>,
    problems: Vec<FieldProblem>,
}

impl<'a> Fields<'a> {
    pub(super) fn of(body: &'a Value) -> Result<Self, Problem> {
        let body = body.as_object().ok_or_else(|| {
            Problem::fields(vec![FieldProblem { field: "body", detail: "must be a JSON object".to_owned() }])
        })?;
        Ok(Self { body, problems: Vec::new() })
    }

    pub(super) fn problem(&mut self, field: &'static str, detail: &str) {
        self.problems.push(FieldProblem { field, detail: detail.to_owned() });
    }

    pub(super) fn text(&self, field: &str) -> Option<&'a str> {
        self.body.get(field).and_then(Value::as_str)
    }

    pub(super) fn number(&mut self, field: &'static str) -> Option<usize> {
        let number = self.body.get(field).and_then(Value::as_u64);
        let number = number.and_then(|number| usize::try_from(number).ok());
        let number = number.filter(|number| (1..=BULK_RUNS_MAX).contains(number));
        if number.is_none() {
            self.problem(field, "is required: count of the preview, 1 to 10000");
        }
        number
    }

    pub(super) fn reason(&mut self) -> Option<String> {
        let reason = self.text("reason").unwrap_or_default().trim();
        let is_good = (1..=REASON_MAX).contains(&reason.chars().count());
        if !is_good {
            self.problem("reason", "is required, with 500 characters at most: it stands in the audit");
        }
        is_good.then(|| reason.to_owned())
    }

    /// The action and the filter.
    pub(super) fn chosen(&mut self) -> Option<(BulkAction, BulkFilter)> {
        let action = self.text("action").and_then(|text| text.parse().ok());
        if action.is_none() {
            self.problem("action", "must be retry, cancel or delete");
        }
        let none = Map::new();
        let given = match self.body.get("filter") {
            None | Some(Value::Null) => &none,
            Some(Value::Object(fields)) => fields,
            Some(_) => {
                self.problem("filter", "must be an object");
                return None;
            }
        };
        let mut pairs = Vec::new();
        for (name, value) in given {
            match value {
                Value::Null => {}
                Value::String(text) => pairs.push((name.as_str(), text.as_str())),
                _ => self.problem("filter", "holds a value that is no text"),
            }
        }
        match parse_filter(action, pairs) {
            Ok(filter) => action.map(|action| (action, filter)),
            Err(problems) => {
                let problems = problems.into_iter();
                self.problems.extend(
                    problems.map(|problem| FieldProblem { field: problem.field, detail: problem.detail }),
                );
                None
            }
        }
    }

    pub(super) fn finish<T>(self, value: Option<T>) -> Result<T, Problem> {
        value.filter(|_| self.problems.is_empty()).ok_or_else(|| Problem::fields(self.problems))
    }
}
