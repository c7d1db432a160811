//! Reads a filter from names and texts, for the API, the console and the command line alike.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use pipeline::{brand::BrandId, clock::Timestamp, failure::FailureCode, run::RunStatus};
use serde::{
    Deserialize,
    de::{IntoDeserializer, value::Error as WordError},
};
use storage::control_plane::{BulkAction, BulkFilter, Principal};

/// The fields of a filter.
pub const FILTER_FIELDS: [&str; 8] = [
    "company_id",
    "status",
    "error_code",
    "model",
    "principal",
    "created_from",
    "created_before",
    "ended_from",
];

/// The longest name of a model, in characters.
const MODEL_MAX: usize = 200;

/// One thing that is wrong with a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterProblem {
    /// The field, or `filter` for the whole.
    pub field: &'static str,
    pub detail: String,
}

/// Reads a filter for an action, and returns everything that is wrong. An empty text counts as absent.
///
/// # Errors
///
/// Every problem: a field that does not exist or has another form, a filter that names nothing, a status that the action
/// cannot change.
pub fn parse_filter<'a>(
    action: Option<BulkAction>,
    pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<BulkFilter, Vec<FilterProblem>> {
    let (mut filter, mut problems) = (BulkFilter::default(), Vec::new());
    for (name, text) in pairs {
        let text = text.trim();
        let Some(field) = FILTER_FIELDS.into_iter().find(|field| *field == name) else {
            let name: String = name.chars().take(40).collect();
            let detail = format!("has no field {name}; its fields are {}", FILTER_FIELDS.join(", "));
            problems.push(FilterProblem { field: "filter", detail });
            continue;
        };
        if text.is_empty() {
            continue;
        }
        if let Err(what) = set(&mut filter, field, text) {
            problems.push(FilterProblem { field, detail: what.to_owned() });
        }
    }
    if problems.is_empty() && filter.is_empty() {
        let detail = "names nothing, so it would take every run; give at least one of its fields";
        problems.push(FilterProblem { field: "filter", detail: detail.to_owned() });
    }
    if let (Some(action), Some(status)) = (action, filter.status)
        && !action.applies_to(status)
    {
        let detail = match action {
            BulkAction::Retry => "retries change FAILED and CANCELLED runs only",
            BulkAction::Cancel => "cancellations change PROCESSING runs only",
            BulkAction::Delete => "deletions change ended runs only; cancel the PROCESSING ones first",
        };
        problems.push(FilterProblem { field: "status", detail: detail.to_owned() });
    }
    if problems.is_empty() { Ok(filter) } else { Err(problems) }
}

fn set(filter: &mut BulkFilter, field: &str, text: &str) -> Result<(), &'static str> {
    let time = || {
        parse_time(text)
            .ok_or("must be a time in UTC, such as 2026-12-01T09:30:00Z, 2026-12-01T09:30 or 2026-12-01")
    };
    match field {
        "company_id" => {
            let brand = BrandId::parse(text)
                .map_err(|_| "must be a brand's id: a to z, 0 to 9 and -; GET /brands lists them")?;
            filter.company_id = Some(brand);
        }
        "status" => {
            let status = word::<RunStatus>(&text.to_ascii_uppercase());
            filter.status = Some(status.ok_or("must be PROCESSING, COMPLETED, FAILED or CANCELLED")?);
        }
        "error_code" => {
            let code = word::<FailureCode>(&text.to_ascii_uppercase());
            filter.error_code =
                Some(code.ok_or("no run fails with this code; docs/ERRORS.md lists the codes")?);
        }
        "model" => {
            if text.chars().count() > MODEL_MAX {
                return Err("must be the name of a model, with 200 characters at most");
            }
            filter.model = Some(text.to_owned());
        }
        "principal" => {
            let principal = Principal::parse(text)
                .map_err(|_| "must be a principal: a to z, 0 to 9, - _ and . with 64 characters at most")?;
            filter.principal = Some(principal);
        }
        "created_from" => filter.created_from = Some(time()?),
        "created_before" => filter.created_before = Some(time()?),
        _ => filter.ended_from = Some(time()?),
    }
    Ok(())
}

/// A word in the form of its JSON.
fn word<'de, T: Deserialize<'de>>(text: &'de str) -> Option<T> {
    T::deserialize(IntoDeserializer::<WordError>::into_deserializer(text)).ok()
}

/// Reads a time in UTC: RFC 3339, the form of a browser's field, or a day.
#[must_use]
pub fn parse_time(text: &str) -> Option<Timestamp> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    let minute = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"];
    let local = minute.into_iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    let day = || Some(NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_time(NaiveTime::MIN));
    local.or_else(day).map(|time| time.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(action: BulkAction, pairs: &[(&str, &str)]) -> Vec<&'static str> {
        let problems = parse_filter(Some(action), pairs.iter().copied()).unwrap_err();
        problems.iter().map(|problem| problem.field).collect()
    }

    #[test]
    fn an_empty_filter_is_refused() {
        assert_eq!(wrong(BulkAction::Delete, &[]), ["filter"]);
        assert_eq!(wrong(BulkAction::Retry, &[("status", " "), ("model", "")]), ["filter"]);
    }

    #[test]
    fn all_problems_are_named_at_once() {
        let pairs = [
            ("company_id", "../x"),
            ("status", "gone"),
            ("error_code", "NONE"),
            ("principal", "A B"),
            ("created_from", "yesterday"),
            ("colour", "red"),
        ];
        let fields = ["company_id", "status", "error_code", "principal", "created_from", "filter"];
        assert_eq!(wrong(BulkAction::Cancel, &pairs), fields);
    }

    #[test]
    fn a_status_must_suit_the_action() {
        for (action, status) in [
            (BulkAction::Retry, "COMPLETED"),
            (BulkAction::Retry, "PROCESSING"),
            (BulkAction::Cancel, "FAILED"),
            (BulkAction::Delete, "PROCESSING"),
        ] {
            assert_eq!(wrong(action, &[("status", status)]), ["status"], "{action} {status}");
        }
        let filter =
            parse_filter(Some(BulkAction::Retry), [("status", "failed"), ("error_code", "LLM_TIMEOUT")]);
        let filter = filter.unwrap();
        assert_eq!(
            (filter.status, filter.error_code),
            (Some(RunStatus::Failed), Some(FailureCode::LlmTimeout))
        );
    }

    #[test]
    fn times_have_three_forms() {
        let at = |text: &str| parse_time(text).map(|time| time.to_rfc3339());
        for text in ["2026-12-01T09:30:00Z", "2026-12-01T10:30:00+01:00", "2026-12-01T09:30"] {
            assert_eq!(at(text).as_deref(), Some("2026-12-01T09:30:00+00:00"), "{text}");
        }
        assert_eq!(at("2026-12-01").as_deref(), Some("2026-12-01T00:00:00+00:00"));
        assert_eq!(at("12/01/2026"), None);
    }
}
