//! Parses the query of the list of runs, and reports all wrong parameters at once.

use std::collections::BTreeMap;

use pipeline::{
    brand::BrandId,
    clock::Timestamp,
    run::{RunId, RunStatus},
};

use schemars::JsonSchema;

use crate::{
    access::Scope,
    http::error::{FieldProblem, Problem},
};
use storage::{COUNTED_MAX, Listing, PageStart, Position, control_plane::Principal};

/// The parameters of `GET /api/pipeline`. An empty one counts as absent.
#[derive(Debug, JsonSchema)]
#[allow(dead_code, reason = "read by hand, so that every problem is named at once")]
pub(super) struct Query {
    /// From 1, up to 10,000 runs; use `after` beyond them. Not together with `after`.
    #[schemars(range(min = 1, max = COUNTED_MAX))]
    page: Option<usize>,
    /// 20 by default.
    #[schemars(range(min = 1, max = PAGE_SIZE_MAX))]
    page_size: Option<usize>,
    /// `pagination.next` of an earlier answer.
    #[schemars(regex(pattern = r"^(-?[0-9]{1,19}\.[A-Za-z0-9][A-Za-z0-9_-]{0,99})?$"))]
    after: Option<String>,
    /// In the words of the database.
    status: Option<RunStatus>,
    /// A brand's id.
    company_id: Option<BrandId>,
    /// An owner of runs. A client sees only its own.
    #[schemars(length(max = 64))]
    principal: Option<String>,
}

const PAGE_SIZE: usize = 20;
const PAGE_SIZE_MAX: usize = 100;

/// A checked request for a page of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// None for a page after a run.
    pub(super) page: Option<usize>,
    pub(super) listing: Listing,
}

/// The cursor after a run, for programs, which return it unchanged.
pub(super) fn cursor(position: &Position) -> String {
    format!("{}.{}", position.created_at.timestamp_millis(), position.run)
}

/// Parses the query of `GET /api/pipeline`. It ignores unknown parameters, and an empty one counts as absent.
pub(super) fn parse(query: &str, scope: &Scope) -> Result<Asked, Problem> {
    let mut fields = Fields::read(query);
    let page_size = fields.number("page_size", PAGE_SIZE_MAX).unwrap_or(PAGE_SIZE);
    let after = fields.valid("after", "must be pagination.next of an earlier answer", position);
    let page = fields.number("page", usize::MAX);
    if after.is_some() && page.is_some() {
        fields.problem("page", "must not be given together with after");
    }
    let page = page.unwrap_or(1);
    let offset = (page - 1).saturating_mul(page_size);
    if offset >= COUNTED_MAX {
        let detail = format!(
            "pages reach up to {COUNTED_MAX} runs; continue with after={{pagination.next}} of the last page"
        );
        fields.problem("page", detail);
    }
    let words = "must be PROCESSING, COMPLETED, FAILED or CANCELLED";
    let status = fields.valid("status", words, status);
    let what = "must be a brand's id: a to z, 0 to 9 and -; GET /brands lists them";
    let brand_id = fields.valid("company_id", what, |text| BrandId::parse(text).ok());
    let what = "must be a principal: a to z, 0 to 9, - _ and .";
    let principal = fields.valid("principal", what, |text| Principal::parse(text).ok());
    let principal = scope.narrowed(principal).unwrap_or_else(|error| {
        fields.problem("principal", error.to_string());
        None
    });
    if !fields.problems.is_empty() {
        return Err(Problem::fields(fields.problems));
    }
    let (page, start) = match after {
        Some(position) => (None, PageStart::After(position)),
        None => (Some(page), PageStart::Offset(offset)),
    };
    Ok(Asked { page, listing: Listing { status, brand_id, principal, start, limit: page_size } })
}

fn status(word: &str) -> Option<RunStatus> {
    serde_json::from_value(serde_json::Value::String(word.to_owned())).ok()
}

fn position(text: &str) -> Option<Position> {
    let (millis, run) = text.split_once('.')?;
    let created_at = Timestamp::from_timestamp_millis(millis.parse().ok()?)?;
    Some(Position { created_at, run: RunId::parse(run).ok()? })
}

struct Fields {
    values: BTreeMap<String, Vec<String>>,
    problems: Vec<FieldProblem>,
}

impl Fields {
    fn read(query: &str) -> Self {
        let mut values = BTreeMap::<_, Vec<_>>::new();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            if !value.is_empty() {
                values.entry(name.into_owned()).or_default().push(value.into_owned());
            }
        }
        Self { values, problems: Vec::new() }
    }

    fn problem(&mut self, field: &'static str, detail: impl Into<String>) {
        self.problems.push(FieldProblem { field, detail: detail.into() });
    }

    fn valid<T>(
        &mut self,
        field: &'static str,
        what: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let values = self.values.remove(field)?;
        let [value] = values.as_slice() else {
            self.problem(field, "must be given once");
            return None;
        };
        let parsed = parse(value);
        if parsed.is_none() {
            self.problem(field, what);
        }
        parsed
    }

    /// A number from 1 to `max`.
    fn number(&mut self, field: &'static str, max: usize) -> Option<usize> {
        let what = match max {
            usize::MAX => "must be a whole number, 1 or more".to_owned(),
            max => format!("must be a whole number, 1 to {max}"),
        };
        self.valid(field, &what, |text| text.parse().ok().filter(|number| (1..=max).contains(number)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(query: &str) -> Vec<&'static str> {
        let problem = parse(query, &Scope::All).unwrap_err();
        assert_eq!((problem.status.as_u16(), problem.code), (422, "invalid_fields"));
        problem.fields.iter().map(|field| field.field).collect()
    }

    #[test]
    fn without_a_word_it_is_the_first_twenty() {
        let asked = parse("&utm=1&status=&page=", &Scope::All).unwrap();
        assert_eq!(asked.page, Some(1));
        let all =
            Listing { status: None, brand_id: None, principal: None, start: PageStart::Offset(0), limit: 20 };
        assert_eq!(asked.listing, all);
    }

    #[test]
    fn filters_and_pages_are_taken() {
        let asked = parse("page=3&page_size=100&status=CANCELLED&company_id=decathlon", &Scope::All).unwrap();
        assert_eq!((asked.page, asked.listing.start), (Some(3), PageStart::Offset(200)));
        assert_eq!((asked.listing.status, asked.listing.limit), (Some(RunStatus::Cancelled), 100));
        assert_eq!(asked.listing.brand_id.unwrap().as_str(), "decathlon");
        let position = Position {
            created_at: Timestamp::from_timestamp_millis(1_761_234_567_123).unwrap(),
            run: RunId::parse("run-1").unwrap(),
        };
        let asked = parse(&format!("after={}", cursor(&position)), &Scope::All).unwrap();
        assert_eq!((asked.page, asked.listing.start), (None, PageStart::After(position)));
    }

    #[test]
    fn everything_that_is_wrong_is_named_at_once() {
        assert_eq!(
            wrong("page=0&page_size=101&status=running&company_id=%2e%2e&after=x"),
            ["page_size", "after", "page", "status", "company_id"]
        );
        for bad in ["-1", "1.5", "x", "1e3", "99999999999999999999", "%00", "'; DROP TABLE"] {
            assert_eq!(wrong(&format!("page={bad}")), ["page"], "{bad}");
            assert_eq!(wrong(&format!("page_size={bad}")), ["page_size"], "{bad}");
        }
        assert_eq!(wrong("page=1&page=2"), ["page"]);
        assert_eq!(wrong("page=501"), ["page"], "as far as is counted");
        assert_eq!(wrong(&format!("page={}&page_size=100", usize::MAX)), ["page"]);
        assert_eq!(wrong("page=2&after=1.run-1"), ["page"]);
        for bad in ["run-1", "1.", ".run-1", "1.a/b", "9999999999999999999.run-1", "x.run-1"] {
            assert_eq!(wrong(&format!("after={bad}")), ["after"], "{bad}");
        }
    }
}
