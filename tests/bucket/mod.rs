//! Files in a bucket, against a real S3 server: the store, and replicas that have nothing else in common.

mod flips;
mod orders;
mod outages;
mod replicas;
mod store;

use crate::support::{
    s3::S3,
    service::{Service, TestEnv},
};

/// Starts a replica whose files are in the bucket, and waits until it accepts by them.
async fn replica(env: &TestEnv, endpoint: &str, name: &str, more: &[(&str, &str)]) -> Service {
    let environment = S3::environment(endpoint);
    let mut all: Vec<(&str, &str)> =
        environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    all.extend(more);
    let service = env.replica(name, &all).await;
    service.wait_for_event("bucket_guard_confirmed").await;
    service
}
