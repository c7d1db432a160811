//! The frontend's part: posts runs until they are accepted, and follows each to its end.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};

use super::chaos::Cluster;

/// Between two attempts at the same request, and between two looks at a run.
const AGAIN: Duration = Duration::from_millis(400);

/// The right end of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Complete,
    /// Failed, with this code.
    Failed(&'static str),
}

/// The right end of the run with this number: one in ten has a document that cannot be read.
pub(super) fn wanted(number: usize) -> Wanted {
    match number % 20 {
        7 => Wanted::Failed("DOCUMENT_UNAVAILABLE"),
        14 => Wanted::Failed("DOCUMENT_NO_TEXT"),
        _ => Wanted::Complete,
    }
}

pub(super) fn run_id(number: usize) -> String {
    format!("soak-{number:04}")
}

#[derive(Debug)]
pub(super) struct Client<'a> {
    http: reqwest::Client,
    cluster: &'a Cluster,
    turn: AtomicUsize,
    /// Answers that no client should see.
    pub(super) complaints: Mutex<Vec<String>>,
    /// Requests that had to be made again.
    pub(super) repeated: AtomicUsize,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cluster")
    }
}

impl<'a> Client<'a> {
    pub(super) fn new(cluster: &'a Cluster) -> Self {
        // A paused replica takes connections and answers nothing.
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(8)).build().unwrap();
        Self {
            http,
            cluster,
            turn: AtomicUsize::new(0),
            complaints: Mutex::default(),
            repeated: AtomicUsize::new(0),
        }
    }

    /// Asks some replica; none where there is no answer.
    async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Option<(u16, Value)> {
        let ports = self.cluster.ports();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let port = ports.get(turn % ports.len().max(1))?;
        let mut request =
            self.http.request(method.parse().unwrap(), format!("http://127.0.0.1:{port}{path}"));
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let response = request.send().await.ok()?;
        let status = response.status().as_u16();
        let text = response.text().await.ok()?;
        Some((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    /// Asks until a run is accepted, then looks at it until it has ended.
    pub(super) async fn run(&self, number: usize) {
        let run_id = run_id(number);
        let blob = &self.cluster.env.blob;
        let url = match wanted(number) {
            Wanted::Complete => blob.url(&format!("marked/{run_id}.md")),
            Wanted::Failed("DOCUMENT_NO_TEXT") => blob.url("fixture/image-only.pdf"),
            Wanted::Failed(_) => blob.url("gone"),
        };
        let body =
            json!({"run_id": run_id, "blob_url": url, "company_id": "decathlon", "user_id": "user_2abc"});
        self.until(&run_id, &[202], || self.ask("POST", "/run", Some(&body))).await;
        let path = format!("/status/{run_id}");
        loop {
            // A client's own pace; the soak's time limit ends the loop.
            tokio::time::sleep(AGAIN).await;
            match self.ask("GET", &path, None).await {
                Some((200, status)) if status["status"] != "running" => return,
                // No answer, and "not now", are answers of their own.
                Some((200 | 503, _)) | None => {}
                // An operator brings the row back after the soak.
                Some((404, _)) if self.cluster.has_restored_backup() => return,
                Some((status, answer)) => self.complain(&run_id, status, &answer),
            }
        }
    }

    /// `POST /api/pipeline/{id}/retry`, until it is taken.
    pub(super) async fn retry(&self, run_id: &str) {
        let path = format!("/api/pipeline/{run_id}/retry");
        // 409: it has been taken already, and the answer was lost.
        self.until(run_id, &[200, 202, 409], || self.ask("POST", &path, None)).await;
    }

    async fn until<F: Future<Output = Option<(u16, Value)>>>(
        &self,
        run_id: &str,
        wanted: &[u16],
        ask: impl Fn() -> F,
    ) {
        loop {
            match ask().await {
                Some((status, _)) if wanted.contains(&status) => return,
                Some((503 | 429, _)) | None => {}
                Some((status, answer)) => self.complain(run_id, status, &answer),
            }
            self.repeated.fetch_add(1, Ordering::Relaxed);
            // As above: a client's own pace.
            tokio::time::sleep(AGAIN).await;
        }
    }

    fn complain(&self, run_id: &str, status: u16, answer: &Value) {
        self.complaints.lock().unwrap().push(format!("{run_id}: a client saw {status}: {answer}"));
    }
}
