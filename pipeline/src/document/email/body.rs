//! The text of a part, decoded as its bytes show.

use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::{Encoding, Message, MimeHeaders, PartType};

use super::flowed;
use crate::document::content::HiddenText;
use crate::document::encoding::{self, Decoded};
use crate::document::error::DocumentError;
use crate::document::html::{self, Scope};
use crate::document::raw::{RawDocument, RawPage};
use crate::document::sections;
use crate::document::text::with_line_feeds;

/// Adds a part that a mail program shows to the page.
pub(super) fn add(
    message: &Message<'_>,
    part: usize,
    number: u32,
    page: &mut RawPage,
    document: &mut RawDocument,
) -> Result<(), DocumentError> {
    let is_html = matches!(message.parts.get(part).map(|part| &part.body), Some(PartType::Html(_)));
    if !is_html {
        let decoded = decoded(message, part, encoding::decode)?;
        document.warnings.extend(decoded.warnings);
        let text = with_line_feeds(decoded.text);
        let text = if says(message, part, "format", "flowed") {
            flowed::joined(&text, says(message, part, "delsp", "yes"))
        } else {
            text
        };
        sections::append(page, RawPage::new(text));
        return Ok(());
    }
    let decoded = decoded(message, part, html::decode)?;
    document.warnings.extend(decoded.warnings);
    match html::read(&decoded.text, Scope::Everything) {
        Ok(read) => {
            document.warnings.extend(read.warnings);
            document
                .hidden
                .extend(read.hidden.into_iter().map(|hidden| HiddenText { page: number, ..hidden }));
            read.pages.into_iter().for_each(|part| sections::append(page, part));
            Ok(())
        }
        // A mail of pictures alone still has its headers.
        Err(DocumentError::NoText(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whether the type of a part has an attribute with this value.
fn says(message: &Message<'_>, part: usize, attribute: &str, value: &str) -> bool {
    let kind = message.parts.get(part).and_then(|part| part.content_type());
    kind.and_then(|kind| kind.attribute(attribute)).is_some_and(|given| given.eq_ignore_ascii_case(value))
}

/// The text of a part. The mail names an encoding, which its bytes may contradict.
pub(super) fn decoded(
    message: &Message<'_>,
    part: usize,
    decode: impl Fn(&[u8], Option<&str>) -> Result<Decoded, DocumentError>,
) -> Result<Decoded, DocumentError> {
    let Some(part) = message.parts.get(part) else { return Ok(Decoded::default()) };
    let label = part.content_type().and_then(|kind| kind.attribute("charset"));
    let raw =
        message.raw_message.get(part.offset_body as usize..part.offset_end as usize).unwrap_or_default();
    let bytes = match part.encoding {
        Encoding::None => Some(raw.to_vec()),
        Encoding::QuotedPrintable => quoted_printable_decode(raw),
        Encoding::Base64 => base64_decode(raw),
    };
    match bytes {
        Some(bytes) => decode(&bytes, label),
        // The parser forgives more than its decoders.
        None => Ok(match &part.body {
            PartType::Html(text) | PartType::Text(text) => {
                Decoded { text: text.to_string(), warnings: Vec::new() }
            }
            _ => Decoded::default(),
        }),
    }
}
