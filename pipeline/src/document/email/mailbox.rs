//! Mailbox files (`.mbox`): several mails in one file, each after a line that names its envelope.

use std::borrow::Cow;

/// The mails of a file. A file that is no mailbox is one mail.
pub(super) fn mails(bytes: &[u8]) -> Vec<Cow<'_, [u8]>> {
    if !is_envelope(first_line(bytes)) {
        return vec![Cow::Borrowed(bytes)];
    }
    let mut mails = Vec::new();
    let mut start = first_line(bytes).len();
    let mut from = start;
    while let Some(found) = bytes.get(from..).and_then(|rest| memchr::memmem::find(rest, b"\nFrom ")) {
        let line_start = from + found + 1;
        from = line_start;
        let Some((before, rest)) = bytes.split_at_checked(line_start) else { break };
        let line = first_line(rest);
        let after_blank = before.ends_with(b"\n\n") || before.ends_with(b"\n\r\n");
        if after_blank && is_envelope(line) {
            mails.push(as_sent(bytes.get(start..line_start).unwrap_or_default()));
            start = line_start + line.len();
        }
    }
    mails.push(as_sent(bytes.get(start..).unwrap_or_default()));
    mails
}

/// A mail without the `>` that the mailbox puts before a line that looks like an envelope.
fn as_sent(mail: &[u8]) -> Cow<'_, [u8]> {
    const MARK: &[u8] = b"\n>From ";
    let mut rest = mail;
    let mut sent = Vec::new();
    while let Some(found) = memchr::memmem::find(rest, MARK) {
        let (before, after) = rest.split_at(found + 1);
        sent.extend_from_slice(before);
        rest = after.get(1..).unwrap_or_default();
    }
    if sent.is_empty() {
        return Cow::Borrowed(mail);
    }
    sent.extend_from_slice(rest);
    Cow::Owned(sent)
}

/// The first line, with its end.
fn first_line(bytes: &[u8]) -> &[u8] {
    let end = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1);
    bytes.get(..end).unwrap_or(bytes)
}

/// Whether a line is an envelope: `From`, an address, and a date with a time and a year. A line of a text that begins with
/// `From` has neither.
pub(super) fn is_envelope(line: &[u8]) -> bool {
    const LINE_BYTES_MAX: usize = 1_000;
    if !line.starts_with(b"From ") || line.len() > LINE_BYTES_MAX {
        return false;
    }
    let words = || line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let is_time = |word: &[u8]| {
        word.first().is_some_and(u8::is_ascii_digit)
            && word.contains(&b':')
            && word.iter().all(|byte| byte.is_ascii_digit() || *byte == b':')
    };
    let is_year = |word: &[u8]| word.len() == 4 && word.iter().all(u8::is_ascii_digit);
    words().any(is_time) && words().any(is_year)
}
