//! A frontend that takes webhooks, over real HTTP, and can be told to take them badly.

// Each binary uses its own part of it.
#![allow(dead_code)]

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::{
    frontend::Frontend,
    wait::{eventually, wanted},
};

/// How one request is answered.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Manner {
    Status(u16),
    /// Takes the request, and never answers.
    Hang,
    Slow(Duration),
    /// The frontend carries it out only after so long, even if the service no longer waits.
    Late(Duration),
    /// To a place that must not be called.
    Redirect,
}

/// A request that came in whole.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) raw: String,
    pub(crate) body: Value,
    /// The status of its answer; none where there was none.
    pub(crate) answered: Option<u16>,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// Run, and what it is about: `init`, `1`…`5` with its status, or `complete`.
    pub(crate) fn what(&self) -> (String, String) {
        if self.path.ends_with("/init") {
            return (self.body["runId"].as_str().unwrap_or_default().to_owned(), "init".to_owned());
        }
        let mut parts = self.path.rsplit('/');
        let route = parts.next().unwrap();
        let run = parts.next().unwrap().to_owned();
        match route {
            "complete" => (run, "complete".to_owned()),
            _ => (
                run,
                format!("{} {}", self.body["stageNumber"], self.body["status"].as_str().unwrap_or_default()),
            ),
        }
    }
}

#[derive(Debug, Default)]
struct State {
    received: Vec<Received>,
    script: VecDeque<Manner>,
    usual: Option<Manner>,
    /// Answers what no manner answers.
    frontend: Option<Frontend>,
}

/// The receiver. Ends with its test's runtime.
#[derive(Debug, Clone)]
pub(crate) struct Receiver {
    pub(crate) port: u16,
    state: Arc<Mutex<State>>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Self { port: listener.local_addr().unwrap().port(), state: Arc::default() };
        let serving = receiver.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = serving.clone();
                tokio::spawn(async move { serving.answer(stream).await });
            }
        });
        receiver
    }

    /// A receiver that is a frontend: it takes what it would take, into the same database.
    pub(crate) async fn of(frontend: Frontend) -> Self {
        let receiver = Self::start().await;
        receiver.state.lock().unwrap().frontend = Some(frontend);
        receiver
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The next requests are answered so, one each.
    pub(crate) fn script(&self, manners: impl IntoIterator<Item = Manner>) {
        self.state.lock().unwrap().script.extend(manners);
    }

    /// All others are.
    pub(crate) fn usually(&self, manner: Manner) {
        self.state.lock().unwrap().usual = Some(manner);
    }

    /// All others are taken by the frontend.
    pub(crate) fn usually_frontend(&self) {
        self.state.lock().unwrap().usual = None;
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.state.lock().unwrap().received.clone()
    }

    /// The events of a run that were taken (answered 2xx), in order.
    pub(crate) fn taken(&self, run: &str) -> Vec<String> {
        let all = self.received();
        let taken = all.iter().filter(|one| one.answered.is_some_and(|status| (200..300).contains(&status)));
        taken.map(Received::what).filter(|(of, _)| of == run).map(|(_, what)| what).collect()
    }

    /// Leaves out of [`Receiver::taken`] the events that may be past before they are sent: beginnings, and `init`.
    pub(crate) fn ends(&self, run: &str) -> Vec<String> {
        let mut ends = self.taken(run);
        ends.retain(|what| !what.ends_with("PROCESSING") && what != "init");
        ends
    }

    /// Waits until these ends were taken of a run.
    pub(crate) async fn wait_for_ends(&self, run: &str, ends: &[&str]) {
        let look = async || if self.ends(run) == ends { Ok(()) } else { Err(self.taken(run)) };
        eventually(&format!("{ends:?} of {run}"), look).await;
    }

    /// Waits until these events were taken of a run.
    pub(crate) async fn wait_for_taken(&self, run: &str, events: &[&str]) {
        eventually(&format!("{events:?} of {run}"), async || {
            wanted(self.taken(run), |taken| taken == events)
        })
        .await;
    }

    async fn answer(&self, mut stream: TcpStream) {
        let mut buffer = Vec::new();
        while let Some((head, length)) = self.read(&mut stream, &mut buffer).await {
            let raw =
                String::from_utf8(buffer.drain(..head.len() + 4 + length).skip(head.len() + 4).collect());
            let raw = raw.unwrap();
            let (manner, frontend) = {
                let mut state = self.state.lock().unwrap();
                (state.script.pop_front().or(state.usual), state.frontend.clone())
            };
            let late = match manner {
                Some(Manner::Late(wait)) => wait,
                _ => Duration::ZERO,
            };
            let frontend = frontend.filter(|_| manner.is_none() || !late.is_zero());
            let manner = manner.unwrap_or(Manner::Status(200));
            let (mut status, wait) = match manner {
                Manner::Status(status) => (Some(status), Duration::ZERO),
                Manner::Slow(wait) => (Some(200), wait),
                Manner::Late(_) => (Some(200), Duration::ZERO),
                Manner::Redirect => (Some(307), Duration::ZERO),
                Manner::Hang => (None, Duration::ZERO),
            };
            if head.starts_with("HEAD ") {
                // The question whether anybody is there. It is no event.
                let answer = format!("HTTP/1.1 {} X\r\ncontent-length: 0\r\n\r\n", status.unwrap_or(200));
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
                continue;
            }
            let mut lines = head.split("\r\n");
            let path = lines.next().unwrap().split(' ').nth(1).unwrap().to_owned();
            let headers = lines.filter_map(|line| line.split_once(": "));
            let headers: Vec<(String, String)> =
                headers.map(|(key, value)| (key.to_lowercase(), value.to_owned())).collect();
            let body: Value = serde_json::from_str(&raw).unwrap();
            if let Some(frontend) = frontend {
                // The delay is the manner that the test asked for.
                tokio::time::sleep(late).await;
                let secret = headers.iter().find(|(key, _)| key == "x-webhook-secret");
                let secret = secret.map_or("", |(_, value)| value);
                status = Some(frontend.take(&path, secret, &body).await);
            }
            // So is this one.
            tokio::time::sleep(wait).await;
            self.state.lock().unwrap().received.push(Received { path, headers, raw, body, answered: status });
            let Some(status) = status else { return std::future::pending().await };
            let location =
                if status == 307 { format!("location: {}/elsewhere\r\n", self.url()) } else { String::new() };
            let answer = format!("HTTP/1.1 {status} X\r\n{location}content-length: 2\r\n\r\n{{}}");
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }

    /// A request's head, and how long its body is, when both are there.
    async fn read(&self, stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<(String, usize)> {
        loop {
            let text = String::from_utf8_lossy(buffer).into_owned();
            if let Some((head, _)) = text.split_once("\r\n\r\n") {
                let length = head.to_lowercase();
                let length = length.split_once("content-length: ").map_or("0", |(_, rest)| rest);
                let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
                if buffer.len() >= head.len() + 4 + length {
                    return Some((head.to_owned(), length));
                }
            }
            if stream.read_buf(buffer).await.ok()? == 0 {
                return None;
            }
        }
    }
}
