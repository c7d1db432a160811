//! Pictures of pages: each is drawn once, in a confined process, whatever the document holds.
#![cfg(target_os = "linux")]

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Instant};

use backend::documents::{
    isolate::Isolation,
    limits::Limits,
    pictures::{Picture, PictureError, PictureKey, Pictures},
};
use pipeline::document::{DocumentError, PICTURE_PIXELS_MAX};

use crate::support::{hostile, sample};

fn pictures(program: &Path) -> Pictures {
    Pictures::new(Isolation { program: Some(program.to_owned()), limits: Limits::default() })
}

fn real_pictures() -> Pictures {
    pictures(Path::new(env!("CARGO_BIN_EXE_innovation")))
}

async fn draw(pictures: &Pictures, bytes: &[u8], page: u32) -> Result<Picture, PictureError> {
    let key = PictureKey { sha256: pipeline::record::sha256_hex(bytes), page };
    pictures.get(&key, async { Ok(bytes.to_vec()) }).await
}

#[tokio::test]
async fn simultaneous_requests_draw_a_page_once() {
    let (pictures, report) = (real_pictures(), fs::read(sample("trend-report.pdf")).unwrap());
    let all = futures_util::future::join_all((0..8).map(|_| draw(&pictures, &report, 2))).await;
    let first = all[0].clone().unwrap();
    assert!(first.png.starts_with(b"\x89PNG") && first.width == 1_240, "{}", first.width);
    assert!(all.iter().all(|one| one.as_ref() == Ok(&first)));
    assert_eq!(pictures.drawn(), 1);
    assert_eq!(draw(&pictures, &report, 99).await, Err(PictureError::NoSuchPage(13)));
}

#[tokio::test]
async fn hostile_pages_cost_no_more_than_allowed() {
    let pictures = real_pictures();
    let huge = draw(&pictures, &hostile::huge_page(), 1).await.unwrap();
    assert!(huge.width * huge.height <= PICTURE_PIXELS_MAX, "{} × {}", huge.width, huge.height);
    let narrow = draw(&pictures, &hostile::narrow_page(), 1).await.unwrap();
    assert!(narrow.width >= 1 && narrow.height <= 16_384, "{} × {}", narrow.width, narrow.height);
    let began = Instant::now();
    // It is drawn, or refused for a reason.
    let _ = draw(&pictures, &hostile::self_referencing_form(), 1).await;
    assert!(began.elapsed().as_secs() < 15, "{:?}", began.elapsed());
    let not_a_pdf = draw(&pictures, b"%PDF-1.7 and no more", 1).await;
    assert!(matches!(not_a_pdf, Err(PictureError::Document(DocumentError::Corrupt(_)))), "{not_a_pdf:?}");
}

#[tokio::test]
async fn a_killed_painter_leaves_no_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("innovation");
    fs::write(&program, "#!/bin/sh\nkill -9 $$\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let pictures = pictures(&program);
    for drawn in 1..=2 {
        let killed = draw(&pictures, b"%PDF-1.7", 1).await;
        assert!(matches!(killed, Err(PictureError::Document(DocumentError::Unavailable(_)))), "{killed:?}");
        assert_eq!(pictures.drawn(), drawn, "the next reader tries again");
    }
}
