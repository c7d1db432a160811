//! The bodies of the fuzz targets. `make test` runs them on the corpus.

use pipeline::run::Stage;

/// Reads any bytes as a document, as the isolated child does.
pub(crate) fn document(bytes: &[u8]) {
    if let Ok(document) = pipeline::document::extract("fuzz", bytes) {
        assert!(!document.pages.is_empty(), "a document has a page");
        assert!(
            document.pages.iter().all(|page| (0.0..=1.0).contains(&page.readable)),
            "readable is a share"
        );
    }
}

/// Reads any bytes as the body of an RTF document.
pub(crate) fn rtf(bytes: &[u8]) {
    document(&[b"{\\rtf1\\ansi ", bytes].concat());
}

/// Reads any bytes as a response of the model's endpoint, and its text as the answer of each stage.
pub(crate) fn answer(bytes: &[u8]) {
    const BYTES_MAX: usize = 1024 * 1024;
    let _ = backend::llm::wire::decode_error(500, bytes);
    if let Ok(reply) = backend::llm::wire::decode(bytes, BYTES_MAX) {
        assert!(!reply.parts.is_blank(), "an empty answer is none");
        for stage in Stage::ALL {
            let _ = pipeline::analyst::model::parse_answer(stage, &reply.parts.content);
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = pipeline::analyst::model::parse_answer(Stage::InputProcessing, text);
    }
}

/// Reads any bytes as a response in pieces. The first byte sets their length, and the reply must not depend
/// on it.
pub(crate) fn stream(bytes: &[u8]) {
    use backend::llm::wire::{Decoder, decode};
    const BYTES_MAX: usize = 1024 * 1024;
    let Some((length, body)) = bytes.split_first() else { return };
    let mut decoder = Decoder::new(BYTES_MAX);
    let mut fault = None;
    for piece in body.chunks(usize::from(*length).max(1)) {
        match decoder.push(piece) {
            Ok(false) => {}
            Ok(true) => break,
            Err(early) => {
                fault = Some(early);
                break;
            }
        }
    }
    let pieces = match fault {
        Some(fault) => Err(decoder.failure(fault)),
        None => decoder.finish(),
    };
    assert!(pieces == decode(body, BYTES_MAX), "the cuts change the reply");
}
