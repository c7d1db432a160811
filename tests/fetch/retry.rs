//! A document that cannot be had for the moment is asked for again; one that is refused is not.

use std::time::{Duration, Instant};

use super::{config, fetch};
use crate::support::{
    origin::{Answer, Origin},
    service::{FILE_ONLY, TestEnv},
};

const LONG: Duration = Duration::from_secs(60);

/// Fetches a document that is there only after so many other answers; also returns the waits in between.
async fn after(first: Answer, times: usize) -> (Result<Vec<u8>, String>, Vec<Duration>) {
    let origin = Origin::start(move |_, number| match number {
        number if number <= times => first.clone(),
        _ => Answer::ok("", "content"),
    })
    .await;
    let result = fetch(config(&origin, LONG), &origin.url("a.md")).await;
    let asked = origin.asked();
    let waits = asked.windows(2).map(|two| two[1].at - two[0].at).collect();
    (result.map_err(|error| error.code().to_owned()), waits)
}

fn status(line: &str) -> Answer {
    Answer::new(line, "", "")
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn every_fault_that_passes_is_waited_out() {
    let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\npart".to_vec();
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\npart\r\n".to_vec();
    for first in [
        status("404 Not Found"),
        status("408 Request Timeout"),
        status("425 Too Early"),
        status("429 Too Many Requests"),
        status("500 Internal Server Error"),
        status("502 Bad Gateway"),
        status("503 Service Unavailable"),
        status("504 Gateway Timeout"),
        status("522 Origin Timed Out"),
        Answer::Bytes(cut.clone()),
        Answer::Bytes(chunked),
        Answer::Bytes(Vec::new()),
        Answer::Reset(cut),
        Answer::Reset(Vec::new()),
        Answer::Silence,
    ] {
        let named = format!("{first:?}");
        let (result, waits) = after(first, 1).await;
        assert_eq!(result.as_deref(), Ok(&b"content"[..]), "{named}: nothing of the first attempt is left");
        assert_eq!(waits.len(), 1, "{named}");
        assert!(waits[0] < Duration::from_secs(3), "{named}: {waits:?}");
    }
}

#[tokio::test]
async fn the_waits_grow() {
    let (result, waits) = after(status("404 Not Found"), 3).await;
    assert!(result.is_ok());
    assert!(waits[0] >= Duration::from_millis(500) && waits[2] >= Duration::from_secs(2), "{waits:?}");
}

#[tokio::test]
async fn a_server_is_asked_when_it_says() {
    let (result, waits) = after(Answer::new("429 Too Many Requests", "retry-after: 3\r\n", ""), 1).await;
    assert!(result.is_ok());
    assert!(waits[0] >= Duration::from_secs(3), "{waits:?}");
    let dates = "date: Mon, 30 Nov 2026 10:00:00 GMT\r\nretry-after: Mon, 30 Nov 2026 10:00:02 GMT\r\n";
    let (result, waits) = after(Answer::new("503 Service Unavailable", dates, ""), 1).await;
    assert!(result.is_ok());
    assert!(waits[0] >= Duration::from_secs(2), "{waits:?}");
    // Later than anybody waits here.
    let begun = Instant::now();
    let (result, _) = after(Answer::new("429 Too Many Requests", "retry-after: 3600\r\n", ""), 1).await;
    assert_eq!(result.unwrap_err(), "DOCUMENT_UNAVAILABLE");
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_permanent_fault_ends_immediately() {
    for line in [
        "201 Created",
        "204 No Content",
        "205 Reset Content",
        "206 Partial Content",
        "300 Multiple Choices",
        "304 Not Modified",
        "400 Bad Request",
        "401 Unauthorized",
        "403 Forbidden",
        "405 Method Not Allowed",
        "410 Gone",
        "451 Unavailable For Legal Reasons",
    ] {
        let (result, waits) = after(status(line), 1).await;
        assert_eq!((result.unwrap_err().as_str(), waits.len()), ("DOCUMENT_UNAVAILABLE", 0), "{line}");
    }
    let range = "content-range: bytes 0-3/8\r\n";
    let (result, _) = after(Answer::new("206 Partial Content", range, "part"), 1).await;
    assert!(result.is_err(), "a part is not the whole");
}

#[tokio::test]
async fn the_budget_ends_it() {
    let origin = Origin::start(|_, _| status("503 Service Unavailable")).await;
    let begun = Instant::now();
    let error = fetch(config(&origin, Duration::from_secs(2)), &origin.url("a.md")).await.unwrap_err();
    assert_eq!(error.code(), "DOCUMENT_UNAVAILABLE");
    assert!(error.can_retry() && error.to_string().contains("503"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(origin.asked().len() >= 2);
}

/// Case 51, as the service sees it: under way while it waits, and stopped by a cancellation or a signal.
#[tokio::test]
async fn a_run_waits_for_its_blob_and_stops() {
    let env = TestEnv::files_only().await;
    let text = std::fs::read(crate::support::sample("spotted-innovation.md")).unwrap();
    let origin = Origin::start(move |path, number| match (path, number) {
        ("/late.md", 3..) => Answer::ok("", &text),
        _ => status("404 Not Found"),
    })
    .await;
    let ca = origin.authority.path().to_str().unwrap();
    let settings = [
        FILE_ONLY[0],
        ("EXTRA_CA_FILE", ca),
        ("ANALYST", "extractive"),
        ("DOCUMENT_RETRY_SECONDS", "60"),
        ("DRAIN_SECONDS", "1"),
    ];
    let service = env.serve(&settings).await;
    for (run, path) in [("late", "late.md"), ("cancelled", "never.md"), ("stopped", "never.md")] {
        let mut request = env.request(run);
        request["blob_url"] = origin.url(path).into();
        service.submit(&request).await;
    }
    service
        .wait_for("cancelled", |status| status["status"] == "running" && status["current_stage"] == 1)
        .await;
    assert_eq!(service.ended("late").await["status"], "complete");
    assert_eq!(service.call("POST", "/api/pipeline/cancelled/cancel").await.code().0, 200);
    assert_eq!(service.ended("cancelled").await["error"]["code"], "CANCELLED");
    let begun = Instant::now();
    let mut service = service;
    service.signal("TERM");
    service.wait().await;
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}
