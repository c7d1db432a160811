//! Settings that a check refuses: the line that it prints is pasted as it stands, and the check passes.

use super::{next, report, report_with_lines};
use crate::support::{s3::S3, service::TestEnv};

/// The bucket that `STORAGE_URL=s3://bucket/prefix` names.
const BUCKET: &str = "bucket";

fn bucket_settings(s3: &S3) -> Vec<(&'static str, String)> {
    s3.ask(&format!("PUT /{BUCKET} HTTP/1.1\r\nContent-Length: 0"));
    S3::environment(&s3.url()).into_iter().filter(|(name, _)| *name != "STORAGE_URL").collect()
}

fn with<'a>(settings: &[(&'a str, &'a str)], bucket: &'a [(&str, String)]) -> Vec<(&'a str, &'a str)> {
    let bucket = bucket.iter().map(|(name, value)| (*name, value.as_str()));
    settings.iter().copied().chain(bucket).collect()
}

#[tokio::test]
async fn each_pasted_line_repairs_a_deployment() {
    let env = TestEnv::files_only().await;
    let bucket = S3::start();
    let bucket = bucket_settings(&bucket);
    let settings = [
        ("ENVIRONMENT", "staging"),
        ("ENABLE_DATABASE_WRITES", "false"),
        ("BLOB_ALLOW_PRIVATE_NETWORK", "false"),
        ("ANALYST", "extractive"),
        ("OCR", "auto"),
        ("OCR_PROGRAM", "/nowhere/tesseract"),
    ];
    let settings = with(&settings, &bucket);
    let broken = report(&env, &settings, "doctor");
    assert_eq!((broken.verdict("files-durable"), broken.verdict("not-alone")), ("fail", "fail"));
    assert_eq!(broken.verdict("ocr"), "warn", "{}", broken.check("ocr"));
    let alone = report_with_lines(&broken, &["not-alone", "ocr"], &env, &settings, "doctor");
    assert_eq!((alone.verdict("not-alone"), alone.verdict("ocr")), ("ok", "ok"));
    let shared = report_with_lines(&broken, &["files-durable"], &env, &settings, "doctor");
    assert_eq!((shared.verdict("files-durable"), shared.verdict("files")), ("ok", "ok"));
    assert_eq!(shared.verdict("not-alone"), "ok", "a bucket says so, too");
}

#[tokio::test]
async fn a_bucket_without_conditions_serves_one_replica() {
    let env = TestEnv::files_only().await;
    let careless = S3::without_conditions();
    let bucket = bucket_settings(&careless);
    let settings = [("ENABLE_DATABASE_WRITES", "false"), ("STORAGE_URL", "s3://bucket/prefix")];
    let settings = with(&settings, &bucket);
    let broken = report(&env, &settings, "doctor");
    assert_eq!(broken.verdict("bucket-guard"), "fail", "{}", broken.check("bucket-guard"));
    let alone = report_with_lines(&broken, &["bucket-guard"], &env, &settings, "doctor");
    assert_eq!(alone.verdict("bucket-guard"), "ok");
}

#[tokio::test]
async fn each_pasted_line_closes_an_opening() {
    let env = TestEnv::files_only().await;
    let settings = [
        ("ENABLE_DATABASE_WRITES", "false"),
        ("BACKEND_API_KEYS", "guess-me"),
        ("ADMIN_SECRET", "aaaaaaaaaaaaaaaaaaaaaaaa"),
    ];
    let open = report(&env, &settings, "audit security");
    assert_eq!(open.ids("fail"), ["weak-secrets", "model-tls"], "{}", open.body);
    assert_eq!(open.verdict("keys-required"), "warn");
    let lines = open.check("weak-secrets")["next"].as_array().unwrap().len();
    assert_eq!(lines, 2, "one for each secret");
    assert!(!open.body.to_string().contains("guess-me"));
    let closed = report_with_lines(
        &open,
        &["weak-secrets", "model-tls", "keys-required"],
        &env,
        &settings,
        "audit security",
    );
    // Only a checkout with cargo deny says whether dependencies are vulnerable.
    assert_eq!(
        (closed.code, closed.ids("could_not_check")),
        (Some(3), vec!["dependencies"]),
        "{}",
        closed.body
    );
    assert_eq!((closed.ids("fail"), closed.ids("warn")), (vec![], vec![]), "{}", closed.body);
    for id in ["weak-secrets", "model-tls", "keys-required"] {
        assert_eq!(closed.verdict(id), "ok", "{}", closed.check(id));
    }
}

/// `/proc` is a file system without any room. The kernel says so to everybody, and needs no rights for it.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_names_what_makes_room() {
    let env = TestEnv::files_only().await;
    let full = report(&env, &[("STORAGE_URL", "file:///proc/outputs")], "doctor");
    assert_eq!(full.verdict("disk-space"), "fail", "{}", full.check("disk-space"));
    assert_eq!(next(full.check("disk-space")), "RETENTION_DAYS=7");
    assert_ne!(report(&env, &[], "doctor").verdict("disk-space"), "fail");
}
