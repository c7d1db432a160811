//! A search for runs, as an address says it.

use pipeline::{
    brand::BrandId,
    clock::Timestamp,
    run::{RunId, RunStatus},
};
use storage::{Position, RunFilter};

use crate::{
    console::form::Form,
    http::error::{FieldProblem, Problem},
};

/// Lines of a page.
const LIMIT: usize = 50;

/// The words of the statuses, as the list shows them and as the database says them.
pub(super) const STATUSES: [(&str, &str, RunStatus); 4] = [
    ("PROCESSING", "running", RunStatus::Processing),
    ("COMPLETED", "complete", RunStatus::Completed),
    ("FAILED", "failed", RunStatus::Failed),
    ("CANCELLED", "cancelled", RunStatus::Cancelled),
];

/// Reads the filter of an address, and names everything that is wrong in it at once.
pub(super) fn filter(query: &Form) -> Result<RunFilter, Problem> {
    let mut problems = Vec::new();
    let mut wrong = |field: &'static str, detail: &str| {
        problems.push(FieldProblem { field, detail: detail.to_owned() });
    };
    let status = query.text("status").and_then(|word| {
        let known = STATUSES.iter().find(|(code, ..)| *code == word).map(|(.., status)| *status);
        if known.is_none() {
            wrong("status", "must be PROCESSING, COMPLETED, FAILED or CANCELLED");
        }
        known
    });
    let brand_id = query.text("brand").and_then(|text| {
        let brand = BrandId::parse(text).ok();
        if brand.is_none() {
            wrong("brand", "must be a brand's id: a to z, 0 to 9 and -");
        }
        brand
    });
    let error_code = query.text("code").map(str::to_ascii_uppercase);
    let is_code =
        |code: &String| code.len() <= 40 && code.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    if !error_code.as_ref().is_none_or(is_code) {
        wrong("code", "must be an error code, such as LLM_TIMEOUT");
    }
    let model = query.text("model").map(str::to_owned);
    if model.as_ref().is_some_and(|model| model.len() > 200) {
        wrong("model", "must be 200 characters at most");
    }
    let mut number = |field: &'static str, most: f64, detail: &str| {
        let text = query.text(field)?;
        let number = text.parse().ok().filter(|number: &f64| (0.0..=most).contains(number));
        if number.is_none() {
            wrong(field, detail);
        }
        number
    };
    let cost_min = number("cost", 1_000_000.0, "must be a number of dollars, such as 0.25");
    let grounding_max =
        number("grounding", 100.0, "must be a percentage, 0 to 100").map(|percent| percent / 100.0);
    let mut day = |field: &'static str| {
        let day = query.text(field).map(day);
        if day == Some(None) {
            wrong(field, "must be a day, such as 2026-12-01");
        }
        day.flatten()
    };
    let created_from = day("from");
    let created_to = day("to").and_then(|day| day.checked_add_days(chrono::Days::new(1)));
    let after = query.text("after").and_then(|text| {
        let position = position(text);
        if position.is_none() {
            wrong("after", "must be the address of the link to the next page");
        }
        position
    });
    if !problems.is_empty() {
        return Err(Problem::fields(problems));
    }
    Ok(RunFilter {
        status,
        brand_id,
        error_code,
        model,
        cost_min,
        grounding_max,
        created_from,
        created_to,
        after,
        limit: LIMIT,
    })
}

/// The begin of a day in UTC.
fn day(text: &str) -> Option<Timestamp> {
    Some(text.parse::<chrono::NaiveDate>().ok()?.and_hms_opt(0, 0, 0)?.and_utc())
}

/// A position in an address.
pub(super) fn cursor(position: &Position) -> String {
    format!("{}.{}", position.created_at.timestamp_millis(), position.run)
}

fn position(text: &str) -> Option<Position> {
    let (millis, run) = text.split_once('.')?;
    let created_at = Timestamp::from_timestamp_millis(millis.parse().ok()?)?;
    Some(Position { created_at, run: RunId::parse(run).ok()? })
}

/// The id in a search field: what somebody pastes may be an id, or the address of a run.
pub(super) fn searched_id(text: &str) -> Option<RunId> {
    let path = text.split(['?', '#']).next().unwrap_or_default();
    let words = path.split('/').rev().filter(|word| !word.is_empty());
    words
        .filter(|word| !["report", "status", "document", "events"].contains(word))
        .find_map(|word| RunId::parse(word.trim_matches(['"', '\'', ',', '.', '[', ']'])).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_wrong_is_named_at_once() {
        let query = Form::parse(b"status=x&brand=..&code=a-b&cost=-1&grounding=101&from=soon&after=1");
        let problem = filter(&query).unwrap_err();
        let named: Vec<_> = problem.fields.iter().map(|field| field.field).collect();
        assert_eq!(named, ["status", "brand", "code", "cost", "grounding", "from", "after"]);
        assert_eq!(filter(&Form::default()).unwrap(), RunFilter { limit: LIMIT, ..RunFilter::default() });
    }

    #[test]
    fn a_filter_is_read_whole() {
        let query = Form::parse(b"status=FAILED&brand=decathlon&code=llm_timeout&cost=0.5&grounding=80&to=2026-12-01&after=5.run-1");
        let filter = filter(&query).unwrap();
        assert_eq!(
            (filter.status, filter.error_code.as_deref()),
            (Some(RunStatus::Failed), Some("LLM_TIMEOUT"))
        );
        assert_eq!((filter.cost_min, filter.grounding_max), (Some(0.5), Some(0.8)));
        assert_eq!(
            filter.created_to.unwrap().to_rfc3339(),
            "2026-12-02T00:00:00+00:00",
            "the day counts whole"
        );
        assert_eq!(cursor(&filter.after.unwrap()), "5.run-1");
    }

    #[test]
    fn a_pasted_id_is_found_in_its_surroundings() {
        for text in [
            "run-1",
            "\"run-1\",",
            "https://x.example/status/run-1?a=b",
            "/api/pipeline/run-1/report",
            "[run-1]",
        ] {
            assert_eq!(searched_id(text).unwrap().as_str(), "run-1", "{text}");
        }
        assert_eq!(searched_id("?!"), None);
    }
}
