//! The report as a page of HTML, made of the four records: it is read in a browser, and printed on A4.
//!
//! `maud` writes it. Each text is escaped where it stands in the template, so no text of a stranger can become markup.
//! The page has no script and loads nothing but the pictures of kept pages. Its style is one file, `style.css`.

mod anchors;
mod background;
mod checks;
mod cover;
mod evidence;
mod matrix;
mod opportunities;
mod overview;
mod parts;
mod provenance;
mod sources;
#[cfg(test)]
mod tests;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use self::{anchors::Anchors, parts::Parts};
pub use self::{parts::shown_inline, sources::SourceLinks};
use super::{escape::plain, input::ReportInput, quote_list::Quotes};
use crate::{record::RecordError, stages::Outputs};

/// The style of a report page. Its words are ours.
pub const STYLE: &str = include_str!("style.css");

/// Writes the page. `nonce` admits the page's style under its content security policy.
///
/// # Errors
///
/// [`RecordError::Shape`] if a record's payload does not have the form of its stage's answer.
pub fn page(input: &ReportInput<'_>, links: SourceLinks<'_>, nonce: &str) -> Result<String, RecordError> {
    let mut outputs = Outputs::default();
    for record in input.records {
        outputs.insert(record.output()?);
    }
    let quotes = Quotes::new(&outputs, input);
    let anchors = Anchors::new(&outputs, quotes.list().len());
    let parts = Parts { input, outputs: &outputs, quotes: &quotes, anchors: &anchors, links };
    Ok(whole(&parts, nonce).into_string())
}

fn whole(parts: &Parts<'_>, nonce: &str) -> Markup {
    let brand = plain(&parts.input.brand.name);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { "Opportunities for " (brand) " – report" }
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                style nonce=(nonce) { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#overview" { "Skip to the overview" }
                (cover::render(parts))
                main {
                    (overview::render(parts))
                    (opportunities::render(parts))
                    (background::lessons(parts))
                    (background::trends(parts))
                    (background::inspirations(parts))
                    (evidence::render(parts))
                    (provenance::render(parts))
                }
            }
        }
    }
}
