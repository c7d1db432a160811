//! Pulling the plug on processes: one replica or several, killed, stopped, paused or cut off at any point.
//!
//! Every test asserts that every accepted run ends, once, that stores agree by digest where both hold it, and how many
//! model calls were paid.

mod alone;
mod crash;
mod lifecycle;
mod mixed_versions;
mod multi_replica;

use std::time::Duration;

use crate::support::{
    openrouter::calls,
    service::{TestEnv, env},
};

/// Long enough for a test to act while a stage is under way.
const SLOW: Duration = Duration::from_millis(500);

/// Waits until every accepted run has ended, and asserts that all are complete.
async fn assert_all_complete(env: &TestEnv, count: usize) {
    env.wait_for_value(r#"SELECT count(*)::text FROM "PipelineRun" WHERE "status" = 'PROCESSING'"#, "0")
        .await;
    let complete = r#"SELECT count(*)::text FROM "PipelineRun" WHERE "status" = 'COMPLETED'
        AND num_nulls("stage1Output", "stage2Output", "stage3Output", "stage4Output", "fullReportMarkdown") = 0"#;
    assert_eq!(env.value(complete).await, count.to_string());
}
