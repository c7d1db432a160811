//! Any bytes as a document, through the entry that the isolated child uses.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = pipeline::document::extract("fuzz", bytes);
});
