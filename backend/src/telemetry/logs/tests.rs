use std::{io, time::Duration};

use parking_lot::Mutex;
use pipeline::clock::Timestamp;
use serde_json::json;

use super::*;
use crate::{
    config::Environment,
    health::{FileStorage, Identity},
};
use storage::{
    mode::{Flags, Mode},
    router::StorageState,
};

#[derive(Debug)]
struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        "2026-11-21T12:00:00.5Z".parse().unwrap()
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

#[derive(Debug, Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn logged(format: LogFormat, filter: &str, work: impl FnOnce()) -> Vec<String> {
    sampled(format, filter, Sampling::ALL, work)
}

fn sampled(format: LogFormat, filter: &str, sampling: Sampling, work: impl FnOnce()) -> Vec<String> {
    let sink = Sink::default();
    let writer = {
        let sink = sink.clone();
        move || sink.clone()
    };
    let subscriber = subscriber(EnvFilter::new(filter), format, sampling, Arc::new(Noon), writer);
    tracing::subscriber::with_default(subscriber, work);
    let bytes = sink.0.lock().clone();
    String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
}

fn json_lines(work: impl FnOnce()) -> Vec<Value> {
    let lines = logged(LogFormat::Json, "info", work);
    lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_json_line_carries_its_spans_fields() {
    let lines = json_lines(|| {
        let run = tracing::info_span!("run", run_id = "r1", stage = tracing::field::Empty).entered();
        run.record("stage", 1);
        tracing::warn!(stage = 2, cost_usd = 0.5, ok = true, none = Option::<u8>::None, "stored");
        tracing::debug!("below the level");
    });
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    let expected = json!({
        "timestamp": "2026-11-21T12:00:00.500Z", "level": "warn", "message": "stored",
        "target": "backend::telemetry::logs::tests", "run_id": "r1", "stage": 2, "cost_usd": 0.5, "ok": true,
    });
    assert_eq!(*line, expected);
}

#[test]
fn a_field_cannot_shadow_a_reserved_name() {
    let lines = json_lines(|| tracing::info!(level = "error", timestamp = "never", nan = f64::NAN, "x"));
    assert_eq!(lines[0]["level"], "info");
    assert_eq!((&lines[0]["field_level"], &lines[0]["field_timestamp"]), (&json!("error"), &json!("never")));
    assert_eq!(lines[0]["nan"], "NaN");
}

#[test]
fn control_characters_are_escaped() {
    let evil = "one\ntwo\u{1b}[31m\u{9b}2J\r\u{7}\u{7f}\u{202e}ever";
    let lines = logged(LogFormat::Json, "info", || tracing::info!(title = evil, "{evil}"));
    assert_eq!(lines.len(), 1);
    assert!(!lines[0].chars().any(char::is_control), "{}", lines[0]);
    let line: Value = serde_json::from_str(&lines[0]).unwrap();
    let decoded = line["title"].as_str().unwrap();
    assert_eq!(decoded, "one\ntwo\\u{1b}[31m\\u{9b}2J\\r\\u{7}\\u{7f}\\u{202e}ever");
    let lines =
        logged(LogFormat::Text { is_coloured: false }, "info", || tracing::info!(title = evil, "{evil}"));
    assert_eq!(lines.len(), 1);
    assert!(!lines[0].chars().any(char::is_control) && lines[0].contains("one\\ntwo\\u{1b}"), "{}", lines[0]);
}

#[test]
fn text_is_for_people() {
    let lines = logged(LogFormat::Text { is_coloured: false }, "info", || {
        let _run = tracing::info_span!("run", run_id = "r1").entered();
        tracing::error!(error = "disk full", "not stored");
    });
    assert_eq!(lines, ["2026-11-21T12:00:00.500Z ERROR not stored error=\"disk full\" run_id=r1"]);
    let lines = logged(LogFormat::Text { is_coloured: true }, "info", || tracing::info!("x"));
    assert_eq!(lines, ["2026-11-21T12:00:00.500Z \u{1b}[32m INFO\u{1b}[0m x"]);
}

#[test]
fn a_line_is_bounded() {
    let long = "é".repeat(100_000);
    let lines = json_lines(|| tracing::info!(text = long.as_str(), "x"));
    let text = lines[0]["text"].as_str().unwrap();
    assert!(text.len() < 9_000 && text.ends_with("… (200000 bytes)"));
}

#[test]
fn the_flag_lines_keep_their_searched_wording() {
    let identity = Identity {
        version: "1.2.3",
        git_sha: "abc".to_owned(),
        environment: Environment::Production,
        replica: "r-1".to_owned(),
    };
    let storage = StorageState {
        flags: Flags::of_mode(Mode::DualWrite, 1),
        mode: Mode::DualWrite,
        effective_mode: Mode::FileOnly,
        reason: Some("DATABASE_URL is not set".to_owned()),
        breaker: None,
        file_alarm: None,
    };
    let banner = Banner {
        identity: &identity,
        storage: &storage,
        files: "data/test-outputs",
        file_storage: FileStorage::Ephemeral,
        analyst: "built-in extractive analyst",
    };
    let lines = json_lines(|| banner.announce());
    let messages: Vec<&str> = lines.iter().map(|line| line["message"].as_str().unwrap()).collect();
    assert_eq!(
        messages,
        [
            "innovation 1.2.3 (abc) starts",
            "Feature Flags Configuration:",
            "  Mode: DUAL_WRITE",
            "  Database Writes: True",
            "  File Fallback: True",
            "the storage mode in effect is FILE_ONLY, not DUAL_WRITE",
            "files are on this container's own disk and are gone at the next deploy: set STORAGE_URL to a bucket, or mount a volume",
        ]
    );
    assert_eq!(lines[0]["environment"], "production");
    assert_eq!(lines[5]["reason"], "DATABASE_URL is not set");
}

#[test]
fn formats_have_names() {
    assert_eq!("JSON".parse(), Ok(LogFormat::Json));
    assert_eq!("text".parse(), Ok(LogFormat::Text { is_coloured: false }));
    assert_eq!("xml".parse::<LogFormat>(), Err(()));
}

#[test]
fn only_routine_lines_are_sampled() {
    let lines = |percent| {
        sampled(LogFormat::Json, "info", Sampling { percent }, || {
            for id in 0..100 {
                let span = tracing::error_span!("request", request_id = format!("r-{id}"));
                span.in_scope(|| {
                    tracing::info!(event = "request_answered", status = 200, duration_ms = 3, "GET / 200");
                    tracing::info!(event = "stage_stored", run_id = "r-1", "stored");
                });
            }
            tracing::info!(event = "request_answered", status = 500, duration_ms = 3, "an error");
            tracing::info!(event = "request_answered", status = 200, duration_ms = 1_000, "slow");
            tracing::info!(event = "run_ended", run_id = "r-1", "ended");
            tracing::warn!(event = "stage_stored", run_id = "r-1", "a warning");
        })
    };
    assert_eq!(lines(0).len(), 4);
    assert_eq!(lines(100).len(), 204);
    let some = lines(30);
    let routine = some.iter().filter(|line| line.contains("GET / 200")).count();
    assert!((10..60).contains(&routine), "{routine}");
    let of_run = some.iter().filter(|line| line.contains("\"stored\"")).count();
    assert!(of_run == 0 || of_run == 100, "all lines of a run, or none: {of_run}");
    assert_eq!(some, lines(30), "the same ids again");
}
