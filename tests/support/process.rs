//! The real binary as a service: its process, its log, and requests to it.

// Each binary uses its own part of it.
#![allow(dead_code)]

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use futures_util::future::join_all;
use serde_json::Value;

use super::{
    log,
    wait::{TIMEOUT, eventually},
};

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    /// Status and problem code.
    pub(crate) fn code(&self) -> (u16, &str) {
        (self.status, self.body["code"].as_str().unwrap_or_default())
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// A running service. Dropping it kills it.
pub(crate) struct Service {
    child: Child,
    pub(crate) port: u16,
    log: PathBuf,
    client: reqwest::Client,
}

impl Service {
    /// Starts a command that serves on a port, and waits until it answers; its log is kept in a folder.
    pub(crate) async fn start(mut command: Command, port: u16, folder: &Path) -> Self {
        let log = folder.join(format!("service-{port}.log"));
        let file = std::fs::File::create(&log).unwrap();
        let child =
            command.stdout(file.try_clone().unwrap()).stderr(file).stdin(Stdio::null()).spawn().unwrap();
        foundation::tls::install_crypto();
        let client = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build().unwrap();
        let mut service = Self { child, port, log, client };
        eventually("the service answers", async || {
            let ended = service.child.try_wait().unwrap();
            assert!(ended.is_none(), "the service ended: {ended:?}");
            service.get("/health/live").await
        })
        .await;
        service
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// All that it has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// A GET; none where there is no answer at all.
    pub(crate) async fn get(&self, path: &str) -> Option<(u16, Value)> {
        let response = self.client.get(self.url(path)).send().await.ok()?;
        let status = response.status().as_u16();
        let text = response.text().await.ok()?;
        Some((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    /// A request without a body, with a header more; none where there is no answer at all.
    pub(crate) async fn ask(&self, method: &str, path: &str, accept: &str) -> Option<Answer> {
        let method = method.parse().unwrap();
        let response =
            self.client.request(method, self.url(path)).header("accept", accept).send().await.ok()?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.ok()?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Some(Answer { status, headers, body })
    }

    /// A request that is answered.
    pub(crate) async fn call(&self, method: &str, path: &str) -> Answer {
        self.ask(method, path, "*/*").await.unwrap_or_else(|| panic!("{method} {path}: no answer"))
    }

    /// The lines of its log with this event.
    pub(crate) fn events(&self, name: &str) -> Vec<Value> {
        log::events(&self.log(), name)
    }

    /// The lines of its log with this event, of this run.
    pub(crate) fn run_events(&self, run_id: &str, name: &str) -> Vec<Value> {
        self.events(name).into_iter().filter(|line| line["run_id"] == run_id).collect()
    }

    /// Waits until it has logged an event; returns the first such line.
    pub(crate) async fn wait_for_event(&self, name: &str) -> Value {
        eventually(name, async || self.events(name).into_iter().next()).await
    }

    /// Waits until it has logged an event of a run; returns the first such line.
    pub(crate) async fn wait_for_run_event(&self, run_id: &str, name: &str) -> Value {
        eventually(&format!("{name} of {run_id}"), async || self.run_events(run_id, name).into_iter().next())
            .await
    }

    /// A request with JSON and more headers, answered.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        body: &Value,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = self.client.request(method.parse().unwrap(), self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.header("content-type", "application/json").body(body.to_string());
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Answer { status, headers, body }
    }

    /// Asks for a path again and again, eight times at once: more than a test's database has connections.
    pub(crate) async fn load(&self, path: &str, headers: &[(&str, &str)]) -> ! {
        loop {
            join_all((0..8).map(|_| self.send("GET", path, &Value::Null, headers))).await;
        }
    }

    /// `POST /run`; none where there is no answer at all.
    pub(crate) async fn post(&self, body: &Value) -> Option<(u16, Value)> {
        let request = self.client.post(self.url("/run")).header("content-type", "application/json");
        let response = request.body(body.to_string()).send().await.ok()?;
        let status = response.status().as_u16();
        let text = response.text().await.ok()?;
        Some((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    /// `POST /run`, accepted.
    #[track_caller]
    pub(crate) fn submit<'a>(&'a self, body: &'a Value) -> impl Future<Output = Value> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let (status, answer) = self.post(body).await.unwrap();
            assert_eq!(status, 202, "{caller}: {answer}");
            answer
        }
    }

    /// The run's status when it has ended.
    pub(crate) async fn ended(&self, run_id: &str) -> Value {
        self.wait_for(run_id, |status| status["status"] != "running").await
    }

    /// The run's status when it is as wanted.
    pub(crate) async fn wait_for(&self, run_id: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
        self.wait_for_path(&format!("/status/{run_id}"), |code, status| code == 200 && is_wanted(status))
            .await
    }

    /// Waits until a GET of `path` answers as wanted.
    pub(crate) async fn wait_for_path(&self, path: &str, is_wanted: impl Fn(u16, &Value) -> bool) -> Value {
        let look = async || match self.get(path).await {
            Some((code, body)) if is_wanted(code, &body) => Ok(body),
            other => Err(other),
        };
        eventually(path, look).await
    }

    /// Resident memory.
    pub(crate) fn memory_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// The time from a run's start to its end, by its log.
    pub(crate) fn run_time(&self, run_id: &str) -> Duration {
        let time = |event: &str| {
            let line = self.run_events(run_id, event).remove(0);
            line["timestamp"].as_str().unwrap().parse::<pipeline::clock::Timestamp>().unwrap()
        };
        (time("run_ended") - time("run_started")).to_std().unwrap()
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Waits until SIGKILL has ended it.
    pub(crate) async fn killed(&mut self) {
        assert_eq!(self.wait().await, None);
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end, and returns its exit code.
    pub(crate) async fn wait(&mut self) -> Option<i32> {
        let status = eventually("the service ends", async || self.child.try_wait().unwrap()).await;
        status.code()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            println!("the log of the service at port {}: {}", self.port, log::tail(&self.log()));
        }
    }
}
