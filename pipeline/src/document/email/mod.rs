//! Reads mails, and web pages that a browser or a wiki saved in the form of a mail (MHTML).

mod body;
mod flowed;
mod headers;
mod looks;
mod mailbox;

use std::panic::{AssertUnwindSafe, catch_unwind};

use mail_parser::{Message, MessageParser, MimeHeaders, PartType};

pub(super) use self::looks::{Mail, looks_like};
use super::encoding;
use super::error::DocumentError;
use super::html::{self, Scope, StyleSheet};
use super::limits::PAGES_MAX;
use super::raw::{RawDocument, RawPage};

/// Mails in mails. People forward three or four times.
const DEPTH_MAX: usize = 8;
/// Parts of one mail that are shown.
const PARTS_MAX: usize = 500;

/// Reads a mail: its headers and its body, then what is forwarded within. Each is a page. A mailbox holds several.
pub(super) fn eml(bytes: &[u8]) -> Result<RawDocument, DocumentError> {
    let mut document = RawDocument::default();
    let (mut attachments, mut damaged) = (Vec::new(), 0_usize);
    let mails = mailbox::mails(bytes);
    let depth = usize::from(mails.len() > 1);
    for mail in &mails {
        let read = with_message(mail, |message| {
            if mails.len() == 1 {
                document.title = headers::subject(message);
            }
            add(message, depth, &mut document, &mut attachments)
        });
        match read {
            Err(DocumentError::Corrupt(_)) if mails.len() > 1 => damaged += 1,
            other => other?,
        }
        if document.pages.len() > PAGES_MAX {
            break;
        }
    }
    if damaged > 0 {
        document
            .warnings
            .push(format!("{damaged} of the {} mails are damaged and were not read.", mails.len()));
    }
    document.warnings.extend(headers::not_read(&attachments));
    Ok(document)
}

/// Reads a saved web page: the part of it that holds the page itself.
pub(super) fn mhtml(bytes: &[u8]) -> Result<RawDocument, DocumentError> {
    with_message(bytes, |message| {
        let is_page = |index: &usize| {
            matches!(message.parts.get(*index).map(|part| &part.body), Some(PartType::Html(_)))
        };
        let pages = (0..message.parts.len()).filter(is_page);
        // The first one is the page. Those after it are frames in it.
        let mut pages = pages.collect::<Vec<_>>().into_iter();
        let Some(page) = pages.next() else {
            return Err(DocumentError::NoText("the saved web page holds no HTML".to_owned()));
        };
        let decoded = body::decoded(message, page, html::decode)?;
        let sheets = style_sheets(message);
        let mut document = html::read_styled(&decoded.text, Scope::Main, &sheets)?;
        document.warnings.splice(0..0, decoded.warnings);
        if pages.len() > 0 {
            document.warnings.push(format!("Frames of the saved web page were not read: {}.", pages.len()));
        }
        Ok(document)
    })
}

/// The style sheets that were saved with a web page.
fn style_sheets(message: &Message<'_>) -> Vec<StyleSheet> {
    let mut sheets = Vec::new();
    for (index, part) in message.parts.iter().enumerate().take(PARTS_MAX) {
        if !part.is_content_type("text", "css") {
            continue;
        }
        // A sheet that cannot be decoded hides nothing.
        if let Ok(decoded) = body::decoded(message, index, encoding::decode) {
            let id = part.content_id().map(|id| format!("cid:{id}"));
            let addresses = part.content_location().map(str::to_owned).into_iter().chain(id).collect();
            sheets.push(StyleSheet { addresses, text: decoded.text });
        }
    }
    sheets
}

/// Parses a mail. A panic of the parser is a damaged mail, not the end of the reader.
fn with_message<T>(
    bytes: &[u8],
    read: impl FnOnce(&Message<'_>) -> Result<T, DocumentError>,
) -> Result<T, DocumentError> {
    let bytes = without_envelope(bytes);
    let parsed = catch_unwind(AssertUnwindSafe(|| MessageParser::default().parse(bytes))).ok().flatten();
    let message = parsed
        .ok_or_else(|| DocumentError::Corrupt("its headers or parts are not those of a mail".to_owned()))?;
    read(&message)
}

/// The mail without the line that a mailbox file puts before it.
fn without_envelope(bytes: &[u8]) -> &[u8] {
    if !bytes.starts_with(b"From ") {
        return bytes;
    }
    memchr::memchr(b'\n', bytes).and_then(|end| bytes.get(end + 1..)).unwrap_or(bytes)
}

fn add(
    message: &Message<'_>,
    depth: usize,
    document: &mut RawDocument,
    attachments: &mut Vec<String>,
) -> Result<(), DocumentError> {
    let mut page = RawPage::new(headers::lines(message));
    let headers_only = page.text.len();
    page.label = headers::subject(message).filter(|_| depth > 0);
    let number = u32::try_from(document.pages.len() + 1).unwrap_or(u32::MAX);
    for part in message.html_body.iter().take(PARTS_MAX) {
        body::add(message, *part as usize, number, &mut page, document)?;
    }
    if page.text.len() == headers_only {
        // An HTML body of pictures alone may have a text body beside it.
        for part in message.text_body.iter().filter(|part| !message.html_body.contains(part)).take(PARTS_MAX)
        {
            body::add(message, *part as usize, number, &mut page, document)?;
        }
    }
    document.pages.push(page);
    for part in message.attachments.iter().take(PARTS_MAX) {
        match message.parts.get(*part as usize).map(|part| (part, &part.body)) {
            Some((_, PartType::Message(inner))) if depth < DEPTH_MAX && document.pages.len() < PARTS_MAX => {
                add(inner, depth + 1, document, attachments)?;
            }
            Some((part, _)) => {
                let is_inline = part.content_id().is_some() && part.attachment_name().is_none();
                if !is_inline {
                    attachments.push(headers::file_name(part));
                }
            }
            None => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
