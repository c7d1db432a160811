//! A run's report: its Markdown, or a page generated from it. No text of a stranger can act in the page.

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use pipeline::{run::RunStatus, visible_text::visible};
use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html};

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

const STYLE: &str = "body{max-width:48rem;margin:2rem auto;padding:0 1rem;font:1rem/1.55 system-ui,sans-serif;\
color:#1b1b1b;background:#fff}blockquote{margin:1rem 0;padding:.1rem 1rem;border-left:.25rem solid #b8c4ce}\
table{border-collapse:collapse}th,td{border:1px solid #c9c9c9;padding:.3rem .6rem;text-align:left;\
vertical-align:top}code{font-size:.92em}h1,h2,h3{line-height:1.25}";

/// The report in the requested form, or the reason why there is none.
pub(super) fn answer(run: RunView, headers: &HeaderMap) -> Result<Response, Problem> {
    let form = wanted(headers).ok_or_else(|| {
        let detail = "the report is available as text/markdown and as text/html";
        Problem::new(codes::NOT_ACCEPTABLE, detail)
    })?;
    let Some(report) = run.report else { return Err(missing(run.status)) };
    // An earlier version, or another hand, may have stored it.
    let report = visible(&report).into_owned();
    let no_store = (header::CACHE_CONTROL, UNALTERED);
    match form {
        Form::Markdown => {
            let text = (header::CONTENT_TYPE, HeaderValue::from_static("text/markdown; charset=utf-8"));
            Ok(([text, no_store], report).into_response())
        }
        Form::Html => {
            // A fresh nonce for each answer, so that no injected style applies.
            let nonce = uuid::Uuid::new_v4().simple().to_string();
            let title = format!("Report {}", run.run_id);
            let page = page(&title, &nonce, &report);
            let policy = format!(
                "default-src 'none'; style-src 'nonce-{nonce}'; base-uri 'none'; form-action 'none'; \
                 frame-ancestors 'none'; sandbox allow-popups"
            );
            let policy = HeaderValue::try_from(policy).map_err(|_| Problem::internal())?;
            let headers: [(HeaderName, HeaderValue); 3] = [
                (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
                (header::CONTENT_SECURITY_POLICY, policy),
                no_store,
            ];
            Ok((headers, page).into_response())
        }
    }
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

fn page(title: &str, nonce: &str, markdown: &str) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title}</title>\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<style nonce=\"{nonce}\">{STYLE}</style>\n</head>\n<body>\n"
    );
    html::push_html(&mut page, harmless(markdown));
    page.push_str("</body>\n</html>\n");
    page
}

/// Removes everything from the Markdown that could act or load. HTML becomes text, an image becomes its
/// description, and a link outside of the web becomes its text.
fn harmless(markdown: &str) -> impl Iterator<Item = Event<'_>> {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_GFM;
    // Links nest only inside images, and images are removed.
    let mut is_dropped = Vec::new();
    Parser::new_ext(markdown, options).filter_map(move |event| match event {
        Event::Html(html) | Event::InlineHtml(html) => Some(Event::Text(html)),
        Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image) => None,
        Event::Start(Tag::Link { ref dest_url, .. }) => {
            let drop = !leads_to_the_web(dest_url);
            is_dropped.push(drop);
            (!drop).then_some(event)
        }
        Event::End(TagEnd::Link) => {
            let dropped = is_dropped.pop().unwrap_or(false);
            (!dropped).then_some(event)
        }
        other => Some(other),
    })
}

/// Whether an address leads to the web. The parser has decoded entities and escapes before.
fn leads_to_the_web(address: &CowStr<'_>) -> bool {
    let address = address.to_ascii_lowercase();
    ["https://", "http://", "mailto:", "#"].iter().any(|start| address.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(markdown: &str) -> String {
        let mut out = String::new();
        html::push_html(&mut out, harmless(markdown));
        out
    }

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

    #[test]
    fn nothing_that_a_stranger_wrote_can_act() {
        for hostile in [
            "<script>alert(1)</script>",
            "text <img src=x onerror=alert(1)> text",
            "<a href=\"javascript:alert(1)\">x</a>",
            "<!-- --><svg onload=alert(1)>",
            "<div\nonclick=alert(1)>\n\n# x\n\n</div>",
            "[x](javascript:alert(1))",
            "[x](JaVaScRiPt:alert(1))",
            "[x](java&#x73;cript:alert(1))",
            "[x](<java\tscript:alert(1)>)",
            "[x](&#1;javascript:alert(1))",
            "[x](vbscript:x) [x](data:text/html;base64,eA==) [x](//evil.example)",
            "[x][1]\n\n[1]: javascript:alert(1)",
            "<javascript:alert(1)>",
            "![<script>](javascript:alert(1) \"onerror=x\")",
            "[a ![b](javascript:1) c](javascript:alert(1))",
            "[x](https://a.example/\"onmouseover=\"alert(1))",
            "```\"><script>alert(1)</script>\nx\n```",
        ] {
            let html = html(hostile);
            let lower = html.to_ascii_lowercase();
            for bad in [
                "<script",
                "<img",
                "<svg",
                "<div",
                "<a href=\"javascript",
                "<a href=\"vbscript",
                "<a href=\"data:",
                "<a href=\"/",
                "<a onclick",
                "\"onmouseover",
            ] {
                assert!(!lower.contains(bad), "{hostile:?} → {html}");
            }
            assert_eq!(lower.matches("<a ").count(), lower.matches("</a>").count(), "{html}");
        }
    }

    #[test]
    fn intended_markdown_stays() {
        let html = html(
            "# Title\n\n> “quote” & 1 < 2\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n[w](https://a.example/?a=1&b=2)",
        );
        for part in [
            "<h1>Title</h1>",
            "<blockquote>",
            "&amp; 1 &lt; 2",
            "<table>",
            "<a href=\"https://a.example/?a=1&amp;b=2\">w</a>",
        ] {
            assert!(html.contains(part), "{part}: {html}");
        }
    }
}
