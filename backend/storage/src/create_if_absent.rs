//! Whether files in a bucket guard against running twice: asked at start, of the bucket itself.

use std::time::Duration;

use crate::files::FileStore;

/// Between two questions to a bucket that does not answer.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Asks until there is an answer. Until then, and if it is no, files are treated as one process's own: see
/// `SINGLE_REPLICA`.
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
                    "the bucket refuses what is there already: all replicas may accept runs by file"
                );
                return;
            }
            Ok(false) => {
                tracing::error!(
                    event = "bucket_guard_missing",
                    place,
                    "the bucket takes conditional puts without their conditions: its files are no guard among replicas"
                );
                return;
            }
            // Once an outage.
            Err(error) if !was_failing => {
                was_failing = true;
                tracing::warn!(event = "bucket_guard_check_failed", %error, "the bucket could not be asked for conditional puts; asking on");
            }
            Err(_) => {}
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
}
