//! The readers of documents: what confines them, and what happens when their fork server ends.
#![cfg(target_os = "linux")]

use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::Command,
    sync::Arc,
    time::Duration,
};

use backend::documents::{
    isolate::Isolation,
    limits::Limits,
    readers::{ReaderReport, Readers, ReadingMethod, Requester},
};
use foundation::clock::SystemClock;
use pipeline::document::{Document, DocumentError};
use rustix::process::{Pid, Signal, geteuid, kill_process};
use serde_json::Value;

use crate::support::{hostile, root, wait::eventually};

const PROGRAM: &str = env!("CARGO_BIN_EXE_innovation");

/// The user of the image.
const IMAGE_USER: u32 = 10_001;

fn readers(program: &Path, wall_timeout: Duration) -> Readers {
    let limits = Limits { wall_timeout, ..Limits::default() };
    let isolation = Isolation { program: Some(program.to_owned()), limits };
    Readers::new(isolation, Arc::new(SystemClock::default()))
}

fn real_readers() -> Readers {
    readers(Path::new(PROGRAM), Limits::default().wall_timeout)
}

async fn extract(readers: &Readers, name: &str, bytes: &[u8]) -> Result<Document, DocumentError> {
    readers.extract(&Requester::Unnamed, name, bytes).await
}

fn method(readers: &Readers) -> Option<ReadingMethod> {
    readers.report().map(|report: ReaderReport| report.method)
}

/// The children of a process.
fn children(parent: u32) -> Vec<u32> {
    let of_threads = fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
    let listed = of_threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    listed
        .flat_map(|list| list.split_whitespace().map(|id| id.parse().unwrap()).collect::<Vec<_>>())
        .collect()
}

/// The fork servers of this process.
fn servers() -> Vec<u32> {
    let is_server = |id: &u32| {
        fs::read(format!("/proc/{id}/cmdline")).is_ok_and(|line| line.ends_with(b"extract-server\0"))
    };
    children(std::process::id()).into_iter().filter(is_server).collect()
}

/// The fork server and its only child, as soon as there is one.
async fn server_and_child() -> (u32, u32) {
    eventually("the server has a child", async || {
        let server = servers().first().copied()?;
        Some((server, *children(server).first()?))
    })
    .await
}

fn field(pid: u32, name: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(&format!("{name}:"))).unwrap();
    line.split_whitespace().nth(1).unwrap().to_owned()
}

fn kill(pid: u32) {
    kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap(), Signal::KILL).unwrap();
}

/// The attempts to leave the sandbox, in a forked child, in a process of its own, and without a sandbox.
fn attempts(user: Option<u32>) -> Vec<Value> {
    // The repository may be in a folder that only its owner may enter.
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = folder.path().join("innovation");
    fs::hard_link(PROGRAM, &program).or_else(|_| fs::copy(PROGRAM, &program).map(drop)).unwrap();
    let mut command = Command::new(program);
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    let output = command.arg("try-sandbox").env("SECRET", "of-the-service").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn outcomes(document: &Value) -> Vec<&str> {
    document["pages"].as_array().unwrap().iter().map(|page| page["text"].as_str().unwrap()).collect()
}

#[test]
fn every_way_out_of_the_sandbox_is_refused() {
    // Root may impersonate the image's user. Otherwise, the tests' own user stands for it.
    let users: &[_] = if geteuid().is_root() { &[None, Some(IMAGE_USER)] } else { &[None] };
    for user in users {
        let [report, forked, alone, unconfined] = <[Value; 4]>::try_from(attempts(*user)).unwrap();
        assert_eq!(report["method"], "fork_server", "{user:?}");
        assert_eq!(report["seccomp"], true, "{user:?}");
        assert!(report["landlock_abi"].as_u64().unwrap() >= 1, "{user:?}: {report}");
        for (how, confined) in [("forked", &forked["Ok"]), ("alone", &alone["Ok"])] {
            assert_eq!(outcomes(confined).len(), outcomes(&unconfined).len());
            for outcome in outcomes(confined) {
                assert!(outcome.contains("\nrefused"), "{how}, {user:?}: {outcome}");
            }
        }
        // Without the sandbox, the same attempts gain something.
        let gained = outcomes(&unconfined).iter().filter(|outcome| outcome.contains("\ngained")).count();
        assert!(gained >= 12, "{:?}", outcomes(&unconfined));
    }
}

#[tokio::test]
async fn a_reader_holds_nothing_but_its_pipes() {
    let readers = real_readers();
    let reading =
        tokio::spawn(async move { extract(&readers, "slow.pdf", &hostile::exponential_forms()).await });
    let (server, child) = server_and_child().await;
    eventually("the child is confined", async || field(child, "Seccomp_filters") == "2").await;
    for pid in [server, child] {
        assert_eq!((field(pid, "NoNewPrivs"), field(pid, "Seccomp")), ("1".to_owned(), "2".to_owned()));
        assert_eq!(fs::metadata(format!("/proc/{pid}/environ")).unwrap().permissions().mode() & 0o077, 0);
        // It belongs to root and not to its user, because the process is not dumpable.
        assert_eq!(
            std::os::unix::fs::MetadataExt::uid(&fs::metadata(format!("/proc/{pid}/mem")).unwrap()),
            0
        );
    }
    let limits = fs::read_to_string(format!("/proc/{child}/limits")).unwrap();
    for (name, value) in [
        ("Max file size", "0"),
        ("Max core file size", "0"),
        ("Max open files", "0"),
        ("Max processes", "0"),
        ("Max cpu time", "10"),
        ("Max address space", "536870912"),
    ] {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        assert_eq!(line.trim_start_matches(name).split_whitespace().next(), Some(value), "{line}");
    }
    if geteuid().is_root() {
        assert_eq!(fs::read(format!("/proc/{child}/environ")).unwrap(), b"");
        assert_eq!(fs::read_dir(format!("/proc/{child}/fd")).unwrap().count(), 3);
    }
    reading.abort();
    eventually("nobody waits, so the child is killed", async || children(server).is_empty()).await;
}

#[tokio::test]
async fn a_server_ends_with_its_service() {
    let readers = real_readers();
    readers.self_test().await.unwrap();
    let server = servers()[0];
    drop(readers);
    eventually("the server ends", async || !Path::new(&format!("/proc/{server}")).exists()).await;
}

#[tokio::test]
async fn a_killed_server_costs_no_document() {
    let readers = real_readers();
    let bytes = fs::read(root().join("data/samples/trend-report.pdf")).unwrap();
    let reading = {
        let readers = readers.clone();
        tokio::spawn(async move { extract(&readers, "trend-report.pdf", &bytes).await })
    };
    let (server, child) = server_and_child().await;
    kill(server);
    assert_eq!(reading.await.unwrap().unwrap().pages.len(), 13);
    assert_eq!(method(&readers), Some(ReadingMethod::ProcessPerDocument));
    eventually("the child died with its server", async || !Path::new(&format!("/proc/{child}")).exists())
        .await;
    eventually("another server reads", async || {
        readers.self_test().await.unwrap();
        method(&readers) == Some(ReadingMethod::ForkServer)
    })
    .await;
    assert!(!servers().contains(&server) && servers().len() == 1);
}

#[tokio::test]
async fn a_frozen_server_costs_no_document() {
    let readers = real_readers();
    readers.self_test().await.unwrap();
    let server = Pid::from_raw(servers()[0].try_into().unwrap()).unwrap();
    kill_process(server, Signal::STOP).unwrap();
    readers.self_test().await.unwrap();
    assert_eq!(method(&readers), Some(ReadingMethod::ProcessPerDocument));
    assert!(servers().is_empty());
}

#[tokio::test]
async fn documents_are_read_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("program");
    let script = format!("#!/bin/sh\n[ \"$1\" = extract-child ] && exec '{PROGRAM}' \"$1\"\nexit 1\n");
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let readers = readers(&program, Limits::default().wall_timeout);
    readers.self_test().await.unwrap();
    assert_eq!(method(&readers), Some(ReadingMethod::ProcessPerDocument));
    assert!(readers.report().unwrap().is_confined());
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn hostile_documents_end_only_their_child() {
    let readers = real_readers();
    readers.self_test().await.unwrap();
    let server = servers();
    for (name, bytes, codes) in [
        ("flate-bomb.pdf", hostile::flate_bomb(), &["DOCUMENT_TOO_LARGE", "DOCUMENT_TIMEOUT"][..]),
        ("deep.pdf", hostile::deep_objects(), &["DOCUMENT_CORRUPT", "DOCUMENT_NO_TEXT", "DOCUMENT_TIMEOUT"]),
        ("bomb.docx", hostile::zip_bomb(), &["DOCUMENT_TOO_LARGE"]),
        ("laughs.docx", hostile::billion_laughs(), &["DOCUMENT_CORRUPT"]),
        ("many-pages.pdf", hostile::many_pages(), &["DOCUMENT_TOO_LARGE", "DOCUMENT_TIMEOUT"]),
    ] {
        let code = extract(&readers, name, &bytes).await.unwrap_err().code();
        assert!(codes.contains(&code), "{name}: {code}");
    }
    readers.self_test().await.unwrap();
    assert_eq!((servers(), method(&readers)), (server, Some(ReadingMethod::ForkServer)));
}

#[tokio::test]
async fn the_wall_time_limit_kills_a_forked_child() {
    let readers = readers(Path::new(PROGRAM), Duration::from_millis(300));
    let result = extract(&readers, "exponential.pdf", &hostile::exponential_forms()).await;
    assert!(matches!(result, Err(DocumentError::Timeout(_))), "{result:?}");
    let server = servers()[0];
    eventually("the child is killed", async || children(server).is_empty()).await;
}

#[tokio::test]
async fn each_document_has_a_process_of_its_own() {
    let readers = real_readers();
    let bytes = fs::read(root().join("data/samples/case-study.pdf")).unwrap();
    let readings = (0..8).map(|_| extract(&readers, "case-study.pdf", &bytes));
    for document in futures_util::future::join_all(readings).await {
        assert_eq!(document.unwrap().pages.len(), 3);
    }
    assert_eq!(servers().len(), 1);
    assert!(children(servers()[0]).is_empty());
}
