//! The answers of runs that have files alone: read back after a restart, and gone in time.

use std::{fs, path::PathBuf};

use super::{BRANDS, ON, complete, request};
use crate::support::service::{FILE_ONLY, TestEnv};

/// The files of all answers.
fn answers(env: &TestEnv) -> Vec<PathBuf> {
    let folder = env.folder.path().join("data/test-outputs/.answers");
    let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect()
}

#[tokio::test]
async fn files_answer_after_a_restart_until_they_expire() {
    let env = TestEnv::files_only().await;
    let settings = [FILE_ONLY, &[ON, ("ANSWER_CACHE_DAYS", "2")]].concat();
    let service = env.serve(&settings).await;
    complete(&service, &request(&env, "first", BRANDS[0])).await;
    assert_eq!((env.model.paid(), answers(&env).len()), (4, 4));
    drop(service);

    let service = env.serve(&settings).await;
    complete(&service, &request(&env, "second", BRANDS[0])).await;
    assert_eq!(env.model.paid(), 4);
    let reuse = &env.json("second", "stage1/inspirations.json")["meta"]["reuse"];
    assert_eq!(reuse["reused_from"], "first");
    drop(service);

    // The first pass of the sweep begins at the start.
    for file in answers(&env) {
        let text = fs::read_to_string(&file).unwrap();
        let mut entry: serde_json::Value = serde_json::from_str(&text).unwrap();
        entry["answered_at"] = "2026-01-01T00:00:00Z".into();
        fs::write(&file, entry.to_string()).unwrap();
    }
    let service = env.serve(&settings).await;
    service.wait_for_event("answers_removed").await;
    assert!(answers(&env).is_empty());
    complete(&service, &request(&env, "third", BRANDS[0])).await;
    assert_eq!((env.model.paid(), answers(&env).len()), (8, 4));
}
