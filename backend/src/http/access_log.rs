//! The outermost layer: it names every request, writes the body of its error, counts it and logs it.

use std::time::Duration;

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderValue, Method},
    middleware::Next,
    response::Response,
};
use foundation::clock::timer_now;
use tracing::Instrument as _;

use super::{
    client_ip::client_ip,
    codes,
    error::Problem,
    golden_path::OfGoldenPath,
    request_id::{HEADER, RequestId},
    state::HttpState,
};
use crate::{
    objectives::counters,
    telemetry::{
        metrics, names,
        traces::{Answered, RequestTrace},
    },
};

/// The metrics label for requests outside of all routes.
const NO_ROUTE: &str = "none";

/// The outermost layer. It sets the request's id, writes the body of a [`Problem`], counts and logs.
pub(super) async fn name_and_log(
    State(state): State<HttpState>,
    mut request: Request,
    next: Next,
) -> Response {
    let begun = timer_now();
    let id = RequestId::of(&request);
    let method = method_name(request.method());
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| NO_ROUTE.to_owned(), |route| route.as_str().to_owned());
    let path = request.uri().path().to_owned();
    let client = client_ip(&request, state.access.trusted_proxy_hops);
    request.extensions_mut().insert(id.clone());
    let trace = RequestTrace::begin(request.headers());
    if let Some(trace) = &trace {
        request.extensions_mut().insert(trace.clone());
    }
    // A span at error level exists at every log level, so that a warning shows its request too.
    let span = tracing::error_span!("request", request_id = id.as_str());
    async {
        let mut response = next.run(request).await;
        let problem = response.extensions_mut().remove::<Problem>();
        let counted_as = match response.extensions_mut().remove::<OfGoldenPath>() {
            Some(OfGoldenPath) => names::GOLDEN_PATH_ROUTE,
            None => &route,
        };
        if let Some(problem) = &problem {
            let headers = std::mem::take(response.headers_mut());
            response = problem.respond(&id, &path);
            keep_headers(&mut response, headers);
        }
        if let Ok(value) = HeaderValue::from_str(id.as_str()) {
            response.headers_mut().insert(HEADER, value);
        }
        let took = begun.elapsed();
        let status = response.status().as_u16();
        metrics::request_answered(method, counted_as, status, took);
        let code = problem.map(|problem| problem.code);
        // A pause is what operators want, so it is no error of the service.
        if code != Some(codes::ACCEPTANCE_PAUSED.name) {
            counters::request_answered(method, counted_as, status, took);
        }
        if let Some(trace) = trace {
            trace.end(&Answered { method, route: &route, status, request_id: id.as_str(), code });
        }
        log(&Line { method, route: &route, status, took, code, client });
        response
    }
    .instrument(span)
    .await
}

/// Keeps the headers of inner layers (`Allow`, `Vary`, …) for the body that is written here.
fn keep_headers(response: &mut Response, headers: axum::http::HeaderMap) {
    use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
    let mut last = None;
    for (name, value) in headers {
        // A header's further values come without its name.
        last = name.or(last);
        if let Some(name) = &last
            && ![CONTENT_TYPE, CONTENT_LENGTH].contains(name)
        {
            response.headers_mut().append(name, value);
        }
    }
}

/// One line of the access log. It has no path and no query, because both may hold pasted secrets.
struct Line<'a> {
    method: &'static str,
    route: &'a str,
    status: u16,
    took: Duration,
    code: Option<&'static str>,
    client: Option<std::net::IpAddr>,
}

fn log(line: &Line<'_>) {
    let Line { method, route, status, took, code, client } = line;
    let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let client = client.map(|client| client.to_string());
    tracing::info!(
        event = "request_answered",
        method,
        route,
        status,
        duration_ms,
        code,
        client,
        "{method} {route} {status}"
    );
}

/// The method as a label of metrics. All unknown methods share one label.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}
