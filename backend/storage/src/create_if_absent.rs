//! Tests at start whether create-if-absent works in the bucket, so that files guard against a second
//! execution.

use std::time::Duration;

use crate::files::FileStore;

/// The wait before the test is repeated, if the bucket does not answer.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Tests until there is an answer. Before that, and after a negative answer, this process treats the files as
/// its own; see `SINGLE_REPLICA`.
pub async fn check_create_if_absent(files: FileStore) {
    if files.is_on_disk() {
        return;
    }
    let place = files.place();
    let mut was_failing = false;
    loop {
        match files.check_create_if_absent().await {
            Ok(true) => {
                tracing::info!(
                    event = "bucket_guard_confirmed",
                    place,
                    "the bucket refuses existing names: all replicas may accept runs by file"
                );
                return;
            }
            Ok(false) => {
                tracing::error!(
                    event = "bucket_guard_missing",
                    place,
                    "the bucket ignores conditions of puts: its files do not guard against a second execution"
                );
                return;
            }
            // Log once per outage.
            Err(error) if !was_failing => {
                was_failing = true;
                tracing::warn!(event = "bucket_guard_check_failed", %error, "cannot test conditional puts in the bucket; will retry");
            }
            Err(_) => {}
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
}
