//! Forms and notices that a site puts in place of an article, or behind its first lines.

use super::page::Page;
use super::visible::Sight;
use crate::document::error::DocumentError;
use crate::document::raw::RawPage;
use crate::document::walls::{asks_to_subscribe, wall};

const PAYWALL: &str = "The page says that the rest of its article is for subscribers. Sign in, open the article, and save it as PDF.";
/// A line that asks to subscribe is short.
const LINE_BYTES_MAX: usize = 400;

/// Refuses a page that asks for a password and says nothing else.
pub(super) fn check(page: &Page, titles: &[&str], pages: &[RawPage]) -> Result<(), DocumentError> {
    let asks_for_password = (0..page.len()).any(|index| {
        page.name(index) == "input"
            && page.attribute(index, "type").is_some_and(|kind| kind.eq_ignore_ascii_case("password"))
    });
    let text: String = pages.iter().take(8).flat_map(|page| [page.text.as_str(), "\n\n"]).collect();
    let refusal = wall(titles, &text, asks_for_password).and_then(|wall| wall.refusal());
    refusal.map_or(Ok(()), |why| Err(DocumentError::NoText(why.to_owned())))
}

/// The warning that the page shows the beginning of its article only.
pub(super) fn paywall(page: &Page, sights: &[Sight]) -> Option<String> {
    let is_asked = (0..page.len()).filter(|index| sights.get(*index) == Some(&Sight::Shown)).any(|index| {
        page.text(index)
            .filter(|text| text.len() <= LINE_BYTES_MAX)
            .is_some_and(|text| asks_to_subscribe(&text.to_lowercase().replace('\u{2019}', "'")))
    });
    is_asked.then(|| PAYWALL.to_owned())
}
