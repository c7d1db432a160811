//! Names of documents, as people see them.

use crate::support::{
    assert_ok, innovation,
    origin::{Answer, Origin},
    sample,
    service::{FILE_ONLY, TestEnv},
};

/// Serves a text for every address; the one that ends in a number has its name in a header only.
async fn origin() -> Origin {
    let text = std::fs::read(sample("spotted-innovation.md")).unwrap();
    Origin::start(move |path, _| match path {
        "/4711" => {
            Answer::ok("content-disposition: attachment; filename*=UTF-8''R%C3%A9sum%C3%A9.md\r\n", &text)
        }
        _ => Answer::ok("content-disposition: inline; filename=\"other.md\"\r\n", &text),
    })
    .await
}

/// Case 58.
#[tokio::test]
async fn a_run_shows_its_document_by_name() {
    let env = TestEnv::files_only().await;
    let origin = origin().await;
    let ca = origin.authority.ca.path().to_str().unwrap();
    let service = env.serve(&[FILE_ONLY[0], ("EXTRA_CA_FILE", ca), ("ANALYST", "extractive")]).await;
    for (run, path, shown, read_as) in [
        ("spaces", "R\u{e9}sum\u{e9} n\u{b0}1 (final).md", "Résumé n°1 (final).md", "Résumé n°1 (final).md"),
        ("encoded", "a/R%C3%A9sum%C3%A9%20n%C2%B01.md", "Résumé n°1.md", "Résumé n°1.md"),
        ("suffixed", "report-oYnXSVczoLa9yBYMFJOSNdaiiervF5.md", "report.md", "report.md"),
        ("numbered", "4711", "4711", "Résumé.md"),
    ] {
        let mut request = env.request(run);
        request["blob_url"] = origin.url(path).into();
        service.submit(&request).await;
        assert_eq!(service.ended(run).await["status"], "complete", "{run}");
        let (_, detail) = service.get(&format!("/api/pipeline/{run}")).await.unwrap();
        assert_eq!(detail["document_name"], shown, "{run}");
        let report = std::fs::read_to_string(env.run_folder(run).join("report.md")).unwrap();
        assert!(report.contains(read_as), "{run}: the report names {read_as}");
    }
}

#[tokio::test]
async fn the_command_uses_the_servers_file_name() {
    let origin = origin().await;
    let out = tempfile::tempdir().unwrap();
    let mut command = innovation(&[
        "run",
        &origin.url("4711"),
        "--brand",
        "decathlon",
        "--run-id",
        "r1",
        "--json",
        "--out",
    ]);
    command
        .arg(out.path())
        .env("BLOB_ALLOWED_HOSTS", "localhost")
        .env("BLOB_ALLOW_PRIVATE_NETWORK", "true")
        .env("EXTRA_CA_FILE", origin.authority.ca.path());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert_ok(&output);
    let report = std::fs::read_to_string(out.path().join("r1/report.md")).unwrap();
    assert!(report.contains("Résumé.md"), "the report names the document");
}
