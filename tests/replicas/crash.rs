//! SIGKILL between every two steps of a run.

use super::{calls, env};
use crate::support::service::{SHORT_LEASE, TestEnv};

/// Each point, with the calls that are paid in all: one more only for an answer that no store had yet.
const EVERYWHERE: &[(&str, [usize; 4])] = &[
    ("accepted", [1; 4]),
    ("claimed", [1; 4]),
    ("document-fetched", [1; 4]),
    ("document-read", [1; 4]),
    ("stage-answered", [2, 1, 1, 1]),
    ("stage-answered:4", [1, 1, 1, 2]),
    ("stage-stored", [1; 4]),
    ("stage-stored:3", [1; 4]),
    ("ended", [1; 4]),
];
const WITH_FILES: &[(&str, [usize; 4])] =
    &[("document-spooled", [1; 4]), ("stage-file-written:2", [1; 4]), ("report-written", [1; 4])];
/// Before a shared statement is sent, and after it: of the second stage, and of the end.
const WITH_DATABASE: &[(&str, [usize; 4])] =
    &[("group-formed:2", [1, 2, 1, 1]), ("group-ended:2", [1; 4]), ("group-ended:5", [1; 4])];
const WITH_BOTH: &[(&str, [usize; 4])] = &[
    ("stage-in-database:2", [1; 4]),
    ("end-in-database", [1; 4]),
    ("mirror-begins", [1; 4]),
    ("mirror-files-written", [1; 4]),
    ("mirror-manifests-written", [1; 4]),
];

/// In `DUAL_WRITE` these points are passed while the run goes on.
const MIRRORED: [&str; 2] = ["mirror-", "stage-file-written"];

async fn survives(env: &TestEnv, environment: &[(&str, &str)], points: &[&[(&str, [usize; 4])]]) {
    let settings: Vec<_> = SHORT_LEASE.iter().chain(environment).copied().collect();
    for (number, (point, paid)) in points.iter().copied().flatten().enumerate() {
        let run = format!("run-{number}");
        let before = calls(&env.model);
        let mut deadly = settings.clone();
        deadly.push(("CRASH_AT", point));
        let mut service = env.serve(&deadly).await;
        // The answer may be lost with the process; a client that asks again gets it.
        let _ = service.post(&env.request(&run)).await;
        service.killed().await;
        let service = env.serve(&settings).await;
        service.submit(&env.request(&run)).await;
        let status = service.ended(&run).await;
        assert_eq!(status["status"], "complete", "{point}: {status}");
        let after = calls(&env.model);
        let asked: Vec<usize> = after.iter().zip(before).map(|(after, before)| after - before).collect();
        let is_beside_the_run =
            points.contains(&WITH_BOTH) && MIRRORED.iter().any(|name| point.starts_with(name));
        if is_beside_the_run {
            // The run may have been in its next call.
            let is_bounded = asked.iter().all(|calls| *calls >= 1) && asked.iter().sum::<usize>() <= 5;
            assert!(is_bounded, "{point}: {asked:?}");
        } else {
            assert_eq!(asked, paid, "{point}");
        }
        if points.contains(&WITH_BOTH) {
            env.wait_until_synced(&run).await;
            env.assert_both_agree(&run).await;
        }
    }
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn dual_write_survives_a_kill_between_any_steps() {
    let env = env(std::time::Duration::ZERO).await;
    let points = [EVERYWHERE, WITH_FILES, WITH_DATABASE, WITH_BOTH];
    survives(&env, &[], &points).await;
    super::assert_all_complete(&env, points.concat().len()).await;
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn database_only_survives_a_kill_between_any_steps() {
    let env = env(std::time::Duration::ZERO).await;
    survives(&env, &[("ENABLE_FILE_FALLBACK", "false")], &[EVERYWHERE, WITH_DATABASE]).await;
    super::assert_all_complete(&env, EVERYWHERE.len() + WITH_DATABASE.len()).await;
}

#[tokio::test]
async fn file_only_survives_a_kill_between_any_steps() {
    let env = TestEnv::files_only().await;
    survives(&env, &[("ENABLE_DATABASE_WRITES", "false")], &[EVERYWHERE, WITH_FILES]).await;
}

#[tokio::test]
async fn repeated_random_kills_end_every_run_once() {
    const RUNS: usize = 12;
    const KILLS: u32 = 6;
    let env = env(std::time::Duration::from_millis(60)).await;
    let mut service = env.serve(&SHORT_LEASE).await;
    for number in 0..RUNS {
        service.submit(&env.request(&format!("run-{number}"))).await;
    }
    let tried_twice =
        r#"SELECT count(*)::text FROM "PipelineRun" WHERE "status" = 'PROCESSING' AND "attempts" > 1"#;
    for kill in 0..KILLS {
        // On a machine so slow that no stage ends between the kills, it would rightly be a crash loop.
        env.wait_for_value(tried_twice, "0").await;
        // Any moment will do, another each time; what follows does not depend on which.
        let moment = uuid::Uuid::new_v4().as_u128() % 600;
        tokio::time::sleep(std::time::Duration::from_millis(u64::try_from(moment).unwrap())).await;
        service.kill();
        service = env.serve(&SHORT_LEASE).await;
        println!("kill {kill} after {moment} ms");
    }
    super::assert_all_complete(&env, RUNS).await;
    for number in 0..RUNS {
        let run = format!("run-{number}");
        env.wait_until_synced(&run).await;
        env.assert_both_agree(&run).await;
    }
    let paid: usize = calls(&env.model).iter().sum();
    let in_flight = usize::try_from(KILLS).unwrap() * RUNS;
    assert!(
        (4 * RUNS..=4 * RUNS + in_flight).contains(&paid),
        "{paid}: at most the calls in flight at each kill"
    );
}
