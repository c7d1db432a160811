//! The steps of a golden path, and the report of the mission.

use std::{sync::Arc, time::Duration};

use pipeline::clock::Clock;
use reqwest::Method;
use serde::Serialize;
use serde_json::{Value, json};

use super::client::{Answer, SmokeClient};
use crate::documents::sample;

/// How long a step may take, the run aside.
const STEP_LIMIT: Duration = Duration::from_secs(15);

/// The wait between two looks at the run.
const POLL: Duration = Duration::from_millis(250);

/// One step.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    pub name: &'static str,
    pub passed: bool,
    /// A sentence for people.
    pub detail: String,
    pub elapsed_ms: u64,
}

/// The report of a mission.
#[derive(Debug, Clone, Serialize)]
pub struct Mission {
    pub service: String,
    /// None if the service did not say.
    pub environment: Option<String>,
    pub git_sha: Option<String>,
    pub version: Option<String>,
    pub run_id: String,
    pub passed: bool,
    /// Whether the service answered at all.
    pub answered: bool,
    pub steps: Vec<Step>,
    pub elapsed_ms: u64,
}

struct Walker<'a> {
    client: &'a SmokeClient,
    clock: &'a Arc<dyn Clock>,
    steps: Vec<Step>,
}

/// Walks the whole path. `brand` names the profile to use, or else the service's first. `run_limit` bounds the run.
pub async fn walk(
    client: &SmokeClient,
    clock: &Arc<dyn Clock>,
    brand: Option<String>,
    run_limit: Duration,
) -> Mission {
    let begun = clock.monotonic();
    let run_id = format!("smoke-{}", uuid::Uuid::now_v7());
    let mut walker = Walker { client, clock, steps: Vec::new() };
    let health = walker.health().await;
    let answered = health.is_some();
    if answered && walker.submit(&run_id, brand).await {
        if walker.poll(&run_id, run_limit).await {
            walker.output(&run_id).await;
            walker.report(&run_id).await;
        }
        // Also after a failure, so that nothing is left behind.
        walker.delete(&run_id).await;
    }
    let text = |name: &str| health.as_ref()?.get(name)?.as_str().map(str::to_owned);
    Mission {
        service: client.place(),
        environment: text("environment"),
        git_sha: text("git_sha"),
        version: text("version"),
        run_id,
        passed: walker.steps.iter().all(|step| step.passed),
        answered,
        elapsed_ms: ms(clock.monotonic().saturating_sub(begun)),
        steps: walker.steps,
    }
}

impl Walker<'_> {
    /// Notes a step, with what it gave if it passed.
    async fn step<T>(
        &mut self,
        name: &'static str,
        limit: Duration,
        work: impl Future<Output = Result<(String, T), String>>,
    ) -> Option<T> {
        let begun = self.clock.monotonic();
        let result = tokio::time::timeout(limit, work)
            .await
            .unwrap_or_else(|_| Err(format!("not done within {} s", limit.as_secs())));
        let elapsed_ms = ms(self.clock.monotonic().saturating_sub(begun));
        let (passed, detail, value) = match result {
            Ok((detail, value)) => (true, detail, Some(value)),
            Err(detail) => (false, detail, None),
        };
        self.steps.push(Step { name, passed, detail, elapsed_ms });
        value
    }

    async fn health(&mut self) -> Option<Value> {
        let client = self.client;
        let health = self
            .step("health", STEP_LIMIT, async {
                let answer = client.ask(Method::GET, "/health", None).await?;
                let status =
                    answer.body.get("status").and_then(Value::as_str).unwrap_or("unknown").to_owned();
                Ok((format!("{} {status}", answer.status), answer))
            })
            .await?;
        self.step("ready", STEP_LIMIT, async {
            let answer = client.ask(Method::GET, "/health/ready", None).await?;
            expect(&answer, 200).map(|()| ("the service accepts runs".to_owned(), ()))
        })
        .await;
        Some(health.body)
    }

    async fn submit(&mut self, run_id: &str, brand: Option<String>) -> bool {
        let client = self.client;
        let submitted = self.step("submit", STEP_LIMIT, async {
            let brand = match brand {
                Some(brand) => brand,
                None => first_brand(client).await?,
            };
            let body = json!({
                "run_id": run_id,
                "blob_url": sample::ADDRESS,
                "analyst": "extractive",
                "company_id": brand,
            });
            let answer = client.ask(Method::POST, "/run", Some(&body)).await?;
            expect(&answer, 202).map(|()| (format!("run {run_id} for brand {brand}"), ()))
        });
        submitted.await.is_some()
    }

    async fn poll(&mut self, run_id: &str, limit: Duration) -> bool {
        let client = self.client;
        let path = format!("/status/{run_id}");
        let ended = self.step("run", limit, async {
            loop {
                let answer = client.ask(Method::GET, &path, None).await?;
                expect(&answer, 200)?;
                match answer.body.get("status").and_then(Value::as_str) {
                    Some("complete") => return Ok(("the run has ended".to_owned(), ())),
                    Some("failed") => {
                        let error = answer.body.get("error").cloned().unwrap_or_default();
                        return Err(format!("the run failed: {error}"));
                    }
                    _ => tokio::time::sleep(POLL).await,
                }
            }
        });
        ended.await.is_some()
    }

    async fn output(&mut self, run_id: &str) {
        let client = self.client;
        let path = format!("/api/pipeline/{run_id}");
        self.step("output", STEP_LIMIT, async {
            let answer = client.ask(Method::GET, &path, None).await?;
            expect(&answer, 200)?;
            for number in ["1", "2", "3", "4"] {
                let pointer = format!("/stages/{number}/output/meta/provider");
                match answer.body.pointer(&pointer).and_then(Value::as_str) {
                    Some("extractive") => {}
                    Some(other) => {
                        return Err(format!("stage {number} is by {other}, not by the extractive analyst"));
                    }
                    None => return Err(format!("stage {number} has no output")),
                }
            }
            Ok(("four stages by the extractive analyst".to_owned(), ()))
        })
        .await;
    }

    async fn report(&mut self, run_id: &str) {
        let client = self.client;
        let path = format!("/api/pipeline/{run_id}/report");
        self.step("report", STEP_LIMIT, async {
            let answer = client.ask(Method::GET, &path, None).await?;
            expect(&answer, 200)?;
            let length = answer.body.as_str().map_or_else(|| answer.body.to_string().len(), str::len);
            if length == 0 {
                return Err("the report is empty".to_owned());
            }
            Ok((format!("a report of {length} bytes"), ()))
        })
        .await;
    }

    async fn delete(&mut self, run_id: &str) {
        let client = self.client;
        let path = format!("/api/pipeline/{run_id}");
        self.step("delete", STEP_LIMIT, async {
            // A run that has not ended must be cancelled first.
            let cancel = format!("{path}/cancel");
            let mut answer = client.ask(Method::DELETE, &path, None).await?;
            if answer.status == 409 {
                let _ = client.ask(Method::POST, &cancel, None).await?;
                answer = client.ask(Method::DELETE, &path, None).await?;
            }
            if !(200..300).contains(&answer.status) {
                return Err(refused(&answer));
            }
            let gone = client.ask(Method::GET, &path, None).await?;
            match gone.status {
                404 | 410 => Ok(("the run is gone".to_owned(), ())),
                status => Err(format!("the deleted run still answers {status}")),
            }
        })
        .await;
    }
}

async fn first_brand(client: &SmokeClient) -> Result<String, String> {
    let answer = client.ask(Method::GET, "/brands", None).await?;
    expect(&answer, 200)?;
    let brands = answer.body.get("brands").and_then(Value::as_array);
    let is_valid = |brand: &&Value| brand.get("is_valid").and_then(Value::as_bool) != Some(false);
    let first = brands.and_then(|brands| brands.iter().find(is_valid));
    let id =
        first.and_then(|brand| brand.get("id").or_else(|| brand.get("brand_id"))).and_then(Value::as_str);
    id.map(str::to_owned).ok_or_else(|| "the service has no valid brand".to_owned())
}

fn expect(answer: &Answer, status: u16) -> Result<(), String> {
    if answer.status == status { Ok(()) } else { Err(refused(answer)) }
}

/// The status, and the code of the problem if there is one.
fn refused(answer: &Answer) -> String {
    let text = |name: &str| answer.body.get(name).and_then(Value::as_str).unwrap_or_default();
    format!("answered {} {} {}", answer.status, text("code"), text("detail")).trim().to_owned()
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
