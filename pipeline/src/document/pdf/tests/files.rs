use std::io::Write as _;

use super::builder::{flat, line, page};
use crate::document::error::DocumentError;
use crate::document::pdf::extract;

#[test]
fn brotli_streams_are_read() {
    // "BT /F1 12 Tf 50 700 Td (Brotli) Tj ET" as one uncompressed block of Brotli.
    let text = b"BT /F1 12 Tf 50 700 Td (Brotli) Tj ET";
    let brotli = uncompressed_brotli(text);
    for filter in ["/Filter /BrotliDecode", "/Filter [/BrotliDecode]"] {
        assert_eq!(page("").stream(4, filter, &brotli).text(), "Brotli");
    }
}

/// A Brotli stream of one block that is stored as it is, and the empty last block.
fn uncompressed_brotli(data: &[u8]) -> Vec<u8> {
    // Window of 16 bits (1 bit: 0), not last (0), four nibbles of length (00), length - 1, uncompressed (1).
    let bits = (data.len() as u32 - 1) << 4 | 1 << 20;
    let mut out = bits.to_le_bytes()[..3].to_vec();
    out.write_all(data).unwrap();
    out.push(3);
    out
}

#[test]
fn junk_before_and_versions_behind_are_read() {
    let bytes = page(&line(50.0, 700.0, "First")).bytes();
    let junk = [&b"HTTP/1.1 200 OK\r\n\r\n"[..], &bytes].concat();
    assert_eq!(flat(&extract(&junk).unwrap()), "First");
    let content = line(50.0, 700.0, "Second");
    let second = format!("4 0 obj\n<< /Length {} >>\nstream\n{content}\nendstream\nendobj\n", content.len());
    let tail = "trailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n0\n%%EOF\n";
    let versions = [&bytes, second.as_bytes(), tail.as_bytes()].concat();
    assert_eq!(flat(&extract(&versions).unwrap()), "Second");
}

fn refusal(draft: &super::builder::Draft) -> String {
    match draft.read() {
        Err(DocumentError::NoText(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn placeholders_are_refused_with_their_cure() {
    let form = page(&line(50.0, 700.0, "Please wait..."));
    let form = form.catalog("/NeedsRendering true /AcroForm << /Fields [] /XFA [(t) 4 0 R] >>");
    assert!(refusal(&form).contains("XFA"));
    let cover = page(&line(50.0, 700.0, "For the best experience, open this PDF portfolio in Acrobat."));
    assert!(refusal(&cover).contains("portfolio"));
    let shell = page(&line(50.0, 700.0, "This file is protected. Use a compatible PDF reader to open it."));
    assert!(refusal(&shell).contains("rights management"));
}

#[test]
fn reports_about_placeholders_are_read() {
    let report = page(&line(50.0, 700.0, "Rights management is a trend in publishing."));
    assert_eq!(report.text(), "Rights management is a trend in publishing.");
}

#[test]
fn attachments_are_named() {
    let draft = page(&line(50.0, 700.0, "Report"))
        .catalog("/Names << /EmbeddedFiles << /Names [(a) 20 0 R] >> >>")
        .object(20, "<< /Type /Filespec /F (a.txt) >>");
    assert!(draft.read().unwrap().warnings[0].contains("attached"));
}

#[test]
fn garbage_is_damaged() {
    assert!(matches!(extract(b"%PDF-1.7\ngarbage"), Err(DocumentError::Corrupt(_))));
}
