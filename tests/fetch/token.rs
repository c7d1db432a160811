//! The token for private blobs goes to the host that was asked for, and nowhere else.
//!
//! The origin behaves as Vercel's private stores are documented to: without the token of the store it answers 403.

use std::time::Duration;

use secrecy::SecretString;

use super::{config, fetch};
use crate::support::{
    origin::{Answer, Origin},
    service::{FILE_ONLY, TestEnv},
};

const TOKEN: &str = "vercel_blob_rw_store_0123456789";

#[tokio::test]
async fn a_redirect_to_another_host_loses_the_token() {
    let other = Origin::start(|_, _| Answer::ok("", "content")).await;
    let elsewhere = format!("https://127.0.0.1:{}/there", other.port());
    let origin = Origin::start(move |path, _| match path {
        "/near" => Answer::to(307, "/here"),
        "/far" => Answer::to(307, &elsewhere),
        _ => Answer::ok("", "content"),
    })
    .await;
    let bundle = tempfile::NamedTempFile::new().unwrap();
    let pem = |origin: &Origin| std::fs::read_to_string(origin.authority.path()).unwrap();
    std::fs::write(bundle.path(), pem(&origin) + &pem(&other)).unwrap();
    let mut config = config(&origin, Duration::ZERO);
    config.allowed_hosts.push("127.0.0.1".into());
    config.extra_ca_file = Some(bundle.path().to_owned());
    config.token = Some(SecretString::from(TOKEN));
    config.token_hosts = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    for path in ["near", "far"] {
        assert_eq!(fetch(config.clone(), &origin.url(path)).await.unwrap(), b"content");
    }
    let sent = |asked: &crate::support::origin::Asked| asked.headers.get("authorization").cloned();
    assert_eq!(origin.asked().len(), 3);
    for asked in origin.asked() {
        assert_eq!(sent(&asked).as_deref(), Some(&*format!("Bearer {TOKEN}")), "{}", asked.path);
    }
    assert_eq!(other.asked().iter().map(sent).collect::<Vec<_>>(), [None]);
}

#[tokio::test]
async fn a_private_blob_is_read_without_logged_token() {
    let env = TestEnv::files_only().await;
    let text = std::fs::read(crate::support::sample("spotted-innovation.md")).unwrap();
    let origin = Origin::start(move |path, number| match (path, number) {
        ("/private.md", 1) => Answer::new("503 Service Unavailable", "", ""),
        ("/private.md", _) => Answer::ok("", &text),
        _ => Answer::new("403 Forbidden", "", "no"),
    })
    .await;
    let ca = origin.authority.path().to_str().unwrap();
    for variable in ["BLOB_READ_WRITE_TOKEN", "VERCEL_BLOB_READ_WRITE_TOKEN"] {
        let settings = [
            FILE_ONLY[0],
            ("EXTRA_CA_FILE", ca),
            ("ANALYST", "extractive"),
            ("LOG_LEVEL", "trace"),
            ("DOCUMENT_RETRY_SECONDS", "20"),
            ("BLOB_TOKEN_HOSTS", "localhost"),
            (variable, TOKEN),
        ];
        let service = env.serve(&settings).await;
        for (run, path, wanted) in [("private", "private.md", "complete"), ("forbidden", "x.md", "failed")] {
            let run = format!("{run}-{}", variable.len());
            let mut request = env.request(&run);
            request["blob_url"] = origin.url(path).into();
            service.submit(&request).await;
            assert_eq!(service.ended(&run).await["status"], wanted);
        }
        assert!(!service.log().contains(TOKEN), "no secret is logged");
    }
    let bearer = format!("Bearer {TOKEN}");
    assert!(origin.asked().iter().all(|asked| asked.headers.get("authorization") == Some(&bearer)));
}
