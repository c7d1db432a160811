//! The last step of every document: its limits, and what all of its pages say together.

use super::{
    content::Document, error::DocumentError, error_pages, format::Format, limits::TEXT_BYTES_MAX,
    running_headers, walls,
};

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
    stands_before(document)?;
    running_headers::mark(&mut document.pages);
    Ok(())
}

/// Refuses what a website shows before an article, or warns of it.
fn stands_before(document: &mut Document) -> Result<(), DocumentError> {
    /// A form or a notice has fewer sections.
    const PAGES_MAX: usize = 8;
    let is_of_the_web = matches!(
        document.format,
        Format::Html | Format::Mhtml | Format::Pdf | Format::Markdown | Format::Text
    );
    if !is_of_the_web || document.pages.len() > PAGES_MAX {
        return Ok(());
    }
    let text: String = document.pages.iter().flat_map(|page| [page.text.as_str(), "\n\n"]).collect();
    let titles: Vec<&str> = document.title.iter().map(String::as_str).collect();
    let Some(wall) = walls::wall(&titles, &text, false) else { return Ok(()) };
    match wall.refusal() {
        Some(why) => Err(DocumentError::NoText(why.to_owned())),
        None => {
            document.warnings.push(wall.warning().to_owned());
            Ok(())
        }
    }
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
