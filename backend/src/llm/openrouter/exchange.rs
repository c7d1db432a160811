//! One HTTP request, from its first byte to a judged answer.

use std::{borrow::Cow, sync::atomic::Ordering, time::Duration};

use foundation::clock::timer_now;
use reqwest::{
    Response, StatusCode,
    header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HeaderMap},
};
use tokio::time::Instant;

use super::{
    super::{
        connections::{Sent, connection_fault},
        fault::{Failure, Fault},
        gunzip::Gunzip,
        ladder::Level,
        retry_after,
        wire::{self, Decoder, Reply},
    },
    Call, OpenRouter,
};

/// The most bytes of an error's body that are read. Its message is cut to 200 characters anyway.
const ERROR_BYTES_MAX: usize = 64 * 1024;
/// How long the end mark may take after the answer and its usage. Some relays keep the connection open.
const END_TIMEOUT: Duration = Duration::from_secs(2);
/// How much of a compressed body is decoded before its length is checked again.
const GUNZIP_BYTES: usize = 4 * 1024;

impl OpenRouter {
    /// Makes one request, from its first byte to a judged answer. The body is written anew for each attempt.
    pub(super) async fn exchange(
        &self,
        call: &Call<'_>,
        level: Level,
        deadline: Instant,
    ) -> Result<Reply, Failure> {
        let room = self.connections.room();
        let room = tokio::time::timeout_at(deadline, room).await.map_err(|_| Fault::Deadline)?;
        // Last of all: the call may have waited for minutes. Asking the stores is bounded.
        if !call.source.may_be_sent().await {
            return Err(Fault::NotOurs.into());
        }
        let sent = self.connections.send(room, |http| {
            let body = self.body(call, &call.request()?, level)?;
            call.sent_bytes.store(body.len(), Ordering::Relaxed);
            let request = http
                .post(self.completions.clone())
                .header(CONTENT_TYPE, "application/json")
                .header(ACCEPT, "text/event-stream, application/json")
                // A proxy may hold a compressed stream back until a block is full.
                .header(ACCEPT_ENCODING, "identity")
                .header(AUTHORIZATION, self.authorization.clone());
            // A body that the HTTP client could repeat would stay in memory until the answer, for thousands
            // of runs.
            Ok(request.body(reqwest::Body::wrap(body)))
        });
        let Sent { mut response, place: _place } = self.within(deadline, sent).await??;
        let status = response.status();
        let generation_id = header(response.headers(), "x-generation-id");
        let result = if status.is_success() {
            let cost = header(response.headers(), "x-litellm-response-cost");
            // The headers are slices of their read buffer, and would keep it in memory during the answer.
            response.headers_mut().clear();
            self.read_answer(response, cost.as_deref(), deadline).await
        } else {
            Err(self.read_error(response, deadline).await)
        };
        tracing::debug!(
            event = "model_request_finished",
            status = status.as_u16(),
            generation_id = generation_id.as_deref().unwrap_or_default(),
            answered = result.is_ok(),
            "model request"
        );
        result.map(|reply| Reply { generation_id: generation_id.or(reply.generation_id), ..reply })
    }

    async fn read_answer(
        &self,
        mut response: Response,
        cost: Option<&str>,
        deadline: Instant,
    ) -> Result<Reply, Failure> {
        let mut decoder = Decoder::new(self.response_bytes_max);
        if let Some(cost) = cost {
            decoder.absorb_cost_header(cost);
        }
        let mut gunzip = Gunzip::default();
        loop {
            let end =
                if decoder.has_everything() { deadline.min(timer_now() + END_TIMEOUT) } else { deadline };
            let fault = match self.within(end, response.chunk()).await {
                Ok(Ok(Some(bytes))) => match push_all(&mut decoder, &mut gunzip, &bytes) {
                    Ok(false) => continue,
                    Ok(true) => {
                        self.end_stream(&mut response).await;
                        return decoder.finish();
                    }
                    Err(fault) => fault,
                },
                Ok(Ok(None)) => return decoder.finish(),
                Ok(Err(error)) => Fault::Connection(connection_fault(&error)),
                Err(fault) => fault,
            };
            // A fault after the model's last word. A retry would pay twice for a complete answer.
            let trouble_only_behind =
                matches!(fault, Fault::Connection(_) | Fault::Idle(_) | Fault::Deadline);
            return if trouble_only_behind && decoder.has_finish_reason() {
                decoder.finish()
            } else {
                Err(decoder.failure(fault))
            };
        }
    }

    /// Reads the end mark that usually follows the answer, so that the connection can be reused.
    async fn end_stream(&self, response: &mut Response) {
        const TIMEOUT: Duration = Duration::from_millis(20);
        let _ = tokio::time::timeout(TIMEOUT, response.chunk()).await;
    }

    async fn read_error(&self, mut response: Response, deadline: Instant) -> Failure {
        let status = response.status();
        let asked_wait = retry_after::from_headers(response.headers(), status, self.clock.now());
        let mut body = Vec::new();
        while body.len() < ERROR_BYTES_MAX {
            // Any part of the body is enough, because the status already shows the fault.
            match self.within(deadline, response.chunk()).await {
                Ok(Ok(Some(bytes))) => body.extend_from_slice(&bytes),
                _ => break,
            }
        }
        // A damaged body has no sentence for people.
        let body = Gunzip::default().push(&body).map(Cow::into_owned).unwrap_or_default();
        let mut upstream = wire::decode_error(status.as_u16(), &body);
        upstream.retry_after = asked_wait.or(upstream.retry_after);
        if status == StatusCode::TOO_MANY_REQUESTS && upstream.retry_after.is_none() {
            upstream.retry_after = retry_after::from_rate_limit(&body, self.clock.now());
        }
        Fault::Upstream(Box::new(upstream)).into()
    }

    /// Waits for `future` until the idle limit or the call's deadline.
    async fn within<F: Future>(&self, deadline: Instant, future: F) -> Result<F::Output, Fault> {
        let idle_until = timer_now() + self.idle_timeout;
        tokio::time::timeout_at(idle_until.min(deadline), future).await.map_err(|_| {
            if deadline <= idle_until { Fault::Deadline } else { Fault::Idle(self.idle_timeout) }
        })
    }
}

/// Passes a piece of a body to the decoder, decompressed if needed. True when the answer is complete.
fn push_all(decoder: &mut Decoder, gunzip: &mut Gunzip, bytes: &[u8]) -> Result<bool, Fault> {
    for piece in bytes.chunks(GUNZIP_BYTES) {
        let plain = gunzip.push(piece).map_err(|_| Fault::NotAnAnswer("a damaged gzip stream"))?;
        if decoder.push(&plain)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    const CHARS_MAX: usize = 100;
    let value = headers.get(name)?.to_str().ok()?;
    Some(value.chars().take(CHARS_MAX).collect())
}
