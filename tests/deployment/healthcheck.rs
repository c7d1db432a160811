//! `innovation healthcheck`, as a container's health check runs it.

use std::{net::TcpListener, path::Path};

use serde_json::Value;

use crate::support::{
    innovation,
    openrouter::h2::{Front, Speaks},
    service::TestEnv,
    stderr,
};

/// Exit code, JSON and what was said, for a service at `port`.
fn check(port: u16, more: &[&str]) -> (Option<i32>, Value, String) {
    let mut command = innovation(&["healthcheck", "--json"]);
    // A proxy would answer for the service.
    command.env("PORT", port.to_string()).env("http_proxy", "http://127.0.0.1:9").args(more);
    let output = command.output().unwrap();
    let json = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code(), json, stderr(&output))
}

#[tokio::test]
async fn the_healthcheck_tells_live_from_dead() {
    let env = TestEnv::files_only().await;
    // Alive, and without any storage: it would accept no run.
    let switched_off = [("ENABLE_DATABASE_WRITES", "false"), ("ENABLE_FILE_FALLBACK", "false")];
    let mut service = env.serve(&switched_off).await;
    let (code, json, _) = check(service.port, &[]);
    assert_eq!((code, &json["healthy"], &json["body"]["status"]), (Some(0), &true.into(), &"alive".into()));

    let url = format!("http://127.0.0.1:{}/health", service.port);
    let (code, json, said) = check(1, &["--url", &url]);
    assert_eq!((code, &json["healthy"], &json["status"]), (Some(1), &false.into(), &503.into()), "{said}");
    assert_eq!(json["body"]["status"], "unhealthy");
    assert!(said.contains("/health/deep"), "{said}");

    service.kill();
    let (code, json, said) = check(service.port, &[]);
    assert_eq!((code, &json["healthy"]), (Some(3), &false.into()));
    assert!(said.contains("no connection") && said.contains("PORT"), "{said}");
}

#[tokio::test]
async fn the_healthcheck_accepts_a_private_authority() {
    let env = TestEnv::files_only().await;
    let service = env.serve(&[]).await;
    let behind = format!("http://127.0.0.1:{}", service.port);
    let front = Front::start(&behind, &env.blob.authority, Speaks::Http1);
    let url = format!("{}/health/live", front.origin());
    let asked = |file: Option<&Path>| {
        let mut command = innovation(&["healthcheck", "--json", "--url", &url]);
        command.envs(file.map(|file| ("EXTRA_CA_FILE", file))).output().unwrap().status.code()
    };
    assert_eq!(asked(None), Some(3));
    assert_eq!(asked(Some(env.blob.authority.path())), Some(0));
}

#[test]
fn the_healthcheck_times_out_on_silence() {
    // Connections are taken by the kernel and never answered.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let (code, json, said) = check(silent.local_addr().unwrap().port(), &[]);
    assert_eq!((code, &json["error"]), (Some(3), &"no answer in time".into()), "{said}");
}

#[test]
fn only_web_addresses_can_be_asked() {
    for url in ["ftp://127.0.0.1/health", "127.0.0.1:8000", "/health"] {
        assert_eq!(check(1, &["--url", url]).0, Some(64), "{url}");
    }
}
