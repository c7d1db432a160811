//! Replicas of the previous release and of this one on one database and one disk, as during a deployment: each finishes what
//! the other has begun. `make test-long` builds the previous release (`scripts/previous-release.sh`) and runs these tests.

use std::{path::PathBuf, process::Command, time::Duration};

use super::{calls, env};
use crate::support::{
    receiver::Receiver,
    root,
    service::{SHORT_LEASE, Service, TestEnv},
    wait::{eventually, wanted},
};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Release {
    Previous,
    This,
}

/// The other side: a binary that was built from the previous release's code.
fn previous() -> PathBuf {
    let binary = root().join("target/previous/innovation");
    assert!(binary.exists(), "the previous release is not built: run scripts/previous-release.sh");
    binary
}

async fn serve(env: &TestEnv, release: Release, settings: &[(&str, &str)]) -> Service {
    env.serve_with(settings, |command| {
        if release == Release::Previous {
            let mut other = Command::new(previous());
            other.env_clear().args(command.get_args());
            other.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
            *command = other;
        }
    })
    .await
}

const DIRECTIONS: [[Release; 2]; 2] =
    [[Release::Previous, Release::This], [Release::This, Release::Previous]];

#[tokio::test]
#[ignore = "the previous release: make test-long"]
async fn each_release_finishes_the_others_runs() {
    let env = env(Duration::ZERO).await;
    let modes = [
        ("dual", [("ENABLE_DATABASE_WRITES", "true"), ("ENABLE_FILE_FALLBACK", "true")]),
        ("rows", [("ENABLE_DATABASE_WRITES", "true"), ("ENABLE_FILE_FALLBACK", "false")]),
        ("files", [("ENABLE_DATABASE_WRITES", "false"), ("ENABLE_FILE_FALLBACK", "true")]),
    ];
    for (name, mode) in modes {
        for [first, second] in DIRECTIONS {
            for point in ["document-read", "stage-stored:2", "ended"] {
                let run = format!("{name}-{first:?}-{}", point.replace(':', "-"));
                let before = calls(&env.model);
                let settings: Vec<_> = SHORT_LEASE.iter().chain(&mode).copied().collect();
                let mut deadly = settings.clone();
                deadly.push(("CRASH_AT", point));
                let mut service = serve(&env, first, &deadly).await;
                // The answer may be lost with the process; a client that asks again gets it.
                let _ = service.post(&env.request(&run)).await;
                service.killed().await;
                let service = serve(&env, second, &settings).await;
                service.submit(&env.request(&run)).await;
                let status = service.ended(&run).await;
                assert_eq!(status["status"], "complete", "{run}: {status}");
                let after = calls(&env.model);
                let asked: Vec<usize> =
                    after.iter().zip(before).map(|(after, before)| after - before).collect();
                assert_eq!(asked, [1; 4], "{run}: each stage is paid once");
            }
        }
    }
}

#[tokio::test]
#[ignore = "the previous release: make test-long"]
async fn each_release_syncs_the_others_files() {
    let env = env(Duration::ZERO).await;
    for [first, second] in DIRECTIONS {
        let run = format!("late-{first:?}");
        let files_only = [("ENABLE_DATABASE_WRITES", "false")];
        let settings: Vec<_> = SHORT_LEASE.iter().chain(&files_only).copied().collect();
        let mut service = serve(&env, first, &settings).await;
        service.submit(&env.request(&run)).await;
        assert_eq!(service.ended(&run).await["status"], "complete");
        service.kill();
        let _service = serve(&env, second, &SHORT_LEASE).await;
        env.wait_until_synced(&run).await;
        env.assert_both_agree(&run).await;
    }
}

#[tokio::test]
#[ignore = "the previous release: make test-long"]
async fn each_release_delivers_the_others_webhooks() {
    let env = env(Duration::ZERO).await;
    for [first, second] in DIRECTIONS {
        let run = format!("told-{first:?}");
        let receiver = Receiver::start().await;
        let url = receiver.url();
        let files_only = [("ENABLE_DATABASE_WRITES", "false"), ("CRASH_AT", "ended")];
        let target = [("FRONTEND_WEBHOOK_URL", url.as_str()), ("WEBHOOK_SECRET", "0123456789abcdef-secret")];
        let deadly: Vec<_> = SHORT_LEASE.iter().chain(&target).chain(&files_only).copied().collect();
        let mut service = serve(&env, first, &deadly).await;
        let _ = service.post(&env.request(&run)).await;
        service.killed().await;
        let settings: Vec<_> = SHORT_LEASE.iter().chain(&target).chain(&files_only[..1]).copied().collect();
        let service = serve(&env, second, &settings).await;
        assert_eq!(service.ended(&run).await["status"], "complete");
        let taken =
            async || wanted(receiver.taken(&run), |taken| taken.iter().any(|what| what == "complete"));
        eventually("the completion is delivered", taken).await;
    }
}
