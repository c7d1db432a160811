//! A collector that is away or slow delays nothing; the last spans are sent before the process ends.

use std::time::{Duration, Instant};

use crate::support::{
    collector::{Collector, Mood},
    service::{FILE_ONLY, TestEnv},
};

#[tokio::test]
async fn a_bad_collector_delays_no_run() {
    let env = TestEnv::files_only().await;
    let collector = Collector::start();
    collector.set_mood(Mood::Overloaded);
    let url = collector.url();
    let settings = [
        FILE_ONLY[0],
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "500"),
    ];
    let mut service = env.serve(&settings).await;
    service.submit(&env.request("run-1")).await;
    assert_eq!(service.ended("run-1").await["status"], "complete");
    let failed = service.wait_for_event("trace_export_failed").await;
    assert_eq!(failed["reason"], "HTTP 503");
    collector.set_mood(Mood::Takes);
    service.submit(&env.request("run-2")).await;
    service.wait_for_event("trace_export_recovered").await;
    assert_eq!(service.events("trace_export_failed").len(), 1, "once an outage");
    collector.set_mood(Mood::Hangs);
    service.submit(&env.request("run-3")).await;
    assert_eq!(service.ended("run-3").await["status"], "complete");
    let (_, text) = service.get("/metrics").await.unwrap();
    assert!(text.as_str().unwrap().contains("innovation_trace_exports_total{result=\"failed\"}"));
    let begun = Instant::now();
    service.signal("TERM");
    assert_eq!(service.wait().await, Some(0));
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn the_last_spans_are_sent_at_sigterm() {
    let env = TestEnv::files_only().await;
    let collector = Collector::start();
    let url = collector.url();
    // Without the signal, the spans would wait for a minute.
    let settings =
        [FILE_ONLY[0], ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()), ("OTEL_BSP_SCHEDULE_DELAY", "60000")];
    let mut service = env.serve(&settings).await;
    service.submit(&env.request("run-1")).await;
    service.ended("run-1").await;
    assert!(collector.spans().is_empty());
    service.signal("TERM");
    assert_eq!(service.wait().await, Some(0));
    let names: Vec<String> = collector.spans().into_iter().map(|span| span.name).collect();
    assert!(names.iter().any(|name| name == "process run"), "{names:?}");
    assert!(service.events("traces_not_flushed").is_empty());
}
