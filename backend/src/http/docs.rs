//! `/docs`: the API's description as a page. It is generated from the OpenAPI document, without scripts and
//! without foreign resources.

use std::fmt::Write as _;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde_json::{Map, Value};

use super::{error::Problem, operation::Operation};

const STYLE: &str = include_str!("docs.css");

/// The answer of `GET /docs` with this content.
pub(super) fn page(body: &str) -> Result<Response, Problem> {
    // A fresh nonce for each answer, so that no injected style applies.
    let nonce = uuid::Uuid::new_v4().simple().to_string();
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let policy = HeaderValue::try_from(policy).map_err(|_| Problem::internal())?;
    let page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>innovation-pipeline API</title>\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<style nonce=\"{nonce}\">\n{STYLE}</style>\n</head>\n\
         <body>\n{body}</body>\n</html>\n"
    );
    let html = (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    Ok(([html, (header::CONTENT_SECURITY_POLICY, policy)], page).into_response())
}

pub(super) fn describe() -> Operation {
    Operation::new("Documentation", "getDocs", "This description as a page")
        .text("It needs no script and loads nothing.")
        .empty(StatusCode::OK, "the page")
        .form::<String>("text/html; charset=utf-8")
}

/// The content of the page.
pub(super) fn body(document: &Value) -> String {
    let mut page = String::new();
    let (title, version) = (text(document, "/info/title"), text(document, "/info/version"));
    let introduction = prose(text(document, "/info/description"));
    // Writing to a String does not fail, here and below.
    let _ = write!(
        page,
        "<h1>{} <small>{}</small></h1>\n<p>{introduction}</p>\n<p><a href=\"/openapi.json\">openapi.json</a></p>\n",
        escape(title),
        escape(version)
    );
    for tag in list(document, "/tags") {
        let name = text(tag, "/name");
        let _ = writeln!(page, "<h2>{}</h2>\n<p>{}</p>", escape(name), prose(text(tag, "/description")));
        for (path, methods) in fields(document, "/paths") {
            for (method, operation) in methods.as_object().into_iter().flatten() {
                if text(operation, "/tags/0") == name {
                    write_operation(&mut page, method, path, operation);
                }
            }
        }
    }
    page.push_str("<h2 id=\"schemas\">Schemas</h2>\n");
    for (name, schema) in fields(document, "/components/schemas") {
        let name = escape(name);
        let _ = writeln!(
            page,
            "<details id=\"{name}\"><summary><code>{name}</code> {}</summary><div>{}</div></details>",
            prose(text(schema, "/description")),
            code(schema)
        );
    }
    page
}

fn write_operation(page: &mut String, method: &str, path: &str, operation: &Value) {
    let (id, path) = (escape(text(operation, "/operationId")), escape(path));
    let key = list(operation, "/security").next().is_some();
    let _ = writeln!(
        page,
        "<details id=\"{id}\"><summary><b class=\"{method}\">{}</b> <code>{path}</code> {}{}</summary><div>",
        method.to_uppercase(),
        prose(text(operation, "/summary")),
        if key { " <small>key</small>" } else { "" },
    );
    let description = text(operation, "/description");
    if !description.is_empty() {
        let _ = writeln!(page, "<p>{}</p>", prose(description));
    }
    page.push_str("<table><tr><th>Parameter</th><th>In</th><th>What</th></tr>\n");
    for parameter in list(operation, "/parameters") {
        let schema = parameter.get("schema").unwrap_or(&Value::Null);
        let _ = writeln!(
            page,
            "<tr><td><code>{}</code></td><td>{}</td><td>{} {}</td></tr>",
            escape(text(parameter, "/name")),
            escape(text(parameter, "/in")),
            prose(text(parameter, "/description")),
            shape(schema)
        );
    }
    page.push_str("</table>\n");
    if let Some(body) = operation.pointer("/requestBody/content/application~1json/schema") {
        let _ = writeln!(page, "<p>Body: {}</p>", shape(body));
    }
    page.push_str("<table><tr><th>Status</th><th>When</th><th>Body</th></tr>\n");
    for (status, answer) in fields(operation, "/responses") {
        let forms: Vec<String> = fields(answer, "/content")
            .map(|(media_type, form)| {
                let schema = form.get("schema").unwrap_or(&Value::Null);
                format!("<code>{}</code> {}", escape(media_type), shape(schema))
            })
            .collect();
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
            escape(status),
            prose(text(answer, "/description")),
            forms.join("<br>")
        );
    }
    page.push_str("</table></div></details>\n");
}

/// A short form of a schema: a link to a named one, else its JSON.
fn shape(schema: &Value) -> String {
    let reference = schema.get("$ref").or_else(|| schema.pointer("/allOf/0/$ref")).and_then(Value::as_str);
    match reference.and_then(|path| path.rsplit('/').next()) {
        Some(name) => format!("<a href=\"#{0}\">{0}</a>", escape(name)),
        None if schema.is_null() => String::new(),
        None => format!("<code>{}</code>", escape(&schema.to_string())),
    }
}

/// A schema as JSON, with links to other schemas.
fn code(schema: &Value) -> String {
    const START: &str = "&quot;#/components/schemas/";
    let written = escape(&format!("{schema:#}"));
    let mut parts = written.split(START);
    let mut linked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once("&quot;").unwrap_or((part, ""));
        let _ = write!(linked, "<a href=\"#{name}\">{name}</a>{rest}");
    }
    format!("<pre>{linked}</pre>")
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

fn fields<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    value.pointer(pointer).and_then(Value::as_object).into_iter().flat_map(Map::iter)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Escapes the text, and marks `words` in backticks as code.
fn prose(text: &str) -> String {
    let mut out = String::new();
    for (index, part) in escape(text).split('`').enumerate() {
        if index % 2 == 0 {
            out.push_str(part);
        } else {
            let _ = write!(out, "<code>{part}</code>");
        }
    }
    out
}
