//! Serves connections: routes, checks what OpenRouter checks, and plays the script.

use std::{io, sync::Arc, sync::atomic::Ordering, time::Instant};

use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    time::sleep,
};

use super::{
    Recorded, Reply, State, Wrapping, answers,
    http::{self, Request},
    lock,
};

/// The keys that OpenRouter takes in `provider`; it rejects others.
const PROVIDER_KEYS: [&str; 10] = [
    "order",
    "allow_fallbacks",
    "require_parameters",
    "data_collection",
    "zdr",
    "only",
    "ignore",
    "quantizations",
    "sort",
    "max_price",
];

pub(super) async fn accept(listener: std::net::TcpListener, state: Arc<State>) {
    let listener = TcpListener::from_std(listener).unwrap();
    while let Ok((socket, _)) = listener.accept().await {
        state.connections.fetch_add(1, Ordering::SeqCst);
        let state = state.clone();
        tokio::spawn(async move {
            // Any error is the client's hanging up.
            if connection(socket, &state).await.is_err() {
                state.hung_up.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
}

async fn connection(mut socket: TcpStream, state: &State) -> io::Result<()> {
    socket.set_nodelay(true)?;
    while let Ok(Some(request)) = http::read_request(&mut socket).await {
        let goes_on = match (request.method.as_str(), request.path.trim_start_matches("/api/v1")) {
            ("POST", "/chat/completions") => completion(&mut socket, state, &request).await?,
            ("GET", "/models") => send_json(&mut socket, 200, &[], &models()).await?,
            ("GET", "/key") if !is_allowed(state, &request) => {
                refuse(&mut socket, 401, "User not found.").await?
            }
            ("GET", "/key") => send_json(&mut socket, 200, &[], &key()).await?,
            _ => refuse(&mut socket, 404, "Not Found").await?,
        };
        if !goes_on {
            return Ok(());
        }
    }
    Ok(())
}

fn models() -> Value {
    json!({"data": [{
        "id": "anthropic/claude-sonnet-4.5", "name": "Anthropic: Claude Sonnet 4.5", "context_length": 200_000,
        "pricing": {"prompt": "0.000003", "completion": "0.000015", "request": "0"},
        "supported_parameters": ["max_tokens", "response_format", "structured_outputs"],
    }]})
}

fn key() -> Value {
    json!({"data": {"label": "sk-or-v1-…", "limit": 10.0, "limit_remaining": 7.5, "usage": 2.5, "usage_daily": 0.5,
        "is_free_tier": false, "rate_limit": {"requests": 200, "interval": "10s"}}})
}

fn is_allowed(state: &State, request: &Request) -> bool {
    let given = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    state.options.api_key.as_deref().is_none_or(|key| given == Some(key))
}

/// Records and answers a completion request. True when the connection can be used again.
async fn completion(socket: &mut TcpStream, state: &State, request: &Request) -> io::Result<bool> {
    let Ok(body) = serde_json::from_slice::<Value>(&request.body) else {
        return refuse(socket, 400, "Invalid JSON body").await;
    };
    let reply = lock(&state.script).pop_front().unwrap_or(Reply::Answer(Wrapping::None));
    if !state.forgets.load(Ordering::SeqCst) {
        let recorded = Recorded {
            at: Instant::now(),
            headers: request.headers.clone(),
            body: body.clone(),
            reply: reply.clone(),
        };
        lock(&state.recorded).push(recorded);
    }
    state.in_flight.fetch_add(1, Ordering::SeqCst);
    sleep(state.options.latency).await;
    state.in_flight.fetch_sub(1, Ordering::SeqCst);
    if !is_allowed(state, request) {
        return refuse(socket, 401, "No auth credentials found").await;
    }
    if let Some(complaint) = complaint(&body) {
        return refuse(socket, 400, &complaint).await;
    }
    let Some(model) = answering_model(state, &body) else {
        return refuse(socket, 503, "No models available").await;
    };
    Exchange { socket, state, body: &body, model }.play(reply).await
}

/// What OpenRouter would find wrong with the body.
fn complaint(body: &Value) -> Option<String> {
    let unknown = body["provider"]
        .as_object()
        .into_iter()
        .flat_map(|provider| provider.keys())
        .find(|key| !PROVIDER_KEYS.contains(&key.as_str()));
    if let Some(key) = unknown {
        return Some(format!("provider: Unrecognized key: {key}"));
    }
    if marked_stage(body).is_some() {
        return None;
    }
    let name = body["response_format"]["json_schema"]["name"].as_str().unwrap_or_default();
    if name.is_empty() || name.len() > 64 {
        return Some("response_format.json_schema.name must have 1 to 64 characters".to_owned());
    }
    body["messages"].as_array().is_none().then(|| "messages is required".to_owned())
}

/// The stage that a service which knows no schemas names in its prompt, as `[[stage 2]]`.
fn marked_stage(body: &Value) -> Option<usize> {
    let prompt = body["messages"][0]["content"].as_str().filter(|_| body.get("response_format").is_none())?;
    let number = prompt.strip_prefix("[[stage ")?.get(..1)?;
    number.parse().ok().filter(|stage| (1..=4).contains(stage))
}

/// The first model of the request that is available.
fn answering_model(state: &State, body: &Value) -> Option<String> {
    let listed = body["models"].as_array().map(Vec::as_slice).unwrap_or_default();
    std::iter::once(&body["model"])
        .chain(listed)
        .filter_map(Value::as_str)
        .find(|model| !state.options.unavailable_models.iter().any(|gone| gone == model))
        .map(str::to_owned)
}

async fn refuse(socket: &mut TcpStream, status: u16, message: &str) -> io::Result<bool> {
    send_json(socket, status, &[], &json!({"error": {"code": status, "message": message}})).await
}

async fn send_json(
    socket: &mut TcpStream,
    status: u16,
    headers: &[(&'static str, String)],
    body: &Value,
) -> io::Result<bool> {
    send(socket, status, "application/json", headers, body.to_string().as_bytes()).await
}

async fn send(
    socket: &mut TcpStream,
    status: u16,
    content_type: &str,
    headers: &[(&'static str, String)],
    body: &[u8],
) -> io::Result<bool> {
    let mut head = vec![
        ("Content-Type", content_type.to_owned()),
        ("Content-Length", body.len().to_string()),
        ("X-Generation-Id", "gen-stand-in".to_owned()),
    ];
    head.extend_from_slice(headers);
    http::write_head(socket, status, &head).await?;
    socket.write_all(body).await?;
    Ok(true)
}

/// One completion request and the socket to answer on.
struct Exchange<'a> {
    socket: &'a mut TcpStream,
    state: &'a State,
    body: &'a Value,
    model: String,
}

impl Exchange<'_> {
    async fn play(mut self, reply: Reply) -> io::Result<bool> {
        match reply {
            Reply::Answer(wrapping) => {
                let text = self.answer(wrapping);
                self.send_choice(json!({"role": "assistant", "content": text}), json!("stop")).await
            }
            Reply::Content(text) => {
                self.send_choice(json!({"role": "assistant", "content": text}), json!("stop")).await
            }
            Reply::Choice { message, finish_reason } => self.send_choice(message, finish_reason).await,
            // A text stands for the page of a proxy that knows no JSON.
            Reply::Status { status, headers, body: Value::String(page) } => {
                send(self.socket, status, "text/html", &headers, page.as_bytes()).await
            }
            Reply::Status { status, headers, body } => send_json(self.socket, status, &headers, &body).await,
            Reply::Raw { content_type, body } => send(self.socket, 200, content_type, &[], &body).await,
            Reply::ErrorInside(error) => {
                let body = json!({"error": error, "usage": self.usage()});
                send_json(self.socket, 200, &[], &body).await
            }
            Reply::ErrorInChoice(error) => {
                let choice = json!({"index": 0, "finish_reason": "error", "error": error,
                    "message": {"role": "assistant", "content": "{\"inspirations\": ["}});
                let body = self.completion(choice);
                send_json(self.socket, 200, &[], &body).await
            }
            Reply::ErrorMidStream(error) => {
                self.open_stream().await?;
                self.send_deltas("{\"inspirations\": [").await?;
                let chunk =
                    self.chunk(json!([{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}]));
                let mut chunk = with(chunk, "error", error);
                chunk = with(chunk, "usage", self.usage());
                self.send_event(&chunk.to_string()).await?;
                self.close_stream().await
            }
            Reply::StreamCut => {
                self.open_stream().await?;
                self.send_deltas("{\"inspirations\": [").await?;
                self.close_stream().await
            }
            Reply::JsonCut => {
                let text = self.answer(Wrapping::None);
                let whole = self.completion(choice(json!({"content": text}), json!("stop"))).to_string();
                send(self.socket, 200, "application/json", &[], &whole.as_bytes()[..whole.len() / 2]).await
            }
            fault => self.break_off(fault).await,
        }
    }

    /// Replies after which the connection is gone.
    async fn break_off(mut self, fault: Reply) -> io::Result<bool> {
        match fault {
            Reply::ResetMidBody => {
                self.open_stream().await?;
                self.send_deltas("{\"inspirations\": [").await?;
                http::reset(self.socket)?;
            }
            Reply::ResetBeforeHeaders => http::reset(self.socket)?,
            Reply::LostAfterFinish => {
                self.open_stream().await?;
                let text = self.answer(Wrapping::None);
                self.send_deltas(&text).await?;
                self.send_finish(&json!("stop")).await?;
            }
            Reply::HangBeforeHeaders => self.hang().await,
            Reply::HangMidBody => {
                self.open_stream().await?;
                self.send_deltas("{\"inspirations\": [").await?;
                self.hang().await;
            }
            Reply::Drip { every, comments } => {
                self.open_stream().await?;
                loop {
                    if comments {
                        http::write_chunk(self.socket, b": OPENROUTER PROCESSING\n\n").await?;
                    } else {
                        self.send_deltas(" ").await?;
                    }
                    sleep(every).await;
                }
            }
            Reply::Huge { bytes } => {
                let head =
                    [("Content-Type", "application/json".to_owned()), ("Content-Length", bytes.to_string())];
                http::write_head(self.socket, 200, &head).await?;
                self.socket
                    .write_all(br#"{"choices":[{"finish_reason":"stop","message":{"content":""#)
                    .await?;
                let block = vec![b'x'; 64 * 1024];
                for _ in 0..bytes / block.len() {
                    self.socket.write_all(&block).await?;
                    self.state.bytes_sent.fetch_add(block.len(), Ordering::SeqCst);
                }
            }
            _ => {}
        }
        Ok(false)
    }

    async fn hang(&mut self) {
        http::until_hung_up(self.socket).await;
        self.state.hung_up.fetch_add(1, Ordering::SeqCst);
    }

    /// The text of a valid answer to the request, wrapped.
    fn answer(&self, wrapping: Wrapping) -> String {
        if let Some(stage) = marked_stage(self.body) {
            return format!("What was found:\n\n```json\n{}\n```\n", answers::typical(stage));
        }
        let name = self.body["response_format"]["json_schema"]["name"].as_str().unwrap_or_default();
        let mut value = answers::answer(name, &self.prompt());
        match wrapping {
            Wrapping::MadeUpQuote => {
                if let Some(quote) = value.pointer_mut("/inspirations/0/evidence/0/quote") {
                    *quote = json!("Nobody ever wrote this sentence into any document.");
                }
            }
            Wrapping::SchemaInvalid => {
                if let Some(first) = value.as_object_mut().and_then(|fields| fields.values_mut().next()) {
                    *first = json!("not a list");
                }
            }
            _ => {}
        }
        let text = value.to_string();
        match wrapping {
            Wrapping::LeadingNewlines => format!("\n\n\n  {text}\n"),
            Wrapping::CodeFence => format!("```json\n{text}\n```"),
            Wrapping::AfterProse => {
                format!("Here is the object you asked for:\n\n{text}\n\nI hope it helps.")
            }
            Wrapping::TruncatedContent => text.chars().take(text.chars().count() * 2 / 3).collect(),
            _ => text,
        }
    }

    /// All texts of the request, in order.
    fn prompt(&self) -> String {
        let mut texts = Vec::new();
        for message in self.body["messages"].as_array().into_iter().flatten() {
            match &message["content"] {
                Value::String(text) => texts.push(text.as_str()),
                Value::Array(parts) => texts.extend(parts.iter().filter_map(|part| part["text"].as_str())),
                _ => {}
            }
        }
        texts.join("\n\n")
    }

    fn usage(&self) -> Value {
        let mut cached_tokens = 0;
        let parts = self.body["messages"].as_array().into_iter().flatten();
        for part in parts.filter_map(|message| message["content"].as_array()).flatten() {
            let text = part["text"].as_str().unwrap_or_default();
            if part.get("cache_control").is_some() && !lock(&self.state.cached).insert(text.to_owned()) {
                cached_tokens += text.len() / 4;
            }
        }
        let prompt_tokens = self.prompt().len() / 4;
        json!({"prompt_tokens": prompt_tokens, "completion_tokens": 500, "total_tokens": prompt_tokens + 500,
            "cost": self.state.options.cost_usd, "cost_details": {"upstream_inference_cost": null},
            "prompt_tokens_details": {"cached_tokens": cached_tokens, "cache_write_tokens": 0}})
    }

    fn completion(&self, choice: Value) -> Value {
        json!({"id": "gen-stand-in", "object": "chat.completion", "created": 1_767_225_600, "model": self.model,
            "provider": "Stand-In", "choices": [choice], "usage": self.usage()})
    }

    async fn send_choice(&mut self, message: Value, finish_reason: Value) -> io::Result<bool> {
        if !(self.state.options.streams && self.body["stream"] == true) {
            // OpenRouter keeps a waiting connection alive with white space.
            let body = format!("\n\n{}", self.completion(choice(message, finish_reason)));
            return send(self.socket, 200, "application/json", &[], body.as_bytes()).await;
        }
        self.open_stream().await?;
        match &message["content"] {
            Value::String(text) => self.send_deltas(text).await?,
            _ => {
                let chunk = self.chunk(json!([{"index": 0, "delta": message, "finish_reason": null}]));
                self.send_event(&chunk.to_string()).await?;
            }
        }
        self.send_finish(&finish_reason).await?;
        let usage = with(self.chunk(json!([])), "usage", self.usage());
        self.send_event(&usage.to_string()).await?;
        self.send_event("[DONE]").await?;
        self.close_stream().await
    }

    async fn open_stream(&mut self) -> io::Result<()> {
        let head = [
            ("Content-Type", "text/event-stream".to_owned()),
            ("Transfer-Encoding", "chunked".to_owned()),
            ("X-Generation-Id", "gen-stand-in".to_owned()),
        ];
        http::write_head(self.socket, 200, &head).await?;
        http::write_chunk(self.socket, b": OPENROUTER PROCESSING\n\n").await
    }

    /// Sends a text in pieces that do not end where words do, with a comment between.
    async fn send_deltas(&mut self, text: &str) -> io::Result<()> {
        let characters: Vec<char> = text.chars().collect();
        let mut events = String::new();
        for (position, piece) in characters.chunks(97).enumerate() {
            let delta = json!({"role": "assistant", "content": piece.iter().collect::<String>()});
            let chunk = self.chunk(json!([{"index": 0, "delta": delta, "finish_reason": null}]));
            events += &format!("data: {chunk}\n\n");
            if position % 8 == 0 {
                events += ": OPENROUTER PROCESSING\n\n";
            }
        }
        for piece in events.as_bytes().chunks(1_000) {
            http::write_chunk(self.socket, piece).await?;
        }
        Ok(())
    }

    async fn send_finish(&mut self, finish_reason: &Value) -> io::Result<()> {
        let choice = json!({"index": 0, "delta": {"content": ""}, "finish_reason": finish_reason, "native_finish_reason": finish_reason});
        let chunk = self.chunk(json!([choice]));
        self.send_event(&chunk.to_string()).await
    }

    async fn send_event(&mut self, data: &str) -> io::Result<()> {
        http::write_chunk(self.socket, format!("data: {data}\n\n").as_bytes()).await
    }

    async fn close_stream(&mut self) -> io::Result<bool> {
        self.socket.write_all(b"0\r\n\r\n").await?;
        Ok(true)
    }

    fn chunk(&self, choices: Value) -> Value {
        json!({"id": "gen-stand-in", "object": "chat.completion.chunk", "created": 1_767_225_600,
            "model": self.model, "provider": "Stand-In", "choices": choices})
    }
}

fn choice(message: Value, finish_reason: Value) -> Value {
    json!({"index": 0, "message": message, "finish_reason": finish_reason, "native_finish_reason": finish_reason, "logprobs": null})
}

fn with(mut object: Value, key: &str, value: Value) -> Value {
    object[key] = value;
    object
}
