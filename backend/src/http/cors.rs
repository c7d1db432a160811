//! CORS: the origins whose pages may call the API from a browser, from `ALLOWED_ORIGINS`. By default there
//! are none.

use std::time::Duration;

use axum::http::{HeaderName, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::request_id;
use crate::config::OriginRule;

/// How long a browser may cache the answer of a preflight request.
const REMEMBER: Duration = Duration::from_secs(600);

/// Headers that a page's own code may send: a key, the last seen event, and additions of `fetch` and its
/// wrappers.
const FROM_PAGES: [HeaderName; 12] = [
    header::ACCEPT,
    header::ACCEPT_LANGUAGE,
    header::AUTHORIZATION,
    header::CACHE_CONTROL,
    header::CONTENT_LANGUAGE,
    header::CONTENT_TYPE,
    header::PRAGMA,
    HeaderName::from_static("idempotency-key"),
    // Clients of OFREP ask whether flags have changed.
    header::IF_NONE_MATCH,
    // Programs that follow events with their own `fetch` send it. A browser's `EventSource` needs no
    // permission.
    HeaderName::from_static("last-event-id"),
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("x-requested-with"),
];

/// Headers that tracing libraries add to every `fetch` of a page, by their documentation. A browser blocks
/// the page's request if a header is not allowed, although the service never reads it.
const FROM_TRACING: [&str; 41] = [
    // W3C Trace Context and Baggage: OpenTelemetry, Grafana Faro, Sentry, Datadog, Elastic, New Relic
    "traceparent",
    "tracestate",
    "baggage",
    // Sentry
    "sentry-trace",
    // Datadog
    "x-datadog-origin",
    "x-datadog-parent-id",
    "x-datadog-sampling-priority",
    "x-datadog-tags",
    "x-datadog-trace-id",
    // Zipkin (B3), in one header and in several
    "b3",
    "x-b3-flags",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-spanid",
    "x-b3-traceid",
    // Jaeger, OpenTracing, Lightstep
    "uber-trace-id",
    "ot-tracer-sampled",
    "ot-tracer-spanid",
    "ot-tracer-traceid",
    // New Relic, Elastic, Instana, Honeycomb
    "newrelic",
    "elastic-apm-traceparent",
    "x-instana-l",
    "x-instana-s",
    "x-instana-t",
    "x-honeycomb-trace",
    // AWS X-Ray, Google Cloud, Azure Application Insights
    "x-amzn-trace-id",
    "x-cloud-trace-context",
    "request-context",
    "request-id",
    // AppDynamics, Dynatrace, SkyWalking
    "adrum",
    "adrum_1",
    "x-dtpc",
    "x-dtreferer",
    "sw8",
    // Session replay: Highlight, PostHog, LogRocket
    "x-highlight-request",
    "x-posthog-distinct-id",
    "x-posthog-session-id",
    "x-posthog-window-id",
    "x-logrocket-url",
    // Names of requests
    "x-correlation-id",
    "x-request-id",
];

/// Headers of an answer that a page may read, besides the simple ones that browsers always show.
const FOR_PAGES: [HeaderName; 7] = [
    request_id::HEADER,
    header::RETRY_AFTER,
    header::LOCATION,
    header::ALLOW,
    header::ETAG,
    header::CONTENT_DISPOSITION,
    header::WWW_AUTHENTICATE,
];

/// The layer for these rules, and for the methods of the routes. None without rules.
pub(super) fn layer(rules: &[OriginRule], methods: Vec<Method>) -> Option<CorsLayer> {
    if rules.is_empty() {
        return None;
    }
    let rules = rules.to_vec();
    let is_allowed = AllowOrigin::predicate(move |origin, _| {
        origin.to_str().is_ok_and(|origin| rules.iter().any(|rule| rule.allows(origin)))
    });
    let layer = CorsLayer::new()
        .allow_origin(is_allowed)
        .allow_methods(methods)
        .allow_headers(
            FROM_PAGES.into_iter().chain(FROM_TRACING.map(HeaderName::from_static)).collect::<Vec<_>>(),
        )
        .expose_headers(FOR_PAGES)
        .max_age(REMEMBER);
    Some(layer)
}
