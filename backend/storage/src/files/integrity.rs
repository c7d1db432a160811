//! Checks the digests of files that are read back.

use pipeline::{
    record::{RecordError, StageRecord},
    run::Stage,
};

use crate::{
    error::{StorageError, StorageErrorKind},
    files::{
        backend::file_backend::{ETag, Stored},
        manifest::StageEntry,
    },
};

/// The result of checking a stage file.
pub(super) enum DigestCheck {
    Record(Box<StageRecord>, String, ETag),
    Nothing,
    Damaged(String, ETag),
}

/// Checks a stage file against its own payload digest, and against the manifest's digest if the manifest
/// names it.
pub(super) fn check_digest(
    stored: Option<Stored>,
    stage: Stage,
    known: Option<&StageEntry>,
) -> Result<DigestCheck, StorageError> {
    let Some(Stored { bytes, version }) = stored else { return Ok(DigestCheck::Nothing) };
    let record = match StageRecord::from_bytes(stage, &bytes) {
        Ok(record) => record,
        Err(error) => return Ok(DigestCheck::Damaged(error.to_string(), version)),
    };
    let sha256 = digest(&record)?;
    Ok(match known {
        Some(known) if known.record_sha256 != sha256 => {
            let what = format!("has record digest {sha256}, the manifest says {}", known.record_sha256);
            DigestCheck::Damaged(what, version)
        }
        _ => DigestCheck::Record(Box::new(record), sha256, version),
    })
}

/// The digest of a whole record. It is stored in the manifest.
pub(super) fn digest(record: &StageRecord) -> Result<String, StorageError> {
    record.sha256().map_err(|error| without_form(record, &error))
}

/// The record as its file holds it: the bytes that the database gets, with the line breaks that people need.
pub(super) fn record_bytes(record: &StageRecord) -> Result<Vec<u8>, StorageError> {
    let sealed = record.sealed().map_err(|error| without_form(record, &error))?;
    Ok(indented(sealed.json.as_bytes()))
}

fn without_form(record: &StageRecord, error: &RecordError) -> StorageError {
    StorageError::new(StorageErrorKind::Invalid, format!("the record of {} {error}", record.meta.stage))
}

/// Breaks compact JSON into indented lines, and ends the last one.
fn indented(json: &[u8]) -> Vec<u8> {
    const INDENT: usize = 2;
    let mut lines = Vec::with_capacity(json.len() + json.len() / 2);
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    let mut bytes = json.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if in_string {
            lines.push(byte);
            in_string = is_escaped || byte != b'"';
            is_escaped = !is_escaped && byte == b'\\';
            continue;
        }
        if matches!(byte, b'}' | b']') {
            depth = depth.saturating_sub(1);
            break_line(&mut lines, depth * INDENT);
        }
        lines.push(byte);
        match byte {
            b'"' => in_string = true,
            b':' => lines.push(b' '),
            b',' => break_line(&mut lines, depth * INDENT),
            b'{' | b'[' => match bytes.next_if(|next| matches!(next, b'}' | b']')) {
                Some(end) => lines.push(end),
                None => {
                    depth += 1;
                    break_line(&mut lines, depth * INDENT);
                }
            },
            _ => {}
        }
    }
    lines.push(b'\n');
    lines
}

fn break_line(lines: &mut Vec<u8>, indent: usize) {
    lines.push(b'\n');
    lines.resize(lines.len() + indent, b' ');
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn lines_are_those_of_any_pretty_json() {
        for value in [
            json!({"a": [], "b": {}, "c": [1, [2.5, null], {"d": "e"}], "f": {"g": {"h": [true]}}}),
            json!({"quotes \" and \\ ends\\": "{\"a\": [1, 2]}, \\\"", "line\nbreak": "\u{e9}: ,"}),
            json!([]),
            json!("text: {1, 2}"),
        ] {
            let compact = serde_json::to_vec(&value).unwrap();
            let mut pretty = serde_json::to_vec_pretty(&value).unwrap();
            pretty.push(b'\n');
            assert_eq!(String::from_utf8(indented(&compact)), String::from_utf8(pretty.clone()));
            assert_eq!(serde_json::from_slice::<Value>(&pretty).unwrap(), value);
        }
    }
}
