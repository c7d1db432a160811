//! The TypeScript client: generated from this very description, and run in Node against the real service.

use std::{
    path::PathBuf,
    process::{Command, Output},
};

use super::{KEY, service};
use crate::support::{assert_ok, innovation, root};

fn package() -> PathBuf {
    let package = root().join("clients/typescript");
    assert!(package.join("node_modules").exists(), "the client's packages are missing: run `make setup`");
    package
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn the_generated_client_matches_the_api() {
    let folder = tempfile::tempdir().unwrap();
    let (description, generated) = (folder.path().join("openapi.json"), folder.path().join("schema.ts"));
    let output = innovation(&["openapi"]).output().unwrap();
    assert_ok(&output);
    std::fs::write(&description, &output.stdout).unwrap();
    let output = Command::new("node")
        .current_dir(package())
        .arg("node_modules/openapi-typescript/bin/cli.js")
        .arg(&description)
        .arg("--output")
        .arg(&generated)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let generated = std::fs::read_to_string(generated).unwrap();
    let committed = std::fs::read_to_string(package().join("src/schema.ts")).unwrap();
    assert!(generated == committed, "the API has changed: run `make client` and commit its result");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_works_against_the_real_service() {
    let (env, service) = service().await;
    let output = Command::new("npm")
        .current_dir(package())
        .args(["run", "--silent", "test"])
        .env("INNOVATION_URL", format!("http://127.0.0.1:{}", service.port))
        .env("INNOVATION_KEY", KEY)
        .env("DOCUMENT_URL", env.blob.url("sample/spotted-innovation.md"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}\n{}", said(&output), service.log());
    assert!(said(&output).contains("# pass 5") || said(&output).contains("ℹ pass 5"), "{}", said(&output));
}
