//! Plays one reply to one completion request.

use std::{io, sync::atomic::Ordering};

use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream, time::sleep};

use super::{
    Answered, Reply, State, Wrapping,
    answer::Answer,
    http,
    noise::{Noise, Noises, quoted},
    prompt_cache,
    serve::{send, send_json},
    stream::{Carrier, Stream},
    usage::{Spent, tokens, usage},
};

/// The beginning of an answer that breaks off.
const BEGINNING: &str = "{\"inspirations\": [";

const CHUNK_BYTES: usize = 1_000;

/// One completion request and the socket to answer on.
pub(super) struct Exchange<'a> {
    pub(super) socket: &'a mut TcpStream,
    pub(super) state: &'a State,
    pub(super) body: &'a Value,
    pub(super) model: String,
}

impl<'a> Exchange<'a> {
    pub(super) async fn play(mut self, reply: Reply) -> io::Result<bool> {
        match reply {
            Reply::Answer(wrapping) => self.answer(wrapping).await,
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
            Reply::Made(maker) => {
                let text = Answer::to(self.state, self.body, Wrapping::None).text;
                let made = maker.make(&Answered { body: self.body.clone(), text });
                send(self.socket, made.status, made.content_type, &[], &made.body).await
            }
            Reply::ErrorInside(error) => {
                let body = json!({"error": error, "usage": self.usage(0)});
                send_json(self.socket, 200, &[], &body).await
            }
            Reply::ErrorInChoice(error) => {
                let choice = json!({"index": 0, "finish_reason": "error", "error": error,
                    "message": {"role": "assistant", "content": BEGINNING}});
                let body = self.completion(&choice.to_string(), tokens(BEGINNING.len()));
                send(self.socket, 200, "application/json", &[], body.as_bytes()).await
            }
            Reply::ErrorMidStream(error) => {
                let mut stream = self.broken_stream();
                stream.error(&error, &self.usage(tokens(BEGINNING.len())));
                self.send_stream(stream.take()).await
            }
            Reply::StreamCut => {
                let mut stream = self.broken_stream();
                self.send_stream(stream.take()).await
            }
            Reply::JsonCut => {
                let text = Answer::to(self.state, self.body, Wrapping::None).text;
                let whole = self.completion(&whole_choice(&text, "stop"), tokens(text.len()));
                send(self.socket, 200, "application/json", &[], &whole.as_bytes()[..whole.len() / 2]).await
            }
            fault => self.break_off(fault).await,
        }
    }

    /// Replies after which the connection is gone.
    async fn break_off(mut self, fault: Reply) -> io::Result<bool> {
        match fault {
            Reply::ResetMidBody => {
                let mut stream = self.broken_stream();
                self.open_stream().await?;
                self.write(&stream.take()).await?;
                http::reset(self.socket)?;
            }
            Reply::ResetBeforeHeaders => http::reset(self.socket)?,
            Reply::LostAfterFinish => {
                let mut stream = self.stream();
                stream.text(&Answer::to(self.state, self.body, Wrapping::None).text, Carrier::Content);
                stream.finish(&json!("stop"), &json!("stop"));
                self.open_stream().await?;
                self.write(&stream.take()).await?;
            }
            Reply::HangBeforeHeaders => self.hang().await,
            Reply::HangMidBody => {
                let mut stream = self.broken_stream();
                self.open_stream().await?;
                self.write(&stream.take()).await?;
                self.hang().await;
            }
            Reply::Drip { every, comments } => {
                let mut stream = self.stream();
                self.open_stream().await?;
                self.write(&stream.take()).await?;
                loop {
                    if comments {
                        self.write(b": OPENROUTER PROCESSING\n\n").await?;
                    } else {
                        stream.text(" ", Carrier::Content);
                        self.write(&stream.take()).await?;
                    }
                    sleep(every).await;
                }
            }
            Reply::Huge { bytes } => self.huge(bytes).await?,
            _ => {}
        }
        Ok(false)
    }

    async fn huge(&mut self, bytes: usize) -> io::Result<()> {
        let head = [("Content-Type", "application/json".to_owned()), ("Content-Length", bytes.to_string())];
        http::write_head(self.socket, 200, &head).await?;
        self.socket.write_all(br#"{"choices":[{"finish_reason":"stop","message":{"content":""#).await?;
        let block = vec![b'x'; 64 * 1024];
        for _ in 0..bytes / block.len() {
            self.socket.write_all(&block).await?;
            self.state.bytes_sent.fetch_add(block.len(), Ordering::SeqCst);
        }
        Ok(())
    }

    async fn hang(&mut self) {
        http::until_hung_up(self.socket).await;
        self.state.hung_up.fetch_add(1, Ordering::SeqCst);
    }

    /// A whole answer in some wrapping, as far as `max_tokens` reaches.
    async fn answer(&mut self, wrapping: Wrapping) -> io::Result<bool> {
        let answer = Answer::to(self.state, self.body, wrapping);
        let provider = self.state.options.provider;
        let (reason, native) = match (answer.is_cut, wrapping) {
            (true, _) => ("length", provider.native_length()),
            (false, Wrapping::InToolCall) => ("tool_calls", "tool_use"),
            (false, _) => ("stop", "stop"),
        };
        let carrier = match wrapping {
            Wrapping::InReasoning => Carrier::Reasoning,
            Wrapping::InToolCall => Carrier::ToolCall,
            _ => Carrier::Content,
        };
        let completion = tokens(answer.text.chars().count());
        if !self.is_streamed() {
            let choice = self.choice(&answer.text, carrier, reason, native);
            let body = format!("\n\n{}", self.completion(&choice, completion));
            return send(self.socket, 200, "application/json", &[], body.as_bytes()).await;
        }
        let mut stream = self.stream();
        stream.prelude();
        stream.text(&answer.text, carrier);
        stream.finish(&json!(reason), &json!(native));
        stream.usage(&self.usage(completion));
        stream.done();
        self.send_stream(stream.take()).await
    }

    /// The choice of an answer in one piece.
    fn choice(&self, text: &str, carrier: Carrier, reason: &str, native: &str) -> String {
        let noises = Noises(&self.state.options.noise);
        let thoughts = if noises.has(Noise::Reasoning) { "\"reasoning\":\"So.\"," } else { "" };
        let members = match carrier {
            Carrier::Content => format!("{thoughts}{}", noises.content(text)),
            Carrier::Reasoning => format!("\"content\":null,\"reasoning\":{}", quoted(text)),
            Carrier::ToolCall => format!(
                "\"content\":null,\"tool_calls\":[{{\"id\":\"call_1\",\"type\":\"function\",\"function\":{{\"name\":\
                 \"answer\",\"arguments\":{}}}}}]",
                quoted(text)
            ),
        };
        let choice = format!(
            "{{\"index\":0,\"message\":{{\"role\":\"assistant\",{members}}},\"finish_reason\":\"{reason}\",\
             \"native_finish_reason\":\"{native}\",\"logprobs\":null}}"
        );
        if noises.has(Noise::SecondChoice) {
            let other = "{\"index\":1,\"message\":{\"content\":\"{\\\"other\\\": true}\"},\"finish_reason\":\"stop\"}";
            return format!("{choice},{other}");
        }
        choice
    }

    /// A scripted choice.
    async fn send_choice(&mut self, message: Value, finish_reason: Value) -> io::Result<bool> {
        let content = message["content"].as_str().unwrap_or_default();
        // An endpoint that says `length` has written as much as it was allowed to.
        let limit = self.body["max_tokens"].as_u64().filter(|_| finish_reason == "length");
        let written =
            limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or_else(|| tokens(content.len()));
        if !self.is_streamed() {
            let choice = json!({"index": 0, "message": message, "finish_reason": finish_reason,
                "native_finish_reason": finish_reason, "logprobs": null});
            // OpenRouter keeps a waiting connection alive with white space.
            let body = format!("\n\n{}", self.completion(&choice.to_string(), written));
            return send(self.socket, 200, "application/json", &[], body.as_bytes()).await;
        }
        let mut stream = self.stream();
        match &message["content"] {
            Value::String(text) => stream.text(text, Carrier::Content),
            _ => stream.message(&message),
        }
        stream.finish(&finish_reason, &finish_reason);
        stream.usage(&self.usage(written));
        stream.done();
        self.send_stream(stream.take()).await
    }

    fn is_streamed(&self) -> bool {
        self.state.options.streams && self.body["stream"] == true
    }

    fn stream(&self) -> Stream<'a> {
        let options = &self.state.options;
        Stream::new(&options.noise, &self.model, options.provider.name())
    }

    /// A stream that has only begun.
    fn broken_stream(&self) -> Stream<'a> {
        let mut stream = self.stream();
        stream.text(BEGINNING, Carrier::Content);
        stream
    }

    fn usage(&self, completion: usize) -> Value {
        let cached = prompt_cache::cached_tokens(&self.state.cached, self.body);
        let parts = self.body["messages"].as_array().into_iter().flatten();
        let mut prompt = 0;
        for part in parts.clone() {
            prompt += part["content"].as_str().map_or(0, str::len);
        }
        for part in parts.filter_map(|message| message["content"].as_array()).flatten() {
            let text = part["text"].as_str().unwrap_or_default();
            prompt += text.len();
        }
        let reasoning = if Noises(&self.state.options.noise).has(Noise::Reasoning) { 12 } else { 0 };
        let spent = Spent {
            prompt: tokens(prompt),
            cached,
            completion: completion + reasoning,
            reasoning,
            cost_usd: self.state.options.cost_usd,
        };
        usage(self.state.options.usage, spent)
    }

    /// A whole response, whose choices are this text.
    fn completion(&self, choices: &str, completion: usize) -> String {
        let noises = Noises(&self.state.options.noise);
        let envelope = format!(
            "\"id\":\"gen-fake\",\"object\":\"chat.completion\",\"created\":1767225600,\"model\":{},\"provider\":\"{}\"",
            quoted(&self.model),
            self.state.options.provider.name()
        );
        let usage = self.usage(completion);
        let members = if usage.is_null() { String::new() } else { format!(",\"usage\":{usage}") };
        format!("{}{}", noises.beginning(), noises.object(&envelope, &format!("[{choices}]"), &members, 0))
    }

    async fn open_stream(&mut self) -> io::Result<()> {
        let head = [
            ("Content-Type", "text/event-stream".to_owned()),
            ("Transfer-Encoding", "chunked".to_owned()),
            ("X-Generation-Id", "gen-fake".to_owned()),
        ];
        http::write_head(self.socket, 200, &head).await
    }

    /// Writes bytes in chunks that do not end where events do.
    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        http::write_chunks(self.socket, bytes, CHUNK_BYTES).await
    }

    async fn send_stream(&mut self, bytes: Vec<u8>) -> io::Result<bool> {
        self.open_stream().await?;
        self.write(&bytes).await?;
        self.socket.write_all(b"0\r\n\r\n").await?;
        Ok(true)
    }
}

fn whole_choice(text: &str, reason: &str) -> String {
    json!({"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": reason,
        "native_finish_reason": reason, "logprobs": null})
    .to_string()
}
