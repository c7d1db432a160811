//! Whether bytes are a mail or a saved web page.

use super::mailbox::is_envelope;

/// The headers at the start of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::document) enum Mail {
    Eml,
    Mhtml,
}

/// The headers of a mail that travelled far take some kilobytes.
const HEADER_BYTES_MAX: usize = 65_536;

/// Recognises a mail by its headers.
pub(in crate::document) fn looks_like(bytes: &[u8], name: &str) -> Option<Mail> {
    let start = bytes.get(..HEADER_BYTES_MAX).unwrap_or(bytes);
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    let mut headers: Vec<(String, String)> = Vec::new();
    let mut has_envelope = false;
    for (index, line) in start.split(|byte| *byte == b'\n').enumerate() {
        let line = String::from_utf8_lossy(line);
        let line = line.trim_end();
        if line.is_empty() && (index == 0 || headers.is_empty()) {
            continue;
        }
        if line.is_empty() {
            break;
        }
        if index == 0 && line.starts_with("From ") {
            has_envelope = is_envelope(line.as_bytes());
            continue;
        }
        match (line.starts_with([' ', '\t']), headers.last_mut()) {
            (true, Some((_, value))) => value.push_str(line),
            (true, None) => return None,
            (false, _) => headers.push(header(line)?),
        }
    }
    let value =
        |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.to_lowercase());
    let sure = ["mime-version", "message-id", "received", "return-path", "delivered-to", "x-mailer"];
    let is_sure = has_envelope || sure.iter().any(|name| value(name).is_some());
    let content = value("content-type").unwrap_or_default();
    let from = value("from").unwrap_or_default();
    let is_saved = value("snapshot-content-location").is_some()
        || from.trim_start_matches(['"', '<', ' ']).starts_with("saved by");
    let is_page = content.trim_start().starts_with("multipart/related")
        || content.trim_start().starts_with("text/html");
    if is_saved || (is_page && from.is_empty() && (is_sure || content.contains("boundary"))) {
        return Some(Mail::Mhtml);
    }
    let named = name.ends_with(".eml") && (!from.is_empty() || value("subject").is_some());
    (named || (is_sure && (!from.is_empty() || !content.is_empty()))).then_some(Mail::Eml)
}

fn header(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    let is_name = !name.is_empty()
        && name.len() < 80
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    is_name.then(|| (name.to_ascii_lowercase(), value.to_owned()))
}
