//! The frontend is told what becomes of its runs: in order, at least once, by one of several replicas, whatever fails.

mod gateway;

use std::{collections::HashMap, time::Duration};

use backend::webhooks::sign;
use serde_json::Value;

use crate::support::{
    innovation,
    openrouter::{
        Reply, Wrapping,
        h2::{Front, Speaks},
    },
    postgres::Stop,
    receiver::{Manner, Receiver},
    service::{TestEnv, env, refuses_for_good},
    wait::{eventually, wanted},
};

/// The database tells a completion only: its tables tell the rest.
const COMPLETE: [&str; 1] = ["complete"];
/// The ends that files tell of a run.
const WHOLE: [&str; 6] =
    ["1 COMPLETED", "2 COMPLETED", "3 COMPLETED", "4 COMPLETED", "5 COMPLETED", "complete"];
const SECRET: &str = "0123456789abcdef-secret";
const KEYS: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw,whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const FILE_ONLY: (&str, &str) = ("ENABLE_DATABASE_WRITES", "false");

struct Case {
    env: TestEnv,
    receiver: Receiver,
    url: String,
}

impl Case {
    async fn new(latency: Duration) -> Self {
        let env = env(latency).await;
        let receiver = Receiver::start().await;
        let url = receiver.url();
        Self { env, receiver, url }
    }

    /// The settings of a service that sends to the receiver.
    fn settings<'a>(&'a self, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let mut all = vec![
            ("FRONTEND_WEBHOOK_URL", self.url.as_str()),
            ("WEBHOOK_SECRET", SECRET),
            ("WEBHOOK_SIGNING_SECRETS", KEYS),
            ("WEBHOOK_TIMEOUT_SECONDS", "1"),
        ];
        all.extend(more);
        all
    }

    /// `innovation webhooks … --json`
    fn command(&self, arguments: &[&str], more: &[(&str, &str)]) -> (Option<i32>, Vec<Value>) {
        let mut all = vec!["webhooks"];
        all.extend(arguments);
        all.push("--json");
        let output = innovation(&all)
            .env("APP_BASE_DIR", self.env.folder.path())
            .env("DATABASE_URL", self.env.database_url())
            .envs(self.settings(more))
            .output()
            .unwrap();
        let lines = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    }
}

#[tokio::test]
async fn webhooks_are_ordered_signed_and_match_the_frontend() {
    let case = Case::new(Duration::ZERO).await;
    let service = case.env.serve(&case.settings(&[FILE_ONLY])).await;
    service.submit(&case.env.request("run-1")).await;
    case.receiver.wait_for_ends("run-1", &WHOLE).await;
    let all = case.receiver.received();
    assert_eq!((all[0].what().1.as_str(), all[0].path.as_str()), ("init", "/api/pipeline/init"));
    assert_eq!(all.iter().filter(|one| one.what().1 == "init").count(), 1);
    for one in &all {
        assert_eq!(one.header("x-webhook-secret"), SECRET);
        let (id, at) = (one.header("webhook-id"), one.header("webhook-timestamp").parse().unwrap());
        let config = backend::config::Config::from_variables(
            case.settings(&[]).iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            backend::config::Purpose::Command,
        );
        let keys = config.unwrap().webhooks.target.unwrap().signing_keys;
        let signed = sign::signatures(&keys, id, at, one.raw.as_bytes()).unwrap();
        assert_eq!((one.header("webhook-signature"), signed.split(' ').count()), (signed.as_str(), 2));
    }
    let ends: Vec<_> = all.iter().filter(|one| WHOLE.contains(&one.what().1.as_str())).collect();
    let first = &ends[0].body;
    assert_eq!(first["stageName"], "Input Processing");
    let output: Value = serde_json::from_str(first["output"].as_str().unwrap()).unwrap();
    assert!(output["inspirations"][0]["title"].is_string() && output["meta"].is_object());
    assert!(first["completedAt"].as_str().unwrap().ends_with('Z'));
    let fifth: Value = serde_json::from_str(ends[4].body["output"].as_str().unwrap()).unwrap();
    assert_eq!(fifth["opportunities"].as_array().unwrap().len(), 5);
    let complete = &ends[5].body;
    assert_eq!((&complete["status"], complete["duration"].is_u64()), (&"COMPLETED".into(), true));
    let card = &complete["opportunities"][0];
    assert_eq!(card["number"], 1);
    assert!(card["title"].is_string() && card["markdown"].is_string());
    for (stage, list) in [("stage1", "inspirations"), ("stage2", "trends"), ("stage3", "lessons")] {
        assert!(complete["stageOutputs"][stage][list][0].is_object(), "{complete}");
    }
    let log = service.log();
    assert!(!log.contains(SECRET) && !log.contains("whsec_") && !log.contains("MfKQ"), "no secret is logged");
}

#[tokio::test]
async fn a_frontend_with_a_private_authority_is_reached() {
    for speaks in [Speaks::Http2, Speaks::Http1] {
        let env = TestEnv::files_only().await;
        let receiver = Receiver::start().await;
        let front = Front::start(&receiver.url(), &env.blob.authority, speaks);
        let url = front.origin();
        let settings = [FILE_ONLY, ("FRONTEND_WEBHOOK_URL", url.as_str()), ("WEBHOOK_SECRET", SECRET)];
        let service = env.serve(&settings).await;
        service.submit(&env.request("run-1")).await;
        receiver.wait_for_ends("run-1", &WHOLE).await;
        assert_eq!(front.connections(), 1, "{speaks:?}");
    }
}

#[tokio::test]
async fn without_a_receiver_nothing_is_queued_or_sent() {
    let case = Case::new(Duration::ZERO).await;
    for mode in [&[][..], &[FILE_ONLY]] {
        let run = format!("run-{}", mode.len());
        let service = case.env.serve(mode).await;
        service.submit(&case.env.request(&run)).await;
        assert_eq!(service.ended(&run).await["status"], "complete");
        assert!(case.env.manifest(&run).get("webhooks").is_none());
    }
    assert_eq!(case.env.value(r#"SELECT count(*)::text FROM "WebhookDelivery""#).await, "0");
    assert!(!case.env.run_folder("x").with_file_name(".webhooks").exists());
}

#[tokio::test]
async fn failed_deliveries_retry_in_order_without_delaying_runs() {
    let case = Case::new(Duration::ZERO).await;
    let service = case.env.serve(&case.settings(&[])).await;
    case.receiver.script([
        Manner::Status(500),
        Manner::Hang,
        Manner::Redirect,
        Manner::Slow(Duration::from_millis(300)),
        Manner::Status(404),
    ]);
    service.submit(&case.env.request("run-1")).await;
    let begun = std::time::Instant::now();
    assert_eq!(service.ended("run-1").await["status"], "complete");
    println!("ended after {:?} while its first webhook fails", begun.elapsed());
    assert!(case.receiver.taken("run-1").is_empty(), "the run is ahead of its receiver");
    case.receiver.wait_for_taken("run-1", &COMPLETE).await;
    let all = case.receiver.received();
    assert!(all.iter().all(|one| !one.path.contains("elsewhere")), "no redirect is followed");
    let firsts: Vec<_> = all[..4].iter().map(|one| one.header("webhook-id").to_owned()).collect();
    assert!(firsts.iter().all(|id| *id == firsts[0]), "a repetition has the same id: {firsts:?}");
}

#[tokio::test]
async fn gone_is_gone_until_it_is_replayed() {
    for mode in [&[][..], &[FILE_ONLY]] {
        let case = Case::new(Duration::ZERO).await;
        let service = case.env.serve(&case.settings(mode)).await;
        case.receiver.usually(Manner::Status(410));
        service.submit(&case.env.request("run-1764511200000-1")).await;
        service.ended("run-1764511200000-1").await;
        let outcomes = || {
            let (_, lines) = case.command(&["status", "--run", "run-1764511200000-1"], mode);
            lines.iter().map(|line| line["outcome"].as_str().unwrap_or("open").to_owned()).collect::<Vec<_>>()
        };
        let is_settled =
            |all: &[String]| !all.is_empty() && all.iter().all(|one| one == "gone" || one == "superseded");
        eventually("all is delivered or given up", async || wanted(outcomes(), |all| is_settled(all))).await;
        assert_eq!(case.receiver.received().len(), 1, "nothing after the 410");
        case.receiver.usually(Manner::Status(200));
        service.submit(&case.env.request("run-2")).await;
        let whole: &[&str] = if mode.is_empty() { &COMPLETE } else { &WHOLE };
        case.receiver.wait_for_ends("run-2", whole).await;
        let (code, lines) = case.command(&["replay", "--run", "run-1764511200000-1"], mode);
        assert_eq!((code, &lines[0]["events"]), (Some(0), &whole.len().into()));
        case.receiver.wait_for_ends("run-1764511200000-1", whole).await;
        assert_eq!(case.command(&["replay", "--run", "unknown"], mode).0, Some(1));
        let records =
            r#"SELECT string_agg("action" || ' ' || "target", ', ') FROM "innovation"."AuditRecord""#;
        let waiting = case.env.folder.path().join("data/test-outputs/.audit");
        if mode.is_empty() {
            assert_eq!(case.env.value(records).await, "webhook.replay run-1764511200000-1");
        } else {
            assert_eq!(std::fs::read_dir(waiting).unwrap().count(), 1, "it waits for another mode");
        }
    }
}

// The receiver answers while the command runs.
#[tokio::test(flavor = "multi_thread")]
async fn send_now_ignores_the_backoff() {
    let case = Case::new(Duration::ZERO).await;
    let mut service = case.env.serve(&case.settings(&[])).await;
    case.receiver.usually(Manner::Status(503));
    service.submit(&case.env.request("run-1")).await;
    service.ended("run-1").await;
    eventually("a refused attempt", async || !case.receiver.received().is_empty()).await;
    service.kill();
    // As after hours of refusals.
    case.env.query(r#"UPDATE "WebhookDelivery" SET "nextAttemptAt" = now() + interval '1 hour'"#).await;
    let so_far = case.receiver.received().len();
    let (code, lines) = case.command(&["send-now"], &[]);
    assert_eq!((code, &lines[0]["pending"]), (Some(1), &1.into()), "{lines:?}");
    assert!(case.receiver.received().len() > so_far, "it was tried");
    case.env.query(r#"UPDATE "WebhookDelivery" SET "nextAttemptAt" = now() + interval '1 hour'"#).await;
    case.receiver.usually(Manner::Status(200));
    let (code, lines) = case.command(&["send-now"], &[("WEBHOOK_TIMEOUT_SECONDS", "10")]);
    let sent = &lines[0];
    assert_eq!((code, &sent["delivered"], &sent["pending"]), (Some(0), &1.into(), &0.into()), "{lines:?}");
    case.receiver.wait_for_taken("run-1", &COMPLETE).await;
    let (code, lines) =
        case.command(&["send-now"], &[("DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")]);
    assert_eq!((code, lines), (Some(3), vec![]), "it cannot look");
    let records = r#"SELECT string_agg("new"->>'delivered', ', ' ORDER BY "id") FROM "innovation"."AuditRecord"
                     WHERE "action" = 'webhook.send_now'"#;
    assert_eq!(case.env.value(records).await, "0, 1");
}

#[tokio::test]
async fn file_webhooks_cover_failure_cancellation_and_retry() {
    let case = Case::new(Duration::ZERO).await;
    let service = case.env.serve(&case.settings(&[FILE_ONLY])).await;
    case.env.model.script([Reply::Answer(Wrapping::None)]);
    case.env.model.script([refuses_for_good()]);
    service.submit(&case.env.request("run-1")).await;
    case.receiver.wait_for_ends("run-1", &["1 COMPLETED", "2 FAILED"]).await;
    let failed = case.receiver.received().pop().unwrap().body;
    let failed: Value = serde_json::from_str(failed["output"].as_str().unwrap()).unwrap();
    assert_eq!(failed["error"]["code"], "LLM_ERROR");
    case.env.model.script([Reply::HangBeforeHeaders]);
    assert_eq!(service.call("POST", "/api/pipeline/run-1/retry").await.status, 202);
    eventually("the third call", async || case.env.model.calls() >= 3).await;
    assert_eq!(service.call("POST", "/api/pipeline/run-1/cancel").await.status, 200);
    let so_far = ["1 COMPLETED", "2 FAILED", "2 FAILED"];
    case.receiver.wait_for_ends("run-1", &so_far).await;
    assert_eq!(service.call("POST", "/api/pipeline/run-1/retry").await.status, 202);
    case.receiver.wait_for_ends("run-1", &[&so_far[..], &WHOLE[1..]].concat()).await;
    let all = case.receiver.received();
    let ids: std::collections::HashSet<_> = all.iter().map(|one| one.header("webhook-id")).collect();
    assert_eq!(ids.len(), all.len(), "each its own");
    // The failure and the cancellation are history: what is told again is what is counted.
    let (code, lines) = case.command(&["replay", "--run", "run-1"], &[FILE_ONLY]);
    assert_eq!((code, &lines[0]["events"]), (Some(0), &6.into()), "{lines:?}");
    case.receiver.wait_for_ends("run-1", &[&so_far[..], &WHOLE[1..], &WHOLE[..]].concat()).await;
}

#[tokio::test]
async fn failures_shown_in_tables_need_no_webhook() {
    let case = Case::new(Duration::ZERO).await;
    let service = case.env.serve(&case.settings(&[])).await;
    case.env.model.script([Reply::Answer(Wrapping::None)]);
    case.env.model.script([refuses_for_good()]);
    service.submit(&case.env.request("run-1")).await;
    assert_eq!(service.ended("run-1").await["status"], "failed");
    assert_eq!(service.call("POST", "/api/pipeline/run-1/retry").await.status, 202);
    case.receiver.wait_for_taken("run-1", &COMPLETE).await;
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn the_next_process_delivers_a_killed_ones_webhook() {
    for point in ["stage-in-database:2", "webhook-claimed", "webhook-sent", "end-in-database"] {
        let case = Case::new(Duration::ZERO).await;
        let settings = case.settings(&[("CRASH_AT", point), ("LEASE_SECONDS", "3")]);
        let mut service = case.env.serve(&settings).await;
        let _ = service.post(&case.env.request("run-1")).await;
        service.killed().await;
        let _service = case.env.serve(&case.settings(&[("LEASE_SECONDS", "3")])).await;
        let all = r#"SELECT count(*) || ' ' || count(*) FILTER (WHERE "outcome" = 'delivered') FROM "WebhookDelivery""#;
        case.env.wait_for_value(all, "1 1").await;
        let mut taken = case.receiver.taken("run-1");
        let repeated = taken.len() - 1;
        taken.dedup();
        assert_eq!(taken, COMPLETE, "{point}: in order");
        assert!(repeated <= 1, "{point}: {repeated}");
        println!("{point}: {repeated} told twice");
    }
}

#[tokio::test]
async fn only_one_replica_sends_each_webhook() {
    const RUNS: usize = 30;
    let case = Case::new(Duration::ZERO).await;
    let settings = case.settings(&[]);
    let (one, two) = tokio::join!(case.env.replica("one", &settings), case.env.replica("two", &settings));
    for number in 0..RUNS {
        let replica = if number % 2 == 0 { &one } else { &two };
        replica.submit(&case.env.request(&format!("run-{number}"))).await;
    }
    for number in 0..RUNS {
        case.receiver.wait_for_taken(&format!("run-{number}"), &COMPLETE).await;
    }
    let mut times: HashMap<String, usize> = HashMap::new();
    for one in case.receiver.received() {
        *times.entry(one.header("webhook-id").to_owned()).or_default() += 1;
    }
    let twice = times.values().filter(|times| **times > 1).count();
    println!("{} events of {RUNS} runs on two replicas, {twice} told twice", times.len());
    assert_eq!((times.len(), twice), (RUNS, 0));
}

#[tokio::test]
async fn an_outage_delivers_by_file_and_never_twice() {
    let mut case = Case::new(Duration::ZERO).await;
    let service = case.env.serve(&case.settings(&[])).await;
    case.env.postgres().stop(Stop::Immediate);
    service.submit(&case.env.request("run-1")).await;
    case.receiver.wait_for_ends("run-1", &WHOLE).await;
    // And one whose receiver is away too: the database takes it over.
    case.receiver.usually(Manner::Status(503));
    service.submit(&case.env.request("run-2")).await;
    assert_eq!(service.ended("run-2").await["status"], "complete");
    case.env.postgres().start_again();
    case.env.wait_until_synced("run-1").await;
    case.env.wait_until_synced("run-2").await;
    case.receiver.usually(Manner::Status(200));
    // Its tables tell the rest of it by now.
    case.receiver.wait_for_ends("run-2", &COMPLETE).await;
    case.env
        .wait_for_value(r#"SELECT count(*)::text FROM "WebhookDelivery" WHERE "settledAt" IS NULL"#, "0")
        .await;
    assert_eq!(case.receiver.ends("run-1"), WHOLE, "once");
    case.env.manifest_when("run-1", |manifest| manifest.get("webhooks").is_none()).await;
}

#[tokio::test]
async fn files_deliver_what_tables_lack_exactly_once() {
    let mut case = Case::new(Duration::from_millis(300)).await;
    let service = case.env.serve(&case.settings(&[])).await;
    service.submit(&case.env.request("run-1")).await;
    let second = r#"SELECT ("stage2Output" IS NOT NULL)::text FROM "PipelineRun" WHERE "id" = 'run-1'"#;
    case.env.wait_for_value(second, "true").await;
    case.env.postgres().stop(Stop::Immediate);
    case.receiver.wait_for_ends("run-1", &WHOLE[2..]).await;
    assert!(!case.receiver.taken("run-1").contains(&"init".to_owned()), "its row is there");
    case.env.postgres().start_again();
    case.env.wait_until_synced("run-1").await;
    case.env
        .wait_for_value(r#"SELECT count(*)::text FROM "WebhookDelivery" WHERE "settledAt" IS NULL"#, "0")
        .await;
    assert_eq!(case.receiver.ends("run-1"), &WHOLE[2..], "once");
}

#[tokio::test]
async fn a_row_completed_by_the_frontend_is_filled() {
    let mut case = Case::new(Duration::ZERO).await;
    case.env.postgres().stop(Stop::Immediate);
    let mut service = case.env.serve(&case.settings(&[])).await;
    service.submit(&case.env.request("run-1")).await;
    case.receiver.wait_for_ends("run-1", &WHOLE).await;
    service.kill();
    case.env.postgres().start_again();
    // As the frontend does when it is told.
    case.env
        .query(r#"INSERT INTO "User" ("id", "clerkId", "email", "updatedAt") VALUES ('u', 'user_2abc', 'e', now())"#)
        .await;
    let row = format!(
        r#"INSERT INTO "PipelineRun" ("id", "userId", "documentName", "documentUrl", "companyName", "pipelineVersion",
             "status", "completedAt") VALUES ('run-1', 'u', 'd', '{}', 'decathlon', '1.0', 'COMPLETED', now())"#,
        case.env.request("run-1")["blob_url"].as_str().unwrap()
    );
    case.env.query(&row).await;
    let _service = case.env.serve(&case.settings(&[])).await;
    case.env.manifest_when("run-1", |manifest| manifest.get("proof").is_some()).await;
    case.env.assert_both_agree("run-1").await;
    assert_eq!(case.receiver.ends("run-1"), WHOLE, "once");
}

#[tokio::test]
async fn a_killed_file_service_resumes_and_replays_webhooks() {
    let case = Case::new(Duration::ZERO).await;
    let mut service = case.env.serve(&case.settings(&[FILE_ONLY, ("CRASH_AT", "webhook-claimed:3")])).await;
    let _ = service.post(&case.env.request("run-1")).await;
    service.killed().await;
    let service = case.env.serve(&case.settings(&[FILE_ONLY])).await;
    assert_eq!(service.ended("run-1").await["status"], "complete");
    case.receiver.wait_for_ends("run-1", &WHOLE).await;
    let (code, lines) = case.command(&["replay", "--run", "run-1"], &[FILE_ONLY]);
    assert_eq!((code, &lines[0]["events"]), (Some(0), &6.into()));
    case.receiver.wait_for_ends("run-1", &[WHOLE, WHOLE].concat()).await;
}
