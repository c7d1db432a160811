//! A page that says one thing: why something was refused, or that there is nothing.

use askama::Template;
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::Response,
};

use super::{
    assets::{ADDRESSES, Addresses},
    page::html,
};
use crate::http::error::Problem;

#[derive(Template)]
#[template(path = "console/message.html")]
struct Message<'a> {
    assets: &'static Addresses,
    title: &'a str,
    detail: &'a str,
    code: &'a str,
    fields: Vec<(&'a str, &'a str)>,
}

/// A problem as a page, with the status and the code of the API.
pub(super) fn of_problem(problem: &Problem) -> Response {
    let title = match problem.status {
        StatusCode::NOT_FOUND | StatusCode::GONE => "Not found",
        StatusCode::FORBIDDEN => "Not allowed",
        StatusCode::CONFLICT => "Not possible now",
        StatusCode::UNPROCESSABLE_ENTITY | StatusCode::BAD_REQUEST => "Something is wrong in the form",
        StatusCode::SERVICE_UNAVAILABLE => "Not available now",
        status => status.canonical_reason().unwrap_or("Error"),
    };
    let fields = problem.fields.iter().map(|field| (field.field, field.detail.as_str())).collect();
    let page = Message { assets: &ADDRESSES, title, detail: &problem.detail, code: problem.code, fields };
    let mut response = html(problem.status, &page);
    if let Some(after) = problem.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
    }
    response
}
