//! The headers of a stranger's document, so that no browser runs anything in it.

use axum::http::{HeaderMap, HeaderValue, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use pipeline::{document::Format, visible_text::visible};

use crate::http::error::Problem;

/// The longest name that a browser is given, in characters.
const NAME_CHARS_MAX: usize = 120;

/// The characters of RFC 8187 that need no escape.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Browsers show a PDF in a viewer of their own, and only without `sandbox`. It is no page of this origin, and no script in it
/// reaches one.
const OF_PDF: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; object-src 'self'; frame-ancestors 'none'",
);
const OF_OTHERS: HeaderValue =
    HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; sandbox");

/// Adds the media type and everything that keeps the document from acting. Only a PDF opens in the browser; everything else,
/// HTML above all, is saved.
pub(super) fn add(headers: &mut HeaderMap, format: Format, name: &str) -> Result<(), Problem> {
    let is_pdf = format == Format::Pdf;
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type(format)));
    headers.insert(header::CONTENT_SECURITY_POLICY, if is_pdf { OF_PDF } else { OF_OTHERS });
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("none"));
    let disposition = disposition(if is_pdf { "inline" } else { "attachment" }, name);
    let disposition = HeaderValue::try_from(disposition).map_err(|_| Problem::internal())?;
    headers.insert(header::CONTENT_DISPOSITION, disposition);
    Ok(())
}

/// The header in both forms of RFC 6266: with plain letters alone, and with all.
fn disposition(kind: &str, name: &str) -> String {
    let name: String = visible(name).chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX).collect();
    let name = name.rsplit(['/', '\\']).next().map(str::trim).filter(|name| !name.is_empty());
    let name = name.unwrap_or("document");
    let plain: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || " -._".contains(c) { c } else { '_' }).collect();
    format!("{kind}; filename=\"{plain}\"; filename*=UTF-8''{}", utf8_percent_encode(name, ESCAPED))
}

/// A text in whatever encoding: nobody says which, and the browser does not guess.
const fn media_type(format: Format) -> &'static str {
    match format {
        Format::Pdf => "application/pdf",
        Format::Docx => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        Format::Pptx => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        Format::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        Format::Odt => "application/vnd.oasis.opendocument.text",
        Format::Odp => "application/vnd.oasis.opendocument.presentation",
        Format::Ods => "application/vnd.oasis.opendocument.spreadsheet",
        Format::Csv => "text/csv",
        Format::Rtf => "application/rtf",
        Format::Html => "text/html",
        Format::Mhtml => "multipart/related",
        Format::Epub => "application/epub+zip",
        Format::Eml => "message/rfc822",
        Format::Markdown => "text/markdown",
        Format::Text => "text/plain",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leaves_its_header_in_no_way() {
        assert_eq!(
            disposition("inline", "a\"; x=\r\nüber.pdf"),
            "inline; filename=\"a__ x__ber.pdf\"; filename*=UTF-8''a%22%3B%20x%3D%C3%BCber.pdf"
        );
        assert_eq!(
            disposition("inline", "../..\\etc/"),
            "inline; filename=\"document\"; filename*=UTF-8''document"
        );
        let long = disposition("inline", &"é".repeat(10_000));
        assert!(long.len() < 1_000, "{}", long.len());
    }

    #[test]
    fn only_a_pdf_opens_in_the_browser() {
        for (format, kind) in
            [(Format::Pdf, "inline"), (Format::Html, "attachment"), (Format::Text, "attachment")]
        {
            let mut headers = HeaderMap::new();
            add(&mut headers, format, "a").unwrap();
            let header = |name| headers.get(name).unwrap().to_str().unwrap();
            assert!(header(header::CONTENT_DISPOSITION).starts_with(kind));
            assert_eq!(header(header::CONTENT_SECURITY_POLICY).contains("sandbox"), format != Format::Pdf);
        }
    }
}
