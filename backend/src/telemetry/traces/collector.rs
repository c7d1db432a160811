//! Sends batches of spans to the collector. The exporter's own thread waits for each answer, and nobody else does.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use axum::http::{HeaderMap, StatusCode};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::runtime::Handle;

use crate::telemetry::metrics;
use foundation::tls;

/// The most of an answer that is read. A whole one says how many spans were refused.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// The time limit of a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The connection to the collector.
#[derive(Debug)]
pub(super) struct Collector {
    client: reqwest::Client,
    /// They may hold a key.
    headers: HeaderMap,
    runtime: Handle,
    /// Whether the last batch was not taken. One outage is logged once.
    is_failing: AtomicBool,
}

impl Collector {
    /// Makes the client. Its requests run on the current runtime, because the exporter's thread has none.
    pub(super) fn new(
        headers: HeaderMap,
        timeout: Duration,
        extra_ca_file: Option<&Path>,
    ) -> Result<Self, String> {
        let client = tls::client_builder(extra_ca_file)?
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT.min(timeout))
            .timeout(timeout)
            .build()
            .map_err(|_| "the HTTPS client cannot be set up".to_owned())?;
        Ok(Self { client, headers, runtime: Handle::current(), is_failing: AtomicBool::new(false) })
    }

    fn note(&self, result: Result<StatusCode, &str>) {
        let reason = match result {
            Ok(status) if status.is_success() => {
                metrics::spans_exported(true);
                if self.is_failing.swap(false, Ordering::Relaxed) {
                    tracing::info!(event = "trace_export_recovered", "the collector takes spans again");
                }
                return;
            }
            Ok(status) => format!("HTTP {}", status.as_u16()),
            Err(reason) => reason.to_owned(),
        };
        metrics::spans_exported(false);
        if !self.is_failing.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                event = "trace_export_failed",
                reason,
                "the collector does not take spans, and they are lost; runs go on"
            );
        }
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let mut headers = parts.headers;
        headers.extend(self.headers.clone());
        let sending = self.client.post(parts.uri.to_string()).headers(headers).body(body);
        let exchange = self.runtime.spawn(async move {
            // An error's text without the address: a collector's may hold a key.
            let mut answer = sending.send().await.map_err(|error| error.without_url().to_string())?;
            let mut bytes = Vec::new();
            while let Ok(Some(piece)) = answer.chunk().await {
                bytes.extend(piece);
                if bytes.len() > ANSWER_BYTES_MAX {
                    bytes.clear();
                    break;
                }
            }
            Ok::<_, String>((answer.status(), bytes))
        });
        let exchanged = exchange.await.unwrap_or_else(|_| Err("the process stops".to_owned()));
        self.note(exchanged.as_ref().map(|(status, _)| *status).map_err(String::as_str));
        let (status, bytes) = exchanged?;
        Ok(Response::builder().status(status).body(Bytes::from(bytes))?)
    }
}
