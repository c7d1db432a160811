//! Content codings: undone in every combination, within the limits, or refused by name.

use std::{io::Write as _, time::Duration};

use async_compression::tokio::write::{BrotliEncoder, ZstdEncoder};
use flate2::{
    Compression,
    write::{DeflateEncoder, GzEncoder, ZlibEncoder},
};
use pipeline::document::DocumentError;
use tokio::io::AsyncWriteExt as _;

use super::{config, fetch};
use crate::support::{
    innovation,
    origin::{Answer, Origin},
    sample,
    service::{FILE_ONLY, TestEnv},
};

const TEXT: &[u8] = b"Shops let people bring their own tins.\n";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

async fn brotli(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = BrotliEncoder::new(Vec::new());
    encoder.write_all(bytes).await.unwrap();
    encoder.shutdown().await.unwrap();
    encoder.into_inner()
}

async fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZstdEncoder::new(Vec::new());
    encoder.write_all(bytes).await.unwrap();
    encoder.shutdown().await.unwrap();
    encoder.into_inner()
}

/// Fetches this body from a server that sends it under this coding.
async fn received(coding: &str, body: Vec<u8>) -> Result<Vec<u8>, DocumentError> {
    let headers = format!("{coding}\r\n");
    let origin = Origin::start(move |_, _| Answer::ok(&headers, &body)).await;
    let result = fetch(config(&origin, Duration::ZERO), &origin.url("a.md")).await;
    let accepted = &origin.asked()[0].headers["accept-encoding"];
    assert!(["gzip", "br", "zstd", "deflate"].iter().all(|coding| accepted.contains(coding)), "{accepted}");
    result
}

#[tokio::test]
async fn every_known_coding_is_undone() {
    let several = [gzip(&TEXT[..10]), gzip(&TEXT[10..])].concat();
    for (coding, body) in [
        ("content-encoding: gzip", gzip(TEXT)),
        ("content-encoding: X-GZIP", gzip(TEXT)),
        ("content-encoding: gzip", several),
        ("content-encoding: deflate", zlib(TEXT)),
        ("content-encoding: deflate", deflate(TEXT)),
        ("content-encoding: br", brotli(TEXT).await),
        ("content-encoding: zstd", zstd(TEXT).await),
        ("content-encoding: identity", TEXT.to_vec()),
        ("content-encoding: gzip, gzip", gzip(&gzip(TEXT))),
        ("content-encoding: br, gzip", gzip(&brotli(TEXT).await)),
        ("content-encoding: deflate\r\ncontent-encoding: gzip", gzip(&zlib(TEXT))),
        ("content-encoding: aws-chunked", TEXT.to_vec()),
        ("content-encoding: aws-chunked,gzip", gzip(TEXT)),
    ] {
        assert_eq!(received(coding, body).await.unwrap(), TEXT, "{coding}");
    }
}

#[tokio::test]
async fn a_coding_that_cannot_be_undone_is_named() {
    for (coding, body, named) in [
        ("content-encoding: compress", TEXT.to_vec(), "compress"),
        ("content-encoding: gzip, dcb", gzip(TEXT), "dcb"),
        ("content-encoding: gzip", TEXT.to_vec(), "gzip"),
        ("content-encoding: br", vec![0xff; 100], "br"),
        ("content-encoding: zstd", TEXT.to_vec(), "zstd"),
        ("content-encoding: gzip", gzip(TEXT)[..20].to_vec(), "gzip"),
    ] {
        let error = received(coding, body).await.unwrap_err();
        assert_eq!(error.code(), "DOCUMENT_UNAVAILABLE", "{coding}: {error}");
        assert!(error.to_string().contains(named), "{coding}: {error}");
    }
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn limits_hold_for_every_layer() {
    let zeros = vec![0; 30_000_000];
    // Nothing at all, as often as it takes to keep a machine busy.
    let nothing = gzip(b"").repeat(50_000);
    for (coding, body) in [
        ("content-encoding: gzip", gzip(&zeros)),
        ("content-encoding: deflate", zlib(&zeros)),
        ("content-encoding: br", brotli(&zeros).await),
        ("content-encoding: zstd", zstd(&zeros).await),
        ("content-encoding: gzip, gzip", gzip(&gzip(&zeros))),
        ("content-encoding: gzip, gzip", gzip(&nothing)),
        ("content-encoding: gzip", nothing),
        ("content-encoding: identity", zeros.clone()),
    ] {
        let error = received(coding, body).await.unwrap_err();
        assert_eq!(error.code(), "DOCUMENT_TOO_LARGE", "{coding}: {error}");
    }
    let exact = vec![b'x'; 100_000];
    assert_eq!(received("content-encoding: gzip", gzip(&exact)).await.unwrap().len(), 100_000);
}

#[tokio::test]
async fn a_frame_with_a_huge_window_is_refused() {
    let params = [async_compression::zstd::CParameter::window_log(27)];
    let mut encoder =
        ZstdEncoder::with_quality_and_params(Vec::new(), async_compression::Level::Default, &params);
    encoder.write_all(TEXT).await.unwrap();
    encoder.flush().await.unwrap();
    encoder.write_all(TEXT).await.unwrap();
    encoder.shutdown().await.unwrap();
    let error = received("content-encoding: zstd", encoder.into_inner()).await.unwrap_err();
    assert_eq!(error.code(), "DOCUMENT_UNAVAILABLE", "{error}");
}

/// Case 50: a store that keeps a document compressed, and an archive that is a document of its own.
#[tokio::test]
async fn runs_read_what_a_store_keeps_compressed() {
    let env = TestEnv::files_only().await;
    let pdf = std::fs::read(sample("trend-report.pdf")).unwrap();
    let packed = gzip(&pdf);
    let origin = Origin::start(move |path, _| match path {
        "/report.pdf" => Answer::ok("content-type: application/pdf\r\ncontent-encoding: gzip\r\n", &packed),
        "/report.pdf.gz" => Answer::ok("content-type: application/gzip\r\n", &packed),
        _ => Answer::ok("content-encoding: pack200-gzip\r\n", &packed),
    })
    .await;
    let ca = origin.authority.path().to_str().unwrap();
    let service = env.serve(&[FILE_ONLY[0], ("EXTRA_CA_FILE", ca), ("ANALYST", "extractive")]).await;
    for (run, path, code) in [
        ("kept", "report.pdf", None),
        ("archive", "report.pdf.gz", Some("DOCUMENT_UNSUPPORTED")),
        ("unknown", "report", Some("DOCUMENT_UNAVAILABLE")),
    ] {
        let mut request = env.request(run);
        request["blob_url"] = origin.url(path).into();
        service.submit(&request).await;
        let status = service.ended(run).await;
        assert_eq!(status["error"]["code"].as_str(), code, "{status}");
    }
}

#[tokio::test]
async fn the_command_reads_it_too() {
    let text = std::fs::read(sample("spotted-innovation.md")).unwrap();
    let packed = brotli(&text).await;
    let origin = Origin::start(move |_, number| match number {
        1 => Answer::new("503 Service Unavailable", "", ""),
        _ => Answer::ok("content-encoding: br\r\n", &packed),
    })
    .await;
    let out = tempfile::tempdir().unwrap();
    let mut command =
        innovation(&["run", &origin.url("R%C3%A9sum%C3%A9.md"), "--brand", "decathlon", "--json", "--out"]);
    command
        .arg(out.path())
        .env("BLOB_ALLOWED_HOSTS", "localhost")
        .env("BLOB_ALLOW_PRIVATE_NETWORK", "true")
        .env("EXTRA_CA_FILE", origin.authority.path());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    crate::support::assert_ok(&output);
    let run =
        std::fs::read_dir(out.path()).unwrap().flatten().find(|entry| entry.path().join("run.json").exists());
    let report = std::fs::read_to_string(run.unwrap().path().join("report.md")).unwrap();
    assert!(report.contains("Résumé.md"), "the report names the document");
    assert_eq!(origin.asked().len(), 2);
}
