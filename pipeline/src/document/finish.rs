//! The last step of every document: its limits, and what all of its pages say together.

use super::{content::Document, error::DocumentError, error_pages, limits::TEXT_BYTES_MAX, running_headers};

/// Checks the whole text, and marks running headers.
pub(super) fn check(document: &mut Document) -> Result<(), DocumentError> {
    limit(document)?;
    if !document.pages.iter().any(|page| page.text.chars().any(says_something)) {
        return Err(DocumentError::NoText("it holds no words".to_owned()));
    }
    if let [page] = document.pages.as_slice()
        && let Some(said) = error_pages::said(document.title.as_deref(), &page.text)
    {
        return Err(DocumentError::NoText(format!(
            "it is the error page of a web server, \u{201c}{said}\u{201d}; check the link, and download the document again"
        )));
    }
    running_headers::mark(&mut document.pages);
    Ok(())
}

pub(super) fn limit(document: &Document) -> Result<(), DocumentError> {
    let text_bytes: usize = document.pages.iter().map(|page| page.text.len()).sum();
    if text_bytes > TEXT_BYTES_MAX {
        return Err(DocumentError::TooLarge(format!("more than {TEXT_BYTES_MAX} bytes of text")));
    }
    Ok(())
}

/// Whether a character is more than punctuation: a letter, a digit or a pictograph.
fn says_something(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '\u{2600}'..='\u{26ff}' | '\u{1f000}'..='\u{1faff}')
}
