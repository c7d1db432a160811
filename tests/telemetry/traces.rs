//! One trace a run, from its request to its webhook, as a collector receives it.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind};
use serde_json::json;

use crate::{
    flags,
    support::{
        collector::{Collector, attribute, is_failed},
        openrouter::Options,
        postgres::Postgres,
        receiver::Receiver,
        service::{TestEnv, refuses_for_good},
    },
};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/// A collector's key, which no span may hold.
const COLLECTOR_KEY: &str = "collector-key-that-is-secret";

struct Case {
    env: TestEnv,
    collector: Collector,
    receiver: Receiver,
    settings: Vec<(&'static str, String)>,
}

impl Case {
    async fn new(database: bool) -> Self {
        let mut env = TestEnv::with_model(Options::default()).await;
        if database {
            env.postgres = Some(Postgres::start());
            env.migrate_unaudited().await;
        }
        let (collector, receiver) = (Collector::start(), Receiver::start().await);
        let settings = vec![
            ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()),
            ("OTEL_EXPORTER_OTLP_HEADERS", format!("x-api-key={COLLECTOR_KEY}")),
            ("OTEL_BSP_SCHEDULE_DELAY", "100".to_owned()),
            ("FRONTEND_WEBHOOK_URL", receiver.url()),
            ("WEBHOOK_SECRET", "0123456789abcdef-secret".to_owned()),
        ];
        Self { env, collector, receiver, settings }
    }

    fn settings(&self) -> Vec<(&str, &str)> {
        self.settings.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let all: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no span {name} among {all:?}"))
}

/// The names from a span up to the first of its trace.
fn line(spans: &[Span], span: &Span) -> Vec<String> {
    let by_id: BTreeMap<&[u8], &Span> = spans.iter().map(|span| (span.span_id.as_slice(), span)).collect();
    let mut names = vec![span.name.clone()];
    let mut parent = by_id.get(span.parent_span_id.as_slice());
    while let Some(span) = parent {
        names.push(span.name.clone());
        parent = by_id.get(span.parent_span_id.as_slice());
    }
    names
}

#[tokio::test]
async fn one_trace_leads_from_request_to_webhook() {
    let case = Case::new(true).await;
    let service = case.env.serve(&case.settings()).await;
    let answer = service.send("POST", "/run", &case.env.request("run-1"), &[("traceparent", PARENT)]).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    let webhook = "POST /api/pipeline/{run_id}/complete";
    let spans = case
        .collector
        .spans_when(|spans| {
            ["POST /run", webhook, "process run"]
                .iter()
                .all(|name| spans.iter().any(|span| span.name == *name))
        })
        .await;
    let spans: Vec<Span> = spans.into_iter().filter(|span| hex(&span.trace_id) == TRACE).collect();

    let request = named(&spans, "POST /run");
    assert_eq!(hex(&request.parent_span_id), "b7ad6b7169203331", "the client's span");
    assert_eq!(request.kind, SpanKind::Server as i32);
    assert_eq!(attribute(request, "http.route").as_deref(), Some("/run"));
    assert_eq!(attribute(request, "http.response.status_code").as_deref(), Some("202"));
    let up = ["accept run", "POST /run"];
    assert_eq!(line(&spans, named(&spans, webhook)), [&[webhook], &up[..]].concat());
    let run = [&["process run"], &up[..]].concat();
    assert_eq!(line(&spans, named(&spans, "process run")), run);
    for stage in 1..=4 {
        let name = format!("stage {stage}");
        assert_eq!(line(&spans, named(&spans, &name)), [&[name.as_str()], &run[..]].concat());
    }
    let chats: Vec<&Span> = spans.iter().filter(|span| span.name.starts_with("chat ")).collect();
    assert_eq!(chats.len(), 4);
    for chat in &chats {
        assert!(line(&spans, chat)[1].starts_with("stage "), "{:?}", line(&spans, chat));
        assert_eq!(chat.kind, SpanKind::Client as i32);
        for (name, value) in [
            ("gen_ai.operation.name", "chat"),
            ("gen_ai.provider.name", "openrouter"),
            ("gen_ai.conversation.id", "run-1"),
            ("gen_ai.response.finish_reasons", "stop"),
        ] {
            assert_eq!(attribute(chat, name).as_deref(), Some(value), "{name}");
        }
        for name in ["gen_ai.request.model", "gen_ai.response.model", "gen_ai.response.id", "server.address"]
        {
            assert!(attribute(chat, name).is_some_and(|value| !value.is_empty()), "{name}");
        }
        let tokens = |name| attribute(chat, name).unwrap().parse::<u64>().unwrap();
        assert!(tokens("gen_ai.usage.input_tokens") > 0 && tokens("gen_ai.usage.output_tokens") > 0);
    }
    let stores: Vec<&Span> = spans
        .iter()
        .filter(|span| attribute(span, "db.operation.name").as_deref() == Some("store_stage"))
        .collect();
    assert_eq!(stores.len(), 4);
    assert!(
        stores.iter().all(|span| line(&spans, span)[1].starts_with("stage ")),
        "below the stage that they store"
    );
    assert!(stores.iter().all(|span| attribute(span, "db.system.name").as_deref() == Some("postgresql")));
    assert!(!spans.iter().any(is_failed));
    assert_eq!(case.collector.resource("service.name").as_deref(), Some("innovation-pipeline"));

    let received = case.receiver.received();
    let header =
        received.iter().find(|one| one.path.ends_with("/complete")).unwrap().header("traceparent").to_owned();
    assert_eq!(header, format!("00-{TRACE}-{}-01", hex(&named(&spans, webhook).span_id)));
    for recorded in case.env.model.requests() {
        assert_eq!(recorded.body["trace"]["trace_id"], TRACE);
        let parent = recorded.body["trace"]["parent_span_id"].as_str().unwrap();
        assert!(chats.iter().any(|chat| hex(&chat.span_id) == parent), "{parent}");
        assert_eq!(recorded.body["session_id"], "run-1");
    }
    let has_key = |head: &String| head.contains(&format!("x-api-key: {COLLECTOR_KEY}"));
    assert!(case.collector.heads().iter().all(has_key), "{:?}", case.collector.heads().first());
}

#[tokio::test]
async fn no_span_holds_content_or_secrets() {
    let case = Case::new(false).await;
    let service = case.env.serve(&case.settings()).await;
    case.env.model.script([refuses_for_good()]);
    service.submit(&case.env.request("run-1")).await;
    service.submit(&case.env.request("run-2")).await;
    service.ended("run-1").await;
    service.ended("run-2").await;
    let spans = case
        .collector
        .spans_when(|spans| spans.iter().filter(|span| span.name == "process run").count() == 2)
        .await;
    let failed: Vec<&Span> =
        spans.iter().filter(|span| is_failed(span) && span.name.starts_with("chat ")).collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(attribute(failed[0], "error.type").as_deref(), Some("LLM_ERROR"));
    let run = spans.iter().find(|span| span.name == "process run" && is_failed(span)).unwrap();
    assert_eq!(attribute(run, "error.type").as_deref(), Some("LLM_ERROR"));
    // Each has a trace of its own, which begins at its request.
    for run in ["run-1", "run-2"] {
        let of_run = |span: &&Span| attribute(span, "innovation.run.id").as_deref() == Some(run);
        let traces: std::collections::BTreeSet<&[u8]> =
            spans.iter().filter(of_run).map(|span| span.trace_id.as_slice()).collect();
        assert_eq!(traces.len(), 1, "{run}");
    }
    let document = std::fs::read_to_string(crate::support::sample("spotted-innovation.md")).unwrap();
    let sentences =
        document.lines().filter(|line| line.len() > 30).map(|line| line.chars().take(30).collect::<String>());
    let request = case.env.request("run-1");
    let secrets = ["sk-or-v1-test", "0123456789abcdef-secret", "user_2abc", "Decathlon", "decathlon"];
    let mut forbidden: Vec<String> = sentences.filter(|text| text.is_ascii()).collect();
    forbidden.push(request["blob_url"].as_str().unwrap().to_owned());
    forbidden.extend(secrets.map(str::to_owned));
    for recorded in case.env.model.requests() {
        let prompt = recorded.body["messages"][0]["content"].as_str().unwrap();
        forbidden.push(prompt.chars().take(40).collect());
    }
    assert!(forbidden.len() > 10);
    for text in forbidden {
        assert!(!case.collector.contains(&text), "{text}");
    }
}

#[tokio::test]
async fn a_flag_switches_tracing_while_serving() {
    let case = Case::new(true).await;
    let service = case.env.serve(&case.settings()).await;
    flags::set(&case.env, "OBSERVABILITY_TRACING", "0").await;
    flags::wait_for_flag(&service, "OBSERVABILITY_TRACING", json!(0), "database").await;
    service.submit(&case.env.request("run-1")).await;
    service.ended("run-1").await;
    case.receiver.wait_for_ends("run-1", &["complete"]).await;
    flags::set(&case.env, "OBSERVABILITY_TRACING", "100").await;
    flags::wait_for_flag(&service, "OBSERVABILITY_TRACING", json!(100), "database").await;
    // A client that does not trace is obeyed.
    let unsampled = PARENT.replace("-01", "-00");
    let quiet =
        service.send("POST", "/run", &case.env.request("run-2"), &[("traceparent", &unsampled)]).await;
    assert_eq!(quiet.status, 202);
    case.receiver.wait_for_ends("run-2", &["complete"]).await;
    service.submit(&case.env.request("run-3")).await;
    let of = |spans: &[Span], run: &str| {
        spans.iter().filter(|span| attribute(span, "innovation.run.id").as_deref() == Some(run)).count()
    };
    let spans = case.collector.spans_when(|spans| spans.iter().any(|span| span.name == "process run")).await;
    assert_eq!((of(&spans, "run-1"), of(&spans, "run-2")), (0, 0));
    assert!(of(&spans, "run-3") > 0);
    let received = case.receiver.received();
    let sent = |run: &str| {
        let one = received.iter().find(|one| one.path.contains(run) && one.path.ends_with("/complete"));
        one.map(|one| one.header("traceparent").to_owned()).unwrap_or_default()
    };
    assert_eq!(sent("run-1"), "", "not traced, and the client brought nothing");
    assert!(
        sent("run-2").starts_with(&format!("00-{TRACE}-")) && sent("run-2").ends_with("-00"),
        "{}",
        sent("run-2")
    );
}
