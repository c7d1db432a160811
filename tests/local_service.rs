//! `make run-service`: the service with everything around it on this machine, for trying it out. Its own PostgreSQL, a
//! fake model and a blob store with the sample documents. All of it is removed at the end.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]
#![allow(dead_code)]

mod support;

use std::{net::TcpListener, process::ExitCode, time::Duration};

use support::service::TestEnv;
use tokio::signal::unix::{SignalKind, signal};

/// The service's port, unless `PORT` says another.
const PORT: &str = "8000";

#[tokio::main]
async fn main() -> ExitCode {
    let port = std::env::var("PORT").unwrap_or_else(|_| PORT.to_owned());
    if TcpListener::bind(format!("0.0.0.0:{port}")).is_err() {
        println!(
            "port {port} is in use (or not a port): stop what listens there, or choose another, as in\n  PORT=8001 make run-service"
        );
        return ExitCode::FAILURE;
    }
    println!("starting PostgreSQL, the fake model and a blob store with the samples …");
    let env = TestEnv::with_database().await;
    let mut child = env
        .command(&[("PORT", &port), ("DRAIN_SECONDS", "2"), ("LOG_FORMAT", "text")])
        .spawn()
        .expect("the service starts");
    let mut terminate = signal(SignalKind::terminate()).expect("a handler for SIGTERM");
    let healthy = format!("http://127.0.0.1:{port}/health");
    // No test: a person may wait as long as they like.
    while reqwest::get(&healthy).await.is_err() {
        if let Some(status) = child.try_wait().expect("the service is ours") {
            println!("the service did not start ({status}); its reason stands above");
            return ExitCode::FAILURE;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let blob = env.blob.url("sample/trend-report.pdf");
    let settings = env.folder.path().join("operator.env");
    std::fs::write(&settings, operators_environment(&env, &port)).expect("the settings are written");
    println!(
        "\nTry it (the model is a fake: its answers are made up):\n\n  \
         curl -s http://127.0.0.1:{port}/run -H 'content-type: application/json' \\\n    \
         -d '{{\"run_id\": \"first\", \"blob_url\": \"{blob}\", \"company_id\": \"lactalis-canada\", \"user_id\": \"me\"}}'\n  \
         curl -s http://127.0.0.1:{port}/status/first\n  \
         curl -s http://127.0.0.1:{port}/health\n\n\
         Ask as its operator, in another shell:\n\n  \
         . {}\n  \
         innovation doctor\n  \
         innovation gate --strict\n\n\
         Database: {}\nFiles:    {}\nCtrl-C ends it all.\n",
        settings.display(),
        env.database_url(),
        env.folder.path().join("data/test-outputs").display(),
    );
    let ends_by_itself = async {
        while child.try_wait().expect("the service is ours").is_none() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::select! {
        // Ctrl-C reaches the service too, which then drains.
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {
            let _ = std::process::Command::new("kill").arg(child.id().to_string()).status();
        }
        () = ends_by_itself => {}
    }
    let status = child.wait().expect("the service is ours");
    println!("the service ended: {status}");
    if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The environment of the service, for a shell: its commands ask the same database and the same files.
fn operators_environment(env: &TestEnv, port: &str) -> String {
    let command = env.command(&[("PORT", port), ("LOG_FORMAT", "text")]);
    let programs = std::path::Path::new(command.get_program()).parent().expect("the program has a folder");
    let mut lines = format!("export PATH={}:$PATH\n", programs.display());
    for (name, value) in command.get_envs() {
        let value = value.unwrap_or_default().to_string_lossy();
        lines += &format!("export {}='{}'\n", name.to_string_lossy(), value.replace('\'', r"'\''"));
    }
    lines
}
