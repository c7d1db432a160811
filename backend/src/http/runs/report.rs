//! A run's report: its Markdown, or a page. No text of a stranger can act in the page.
//!
//! The page is made of the four records. Where they are of an earlier release, or cannot be read, it is made of the Markdown.

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use pipeline::{
    record::StageRecord,
    report::{
        ReportInput,
        page::{SourceLinks, page},
    },
    run::RunStatus,
    visible_text::visible,
};
use serde_json::Value;

use super::markdown_page::of_markdown;
use crate::{
    http::{cache_control::UNALTERED, codes, error::Problem},
    runs::RunView,
};

/// The available forms, in the order of preference for a client without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Markdown,
    Html,
}

/// The report in the requested form, or the reason why there is none.
pub(super) async fn answer(mut run: RunView, headers: &HeaderMap) -> Result<Response, Problem> {
    let form = asked_form(headers)?;
    let Some(report) = run.report.take() else { return Err(missing(run.status)) };
    // An earlier version, or another hand, may have stored it.
    let report = visible(&report).into_owned();
    match form {
        Form::Markdown => Ok(of_text(report)),
        Form::Html => {
            let nonce = fresh_nonce();
            let page = whole_page(run, report, nonce.clone()).await?;
            of_page(page, &nonce)
        }
    }
}

/// A text of our own in Markdown, in the requested form.
pub(super) async fn answer_markdown(
    title: &str,
    markdown: String,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    match asked_form(headers)? {
        Form::Markdown => Ok(of_text(markdown)),
        Form::Html => {
            let (title, nonce) = (title.to_owned(), fresh_nonce());
            let page = {
                let nonce = nonce.clone();
                tokio::task::spawn_blocking(move || of_markdown(&title, &nonce, &markdown))
            };
            of_page(page.await.map_err(|_| Problem::internal())?, &nonce)
        }
    }
}

fn asked_form(headers: &HeaderMap) -> Result<Form, Problem> {
    wanted(headers).ok_or_else(|| {
        let detail = "the report is available as text/markdown and as text/html";
        Problem::new(codes::NOT_ACCEPTABLE, detail)
    })
}

/// A fresh nonce for each answer, so that no injected style applies.
fn fresh_nonce() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

fn of_text(markdown: String) -> Response {
    let text = (header::CONTENT_TYPE, HeaderValue::from_static("text/markdown; charset=utf-8"));
    ([text, (header::CACHE_CONTROL, UNALTERED)], markdown).into_response()
}

fn of_page(page: String, nonce: &str) -> Result<Response, Problem> {
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'; sandbox allow-popups"
    );
    let policy = HeaderValue::try_from(policy).map_err(|_| Problem::internal())?;
    let headers: [(HeaderName, HeaderValue); 3] = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CACHE_CONTROL, UNALTERED),
    ];
    Ok((headers, page).into_response())
}

fn missing(status: RunStatus) -> Problem {
    let (code, detail) = match status {
        RunStatus::Processing => (codes::REPORT_PENDING, "the run has not ended, so it has no report yet"),
        RunStatus::Failed => {
            (codes::REPORT_RUN_FAILED, "the run has failed, so it has no report; a retry may bring one")
        }
        RunStatus::Cancelled => {
            (codes::REPORT_RUN_CANCELLED, "the run was cancelled, so it has no report; a retry may bring one")
        }
        RunStatus::Completed => {
            (codes::REPORT_MISSING, "the run is complete, but its report cannot be found")
        }
    };
    Problem::new(code, detail)
}

/// The form that `Accept` prefers (RFC 9110, 12.5.1). None if it excludes both.
fn wanted(headers: &HeaderMap) -> Option<Form> {
    let accept: Vec<&str> =
        headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    if accept.iter().all(|value| value.trim().is_empty()) {
        return Some(Form::Markdown);
    }
    let ranges: Vec<(String, f32)> = accept.iter().flat_map(|value| value.split(',')).map(range).collect();
    let weight = |names: &[&str]| {
        // The most exact range counts.
        names.iter().find_map(|name| ranges.iter().find(|(range, _)| range == name)).map_or(0.0, |(_, q)| *q)
    };
    let markdown = weight(&["text/markdown", "text/x-markdown", "text/plain", "text/*", "*/*"]);
    let page = weight(&["text/html", "application/xhtml+xml", "text/*", "*/*"]);
    match (markdown, page) {
        (markdown, page) if markdown <= 0.0 && page <= 0.0 => None,
        (markdown, page) if page > markdown => Some(Form::Html),
        _ => Some(Form::Markdown),
    }
}

fn range(text: &str) -> (String, f32) {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default().to_ascii_lowercase();
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    (name, weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0)))
}

/// Makes the page on a thread of its own, because a run of another hand may hold megabytes.
async fn whole_page(run: RunView, report: String, nonce: String) -> Result<String, Problem> {
    let make = move || {
        of_records(&run, &nonce)
            .unwrap_or_else(|| of_markdown(&format!("Report {}", run.run_id), &nonce, &report))
    };
    tokio::task::spawn_blocking(make).await.map_err(|_| Problem::internal())
}

/// The page made of the records. None if they are of an earlier release, or cannot be read.
fn of_records(run: &RunView, nonce: &str) -> Option<String> {
    let records: Vec<StageRecord> = run
        .stages
        .iter()
        .map(|stage| serde_json::from_value(Value::Object(stage.output.clone()?)).ok())
        .collect::<Option<_>>()?;
    let links = SourceLinks { is_kept: run.kept_until.is_some(), document_url: run.document_url.as_deref() };
    page(&ReportInput::of_records(&run.run_id, &records)?, links, nonce).ok()
}

#[cfg(test)]
mod tests {
    use pipeline::{
        clock::Timestamp,
        document::Format,
        record::{BrandFacts, DocumentFacts},
        run::{RunId, Stage},
        testing::{context, example_record, provenance},
    };
    use storage::{StoredIn, mode::Mode};

    use super::*;
    use crate::runs::{StageStatus, StageView};

    fn form(accept: &[&str]) -> Option<Form> {
        let mut headers = HeaderMap::new();
        for value in accept {
            headers.append(header::ACCEPT, HeaderValue::from_str(value).unwrap());
        }
        wanted(&headers)
    }

    #[test]
    fn content_negotiation_selects_the_report_format() {
        for accept in [&[][..], &[""], &["*/*"], &["text/*"], &["text/markdown, text/html"], &["text/plain"]]
        {
            assert_eq!(form(accept), Some(Form::Markdown), "{accept:?}");
        }
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        for accept in [
            &["text/html"][..],
            &[browser],
            &["TEXT/HTML;Q=0.9, */*;q=0.1"],
            &["text/markdown;q=0.5", "text/html"],
        ] {
            assert_eq!(form(accept), Some(Form::Html), "{accept:?}");
        }
        for accept in
            [&["application/json"][..], &["text/html;q=0, text/markdown;q=0"], &["image/*"], &["*/*;q=0"]]
        {
            assert_eq!(form(accept), None, "{accept:?}");
        }
    }

    /// A complete run with these records.
    fn complete(records: &[StageRecord]) -> RunView {
        let stage = |record: &StageRecord| StageView {
            stage: record.meta.stage,
            status: StageStatus::Complete,
            started_at: None,
            completed_at: None,
            output: serde_json::to_value(record).unwrap().as_object().cloned(),
            stored_in: StoredIn::FILES,
        };
        RunView {
            kept_until: None,
            run_id: RunId::parse("r1").unwrap(),
            principal: storage::control_plane::Principal::environment(),
            status: RunStatus::Completed,
            current_stage: None,
            stages: records.iter().map(stage).collect(),
            brand_id: None,
            brand_name: None,
            mode: Mode::FileOnly,
            accepted_at: None,
            finished_at: None,
            error: None,
            waiting: None,
            stored_in: StoredIn::FILES,
            report: None,
            generation: 1,
            document_name: None,
            document_url: Some("https://a.example/b.pdf".to_owned()),
            cost_usd: 0.0,
            grounding: None,
        }
    }

    #[test]
    fn records_of_earlier_releases_make_no_page() {
        let at = Timestamp::default();
        let record = |stage| example_record(stage, &provenance(), context(at)).unwrap();
        let mut records = Stage::ALL.map(record);
        assert_eq!(of_records(&complete(&records), "n"), None, "they name no document and no brand");
        records[0].meta.document = Some(DocumentFacts {
            source: "b.pdf".to_owned(),
            title: None,
            format: Format::Pdf,
            page_count: 1,
            warnings: Vec::new(),
        });
        records[3].meta.brand =
            Some(BrandFacts { name: "B".to_owned(), country: "C".to_owned(), industry: "D".to_owned() });
        let page = of_records(&complete(&records), "n").unwrap();
        assert!(page.contains("Opportunities for <bdi>B</bdi>"), "{page}");
        records[2].payload.remove("lessons");
        assert_eq!(of_records(&complete(&records), "n"), None, "a record that cannot be read");
    }
}
