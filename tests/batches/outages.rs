//! Batches that meet a crash, or a database that is away.

use super::{BRANDS, ended, order, run_id};
use crate::support::{
    postgres::Stop,
    service::{DUAL_WRITE, FILE_ONLY, TestEnv},
};

#[tokio::test]
async fn a_batch_survives_a_crash_in_its_acceptance() {
    let env = TestEnv::files_only().await;
    let mut service = env.serve(&[FILE_ONLY, &[("CRASH_AT", "batch-recorded")]].concat()).await;
    assert!(service.post(&order(&env, "spring", &BRANDS)).await.is_none(), "no answer");
    service.killed().await;
    // Nothing of the runs is there yet. The start completes them.
    assert!(!env.run_folder(&run_id("spring", "decathlon")).exists());
    let service = env.serve(FILE_ONLY).await;
    assert_eq!(ended(&service, "spring").await["totals"]["complete"], 3);
    let record = env.folder.path().join("data/test-outputs/.batches/spring.json");
    let record = std::fs::read_to_string(record).unwrap();
    assert!(!record.contains("user_2abc") && !record.contains("https://"), "{record}");
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn files_accept_a_batch_for_an_absent_database() {
    let mut env = TestEnv::with_database().await;
    let service = env.serve(DUAL_WRITE).await;
    env.postgres().stop(Stop::Immediate);
    let request = order(&env, "spring", &BRANDS);
    service.submit(&request).await;
    assert_eq!(ended(&service, "spring").await["totals"]["complete"], 3);
    env.postgres().start_again();
    env.wait_for_value(r#"SELECT count(*)::text FROM "PipelineRun" WHERE "status" = 'COMPLETED'"#, "3").await;
    service.wait_for_event("batch_imported").await;
    assert_eq!(service.submit(&request).await["runs"][2]["status"], "complete");
    assert_eq!(service.events("run_started").len(), 3, "each run once");
}
