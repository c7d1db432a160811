//! The client: its settings, and one HTTP request.

use std::{
    borrow::Cow,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use pipeline::{
    clock::Clock,
    llm::{
        Completion, CompletionRequest, LlmClient, LlmError, LlmErrorCode, Oddities, Oddity, RequestSource,
        Usage,
    },
    run::RunId,
};
use reqwest::{
    Response, StatusCode,
    header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{
    breaker::{Breaker, BreakerConfig},
    connections::{Connections, ConnectionsConfig, Sent, connection_fault},
    fault::{Failure, Fault},
    gunzip::Gunzip,
    ladder::{Ladder, Level, StructuredOutputSetting},
    oddities::OddityLog,
    prices::PriceList,
    redact::Redactor,
    request,
    resilience::{Answered, Jitter, Resilience, Success},
    retry_after,
    routing::Routing,
    sentences::Explain,
    wire::{self, Decoder, Reply},
};

pub use super::resilience::RetryConfig;

/// OpenRouter's public address.
pub const DEFAULT_BASE_URL: &str = "https://openrouter.ai/api/v1";
/// The most of an error's body that is read: its message is cut to 200 characters anyway.
const ERROR_BYTES_MAX: usize = 64 * 1024;
/// Characters of a token, roughly: for endpoints that count no tokens.
const CHARS_PER_TOKEN: u64 = 4;
/// How long the end mark may take once the answer and its usage are there. Some relays keep the connection open.
const END_TIMEOUT: Duration = Duration::from_secs(2);
/// How much of a compressed body is decoded before its length is looked at again.
const GUNZIP_BYTES: usize = 4 * 1024;

/// Settings of the client.
#[derive(Debug, Clone)]
pub struct OpenRouterConfig {
    /// `OPENROUTER_BASE_URL`: of OpenRouter, or of any endpoint that speaks its wire format; http or https.
    pub base_url: String,
    /// `OPENROUTER_API_KEY`.
    pub api_key: SecretString,
    /// `LLM_MODEL`.
    pub model: String,
    /// `LLM_FALLBACK_MODELS`, in order of preference.
    pub fallback_models: Vec<String>,
    /// `LLM_STRUCTURED_OUTPUT`
    pub structured_output: StructuredOutputSetting,
    /// Which providers may be asked, at what price, with how much reasoning.
    pub routing: Routing,
    /// `LLM_TIMEOUT_SECONDS`: of a whole call, retries and waits included.
    pub total_timeout: Duration,
    /// The longest silence, before the headers and between any two pieces of the answer.
    pub idle_timeout: Duration,
    /// Sent as `HTTP-Referer`, by which OpenRouter tells applications apart.
    pub http_referer: Option<String>,
    /// Sent as `X-OpenRouter-Title`.
    pub title: Option<String>,
    /// The most bytes of an answer that are read. The longest real one has about 100 kB; streamed, 30 times that.
    pub response_bytes_max: usize,
    pub retry: RetryConfig,
    pub breaker: BreakerConfig,
    pub connections: ConnectionsConfig,
    /// Seeds the random part of waits; different in every process, or replicas retry in step.
    pub jitter_seed: u64,
}

impl OpenRouterConfig {
    /// The defaults with this key and model.
    #[must_use]
    pub fn new(api_key: SecretString, model: impl Into<String>) -> Self {
        Self {
            base_url: DEFAULT_BASE_URL.to_owned(),
            api_key,
            model: model.into(),
            fallback_models: Vec::new(),
            structured_output: StructuredOutputSetting::Auto,
            routing: Routing::default(),
            total_timeout: Duration::from_secs(180),
            idle_timeout: Duration::from_secs(60),
            http_referer: None,
            title: None,
            response_bytes_max: 8 * 1024 * 1024,
            retry: RetryConfig::default(),
            breaker: BreakerConfig::default(),
            connections: ConnectionsConfig::default(),
            jitter_seed: 0,
        }
    }
}

/// Why settings make no client.
#[derive(Debug, thiserror::Error)]
pub enum OpenRouterError {
    #[error("OPENROUTER_BASE_URL is not an http or https address")]
    BaseUrl,
    #[error("OPENROUTER_API_KEY is empty or holds characters that no key has")]
    ApiKey,
    #[error("{0} holds characters that cannot be sent in a header")]
    Header(&'static str),
    #[error("{0}")]
    Tls(String),
    #[error("the HTTP client cannot be set up")]
    Http(#[source] reqwest::Error),
}

/// A model behind OpenRouter or an endpoint like it. One for the whole process: the breaker and the connections are
/// shared by all runs.
#[derive(Debug)]
pub struct OpenRouter {
    connections: Connections,
    completions: Url,
    authorization: HeaderValue,
    model: String,
    fallback_models: Vec<String>,
    routing: Routing,
    ladder: Ladder,
    prices: PriceList,
    oddities: OddityLog,
    idle_timeout: Duration,
    response_bytes_max: usize,
    resilience: Resilience,
    redactor: Redactor,
    clock: Arc<dyn Clock>,
}

impl OpenRouter {
    /// A client; opens no connection. The clock is for waits that the endpoint states as dates.
    pub fn new(config: OpenRouterConfig, clock: Arc<dyn Clock>) -> Result<Self, OpenRouterError> {
        let completions = endpoint(&config.base_url, "chat/completions")?;
        let authorization = authorization(&config.api_key)?;
        let headers = identity_headers(&config)?;
        let connections = Connections::new(config.connections, &completions, headers)?;
        Ok(Self {
            connections,
            completions,
            prices: PriceList::new(endpoint(&config.base_url, "models")?, authorization.clone()),
            authorization,
            model: config.model,
            fallback_models: config.fallback_models,
            routing: config.routing,
            ladder: Ladder::new(config.structured_output),
            oddities: OddityLog::default(),
            idle_timeout: config.idle_timeout,
            response_bytes_max: config.response_bytes_max,
            resilience: Resilience {
                retry: config.retry,
                breaker: Breaker::new(config.breaker),
                jitter: Jitter::new(config.jitter_seed),
                total_timeout: config.total_timeout,
            },
            redactor: Redactor::new(config.api_key),
            clock,
        })
    }

    /// The state of the breaker in front of the endpoint: `closed`, `open` or `probing`.
    #[must_use]
    pub fn breaker_state(&self) -> &'static str {
        self.resilience.breaker.state_name()
    }

    /// One attempt of a call: at the level that the model is known to need, or below, where the endpoint refuses it. A
    /// refusal costs nothing, so that it is no attempt of its own.
    async fn attempt(&self, call: &Call<'_>, deadline: Instant) -> Result<Answered, Failure> {
        let mut level = self.ladder.level(&self.model);
        loop {
            let result = match self.exchange(call, level, deadline).await {
                Err(failure) => self.below(level, &failure).ok_or(failure),
                Ok(reply) => {
                    self.ladder.remember(&self.model, level);
                    let reply = self.priced(call, reply).await;
                    return Ok(Answered { reply, structured_output: level.structured_output });
                }
            };
            level = match result {
                Ok(next) => next,
                Err(failure) => return self.rescued(call, level, failure).await,
            };
        }
    }

    /// The next level, where the endpoint has refused this one.
    fn below(&self, level: Level, failure: &Failure) -> Option<Level> {
        let Fault::Upstream(refusal) = &failure.fault else { return None };
        let next = self.ladder.below(level, refusal)?;
        tracing::info!(
            event = "structured_output_lowered",
            model = self.model,
            from = level.structured_output.as_str(),
            to = next.structured_output.as_str(),
            require_parameters = next.requires_parameters,
            refusal = self.redactor.clean(&refusal.message),
            "the endpoint refuses this kind of structured output; asking in the next one"
        );
        Some(next)
    }

    /// The answer that was complete before the fault came, if there is one: it is paid for. An answer that was cut off at a
    /// limit or withheld never is.
    async fn rescued(&self, call: &Call<'_>, level: Level, failure: Failure) -> Result<Answered, Failure> {
        let Failure { fault, usage, partial } = failure;
        if let Some(mut reply) = partial
            && call.source.is_answered_by(&reply.parts, reply.is_finished)
        {
            self.ladder.remember(&self.model, level);
            reply.oddities.insert(match fault {
                Fault::Upstream(_) | Fault::Refusal(_) => Oddity::ErrorAfterAnswer,
                _ => Oddity::MissingEnd,
            });
            let reply = self.priced(call, *reply).await;
            return Ok(Answered { reply, structured_output: level.structured_output });
        }
        let length_max = u64::from(call.output_tokens_max) * CHARS_PER_TOKEN;
        let received = if matches!(fault, Fault::LengthLimit) { length_max } else { 0 };
        let usage =
            if usage.cost_is_unknown { self.with_estimate(call, usage, received, None).await } else { usage };
        Err(Failure { fault, usage, partial: None })
    }

    /// The reply with an estimate of its cost, where it states none.
    async fn priced(&self, call: &Call<'_>, mut reply: Reply) -> Reply {
        if reply.usage.cost_is_unknown {
            let received = (reply.parts.content.len() + reply.parts.reasoning.len()) as u64;
            reply.usage = self.with_estimate(call, reply.usage, received, reply.model.as_deref()).await;
        }
        reply
    }

    /// The usage with its cost by the endpoint's price list. Where tokens were not counted, lengths stand for them.
    async fn with_estimate(
        &self,
        call: &Call<'_>,
        usage: Usage,
        received_chars: u64,
        answering_model: Option<&str>,
    ) -> Usage {
        let mut counted = usage;
        if counted.prompt_tokens == 0 && counted.completion_tokens == 0 {
            counted.prompt_tokens = call.sent_bytes.load(Ordering::Relaxed) as u64 / CHARS_PER_TOKEN;
            counted.completion_tokens = received_chars / CHARS_PER_TOKEN;
        }
        // With fallback models, an unknown name may be any of them, and dearer than the first.
        let ours = Some(self.model.as_str()).filter(|_| self.fallback_models.is_empty());
        let models = [answering_model, ours].into_iter().flatten();
        match self.prices.cost_usd(&self.connections, models, &counted).await {
            Some(cost_usd) => Usage { cost_usd, cost_is_estimated: true, cost_is_unknown: false, ..usage },
            None => usage,
        }
    }

    fn body(
        &self,
        request: &CompletionRequest,
        level: Level,
        output_tokens_max: u32,
    ) -> Result<String, Fault> {
        let asking = request::Asking {
            model: &self.model,
            fallback_models: &self.fallback_models,
            routing: &self.routing,
            level,
            output_tokens_max,
        };
        request::body(request, &asking).map_err(|_| {
            Fault::Unwritten(
                "the request cannot be written as JSON, which is a defect of this program".to_owned(),
            )
        })
    }

    /// One request, from its first byte to a judged answer. The body is written anew each time it is sent.
    async fn exchange(&self, call: &Call<'_>, level: Level, deadline: Instant) -> Result<Reply, Failure> {
        let room = self.connections.room();
        let room = tokio::time::timeout_at(deadline, room).await.map_err(|_| Fault::Deadline)?;
        let sent = self.connections.send(room, |http| {
            let body = self.body(&call.request()?, level, call.output_tokens_max)?;
            call.sent_bytes.store(body.len(), Ordering::Relaxed);
            let request = http
                .post(self.completions.clone())
                .header(CONTENT_TYPE, "application/json")
                .header(ACCEPT, "text/event-stream, application/json")
                // A compressed stream may be held back until a block is full.
                .header(ACCEPT_ENCODING, "identity")
                .header(AUTHORIZATION, self.authorization.clone());
            // A body that the client could send again by itself would be kept until the answer, by thousands of runs.
            Ok(request.body(reqwest::Body::wrap(body)))
        });
        let Sent { mut response, place: _place } = self.within(deadline, sent).await??;
        let status = response.status();
        let generation_id = header(response.headers(), "x-generation-id");
        let result = if status.is_success() {
            let cost = header(response.headers(), "x-litellm-response-cost");
            // They are parts of the buffer that they were read into, and would keep all of it while the model thinks.
            response.headers_mut().clear();
            self.read_answer(response, cost.as_deref(), deadline).await
        } else {
            Err(self.read_error(response, deadline).await)
        };
        tracing::debug!(
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
                if decoder.has_everything() { deadline.min(Instant::now() + END_TIMEOUT) } else { deadline };
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
            // Trouble after the model's last word: asking again would pay twice for an answer that is here.
            let trouble_only_behind =
                matches!(fault, Fault::Connection(_) | Fault::Idle(_) | Fault::Deadline);
            return if trouble_only_behind && decoder.has_finish_reason() {
                decoder.finish()
            } else {
                Err(decoder.failure(fault))
            };
        }
    }

    /// Reads the end mark that usually lies right behind the answer, so that the connection can be used again.
    async fn end_stream(&self, response: &mut Response) {
        const PATIENCE: Duration = Duration::from_millis(20);
        let _ = tokio::time::timeout(PATIENCE, response.chunk()).await;
    }

    async fn read_error(&self, mut response: Response, deadline: Instant) -> Failure {
        let status = response.status();
        let asked_wait = retry_after::from_headers(response.headers(), status, self.clock.now());
        let mut body = Vec::new();
        while body.len() < ERROR_BYTES_MAX {
            // Any part of the body is enough: the status has already told the fault.
            match self.within(deadline, response.chunk()).await {
                Ok(Ok(Some(bytes))) => body.extend_from_slice(&bytes),
                _ => break,
            }
        }
        // What cannot be decoded is no sentence for people either.
        let body = Gunzip::default().push(&body).map(Cow::into_owned).unwrap_or_default();
        let mut upstream = wire::decode_error(status.as_u16(), &body);
        upstream.retry_after = asked_wait.or(upstream.retry_after);
        if status == StatusCode::TOO_MANY_REQUESTS && upstream.retry_after.is_none() {
            upstream.retry_after = retry_after::from_rate_limit(&body, self.clock.now());
        }
        Fault::Upstream(Box::new(upstream)).into()
    }

    /// Waits for `future`, but no longer than silence or the whole call may last.
    async fn within<F: Future>(&self, deadline: Instant, future: F) -> Result<F::Output, Fault> {
        let idle_until = Instant::now() + self.idle_timeout;
        tokio::time::timeout_at(idle_until.min(deadline), future).await.map_err(|_| {
            if deadline <= idle_until { Fault::Deadline } else { Fault::Idle(self.idle_timeout) }
        })
    }
}

#[async_trait]
impl LlmClient for OpenRouter {
    async fn complete(
        &self,
        source: &dyn RequestSource,
        spend_limit_usd: Option<f64>,
        cancel: &CancellationToken,
    ) -> Result<Completion, LlmError> {
        let mut call = Call::new(source)?;
        let first = self.ask(&call, spend_limit_usd, cancel).await;
        let Err(cut_off) = first else { return first };
        let cost_is_known = spend_limit_usd.is_none() || !cut_off.usage.cost_is_unknown;
        if cut_off.code != LlmErrorCode::LlmTruncated
            || !call.has_used_up_its_limit(&cut_off.usage)
            || !cost_is_known
        {
            return Err(cut_off);
        }
        call.output_tokens_max = call.output_tokens_max.saturating_mul(2);
        let left_usd = spend_limit_usd.map(|limit| (limit - cut_off.usage.cost_usd).max(0.0));
        match self.ask(&call, left_usd, cancel).await {
            Ok(mut completion) => {
                completion.usage += cut_off.usage;
                completion.attempts += cut_off.attempts;
                Ok(completion)
            }
            // The endpoint may not know a limit as high as this: what is wrong is that the answer is too long.
            Err(error) => {
                let mut told =
                    if error.code == LlmErrorCode::LlmError { cut_off.clone() } else { error.clone() };
                told.usage = cut_off.usage;
                told.usage += error.usage;
                told.attempts = cut_off.attempts + error.attempts;
                Err(told)
            }
        }
    }

    fn note_oddities(&self, run: &RunId, oddities: Oddities) {
        self.oddities.note(run, oddities);
    }
}

impl OpenRouter {
    /// One call with its retries.
    async fn ask(
        &self,
        call: &Call<'_>,
        spend_limit_usd: Option<f64>,
        cancel: &CancellationToken,
    ) -> Result<Completion, LlmError> {
        let explain = Explain {
            redactor: &self.redactor,
            routing: &self.routing,
            model: &self.model,
            output_tokens_max: call.output_tokens_max,
        };
        let Success { answered, usage, attempts } = self
            .resilience
            .call(&explain, spend_limit_usd, cancel, |deadline| self.attempt(call, deadline))
            .await?;
        let Answered { reply, structured_output } = answered;
        if !reply.oddities.is_empty() {
            self.oddities.note(&call.run, reply.oddities);
        }
        Ok(Completion {
            parts: reply.parts,
            model: reply.model.map_or_else(|| self.model.clone(), |name| self.redactor.clean(&name)),
            provider: reply.provider.map(|name| self.redactor.clean(&name)),
            generation_id: reply.generation_id.map(|id| self.redactor.clean(&id)),
            usage,
            attempts,
            finish_reason: reply.finish_reason.map(|word| self.redactor.clean(&word)),
            is_finished: reply.is_finished,
            structured_output,
        })
    }
}

/// One call's question. The request is written anew for each further attempt: while a model thinks, thousands of runs would
/// hold theirs.
struct Call<'a> {
    source: &'a dyn RequestSource,
    run: RunId,
    output_tokens_max: u32,
    /// Until it is sent.
    first: Mutex<Option<CompletionRequest>>,
    /// The length of the body that was sent last.
    sent_bytes: AtomicUsize,
}

impl<'a> Call<'a> {
    fn new(source: &'a dyn RequestSource) -> Result<Self, LlmError> {
        let first = source.request()?;
        let (run, output_tokens_max) = (first.run.clone(), first.output_tokens_max);
        Ok(Self {
            source,
            run,
            output_tokens_max,
            first: Mutex::new(Some(first)),
            sent_bytes: AtomicUsize::new(0),
        })
    }

    fn request(&self) -> Result<CompletionRequest, Fault> {
        match self.first.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(request) => Ok(request),
            None => self.source.request().map_err(|error| Fault::Unwritten(error.message)),
        }
    }

    /// Whether an answer that was cut off had used up what this call allows. Where it had not, another limit cut it off, and
    /// a higher one of ours changes nothing.
    fn has_used_up_its_limit(&self, usage: &Usage) -> bool {
        let used = usage.completion_tokens + usage.reasoning_tokens;
        // A tenth less: endpoints count in tokens of their own.
        used == 0 || used.saturating_mul(10) >= u64::from(self.output_tokens_max).saturating_mul(9)
    }
}

/// Hands a piece of a body to the decoder, decompressed where it has to be. True when the answer is complete.
fn push_all(decoder: &mut Decoder, gunzip: &mut Gunzip, bytes: &[u8]) -> Result<bool, Fault> {
    for piece in bytes.chunks(GUNZIP_BYTES) {
        let plain = gunzip.push(piece).map_err(|_| Fault::NotAnAnswer("a damaged gzip stream"))?;
        if decoder.push(&plain)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The address of one of the endpoint's resources.
fn endpoint(base: &str, resource: &str) -> Result<Url, OpenRouterError> {
    let url = format!("{}/{resource}", base.trim().trim_end_matches('/'));
    let url = Url::parse(&url).map_err(|_| OpenRouterError::BaseUrl)?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() {
        Ok(url)
    } else {
        Err(OpenRouterError::BaseUrl)
    }
}

fn authorization(key: &SecretString) -> Result<HeaderValue, OpenRouterError> {
    let key = key.expose_secret();
    if key.trim().is_empty() {
        return Err(OpenRouterError::ApiKey);
    }
    let mut value = HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| OpenRouterError::ApiKey)?;
    value.set_sensitive(true);
    Ok(value)
}

fn identity_headers(config: &OpenRouterConfig) -> Result<HeaderMap, OpenRouterError> {
    let mut headers = HeaderMap::new();
    let named = [("http-referer", &config.http_referer), ("x-openrouter-title", &config.title)];
    for (name, value) in named {
        if let Some(value) = value {
            let value = HeaderValue::from_str(value).map_err(|_| OpenRouterError::Header(name))?;
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    Ok(headers)
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    const CHARS_MAX: usize = 100;
    let value = headers.get(name)?.to_str().ok()?;
    Some(value.chars().take(CHARS_MAX).collect())
}
