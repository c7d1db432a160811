//! Pages whose words stand only in a picture of them: what a program for OCR says about them, and the document that comes
//! of it.
//!
//! The pipeline runs no program. `backend::documents::ocr` does, and hands its answers to [`join`].

mod page;
mod tsv;

pub use self::page::RecognisedPage;
use super::{
    content::{Document, LineRole, Page},
    error::DocumentError,
    finish,
    page_list::page_list,
    scans::Scans,
    titles,
};

/// The advice where OCR is off.
pub const OFF: &str = "run OCR on it first, or let the service do it (OCR=auto)";

/// The title of a document stands on one of its first pages.
const TITLE_PAGES: usize = 2;

/// A document as its reader found it, before OCR.
#[derive(Debug, Clone, PartialEq)]
pub struct Scanned {
    pub document: Document,
    pub scans: Scans,
}

/// The result of OCR for the pages of a document.
#[derive(Debug, Clone, PartialEq)]
pub struct Recognition {
    /// The program, its version and its languages, for people.
    pub engine: String,
    /// By the number of the page.
    pub pages: Vec<(u32, PageReading)>,
    /// The most pages that are read of a document. The scans beyond it are not in `pages`.
    pub pages_max: usize,
}

/// The result of OCR for one page.
#[derive(Debug, Clone, PartialEq)]
pub enum PageReading {
    Read(RecognisedPage),
    /// The words after "because".
    Failed(String),
}

/// Completes a document whose scans nobody reads. `advice` says what to do about it.
///
/// # Errors
///
/// [`DocumentError::NoText`] if the scans are all that the document has.
pub fn without(scanned: Scanned, advice: &str) -> Result<Document, DocumentError> {
    let Scanned { mut document, scans } = scanned;
    if let Some(reason) = &scans.refusal {
        return Err(DocumentError::NoText(format!("{reason}; {advice}")));
    }
    if scans.is_empty() {
        return Ok(document);
    }
    if !scans.pictures.is_empty() {
        document.warnings.push(format!(
            "{} looks scanned or is all image; what the image says was not read: {advice}.",
            page_list(&scans.pictures)
        ));
    }
    warn_of_unreadable(&mut document, &scans.unreadable);
    finish::check(&mut document)?;
    Ok(document)
}

/// Puts the recognised text in its pages' place, and completes the document.
///
/// # Errors
///
/// [`DocumentError::NoText`] if no page has words, and [`DocumentError::TooLarge`] if they have too many.
pub fn join(scanned: Scanned, recognition: Recognition) -> Result<Document, DocumentError> {
    let Scanned { mut document, scans } = scanned;
    let Recognition { engine, pages, pages_max } = recognition;
    let mut outcome = Outcome { left: scans.pages(), ..Outcome::default() };
    for (number, reading) in pages {
        outcome.left.retain(|left| *left != number);
        let Some(page) = document.pages.iter_mut().find(|page| page.number == number) else { continue };
        match reading {
            PageReading::Read(recognised) => outcome.take(page, recognised),
            PageReading::Failed(reason) => outcome.failed.push((number, reason)),
        }
    }
    if scans.refusal.is_some() && outcome.read.is_empty() {
        return Err(DocumentError::NoText(outcome.refusal(&engine)));
    }
    let unread = |page: &&u32| !outcome.read.contains(page);
    let unreadable: Vec<u32> = scans.unreadable.iter().filter(unread).copied().collect();
    outcome.warn(&mut document.warnings, &engine, pages_max);
    warn_of_unreadable(&mut document, &unreadable);
    if document.title.is_none() {
        document.title = title(&document.pages);
    }
    finish::check(&mut document)?;
    Ok(document)
}

fn warn_of_unreadable(document: &mut Document, pages: &[u32]) {
    if !pages.is_empty() {
        document.warnings.push(format!(
            "{} has characters that cannot be read, because the fonts do not say which they are; the mark \
             \u{fffd} stands for each.",
            page_list(pages)
        ));
    }
}

/// The pages by what became of them.
#[derive(Debug, Default)]
struct Outcome {
    read: Vec<u32>,
    doubtful: Vec<u32>,
    /// Pages with a plus sign before a figure.
    signed: Vec<u32>,
    empty: Vec<u32>,
    failed: Vec<(u32, String)>,
    left: Vec<u32>,
}

impl Outcome {
    fn take(&mut self, page: &mut Page, recognised: RecognisedPage) {
        let RecognisedPage { text, marks, readable } = recognised;
        if text.is_empty() {
            self.empty.push(page.number);
            return;
        }
        self.read.push(page.number);
        if text.contains(char::REPLACEMENT_CHARACTER) {
            self.doubtful.push(page.number);
        }
        if has_plus(&text) {
            self.signed.push(page.number);
        }
        (page.text, page.marks, page.readable, page.is_recognised) = (text, marks, readable, true);
    }

    fn refusal(&self, engine: &str) -> String {
        match self.failed.first() {
            Some((page, reason)) => {
                format!(
                    "its pages are scanned, and OCR by {engine} could not read page {page}, because {reason}"
                )
            }
            None => format!(
                "its pages are scanned, and OCR by {engine} found no words on them; scan it again with a higher \
                 resolution, or set OCR_LANGUAGES to its language"
            ),
        }
    }

    fn warn(&self, warnings: &mut Vec<String>, engine: &str, pages_max: usize) {
        if !self.read.is_empty() {
            warnings.push(format!(
                "{} was read by OCR ({engine}), which may take one letter or digit for another; compare figures and names \
                 with the page.",
                page_list(&self.read)
            ));
        }
        if !self.doubtful.is_empty() {
            warnings.push(format!(
                "{} has words that OCR could only guess; the mark \u{fffd} stands for each.",
                page_list(&self.doubtful)
            ));
        }
        if !self.signed.is_empty() {
            warnings.push(format!(
                "{} has figures with a plus sign. OCR reads + also where \u{b1} is printed; compare them with the page.",
                page_list(&self.signed)
            ));
        }
        if !self.empty.is_empty() {
            warnings.push(format!("{} is a picture in which OCR found no words.", page_list(&self.empty)));
        }
        if let Some((_, reason)) = self.failed.first() {
            let pages: Vec<u32> = self.failed.iter().map(|(page, _)| *page).collect();
            let list = page_list(&pages);
            warnings.push(format!("{list} looks scanned and could not be read by OCR, because {reason}."));
        }
        if !self.left.is_empty() {
            warnings.push(format!(
                "{} looks scanned and was not read, because OCR_PAGES_MAX is {pages_max}.",
                page_list(&self.left)
            ));
        }
    }
}

/// Whether a plus sign stands before a figure. The program is sure of it where the page says `±`.
fn has_plus(text: &str) -> bool {
    text.split('+').skip(1).any(|rest| rest.trim_start_matches(' ').starts_with(|c: char| c.is_ascii_digit()))
}

/// The first heading of the first pages, if OCR read them.
fn title(pages: &[Page]) -> Option<String> {
    let first = pages.iter().take(TITLE_PAGES).filter(|page| page.is_recognised);
    let (page, line) = first.into_iter().find_map(|page| {
        let mark = page.marks.iter().find(|mark| matches!(mark.role, LineRole::Heading(_)))?;
        Some((page, mark.line))
    })?;
    // A title of several lines has the same mark on each.
    let is_heading = |line: usize| {
        page.marks.iter().any(|mark| mark.line == line && matches!(mark.role, LineRole::Heading(_)))
    };
    let lines = page.text.lines().enumerate().skip(line).take_while(|(number, _)| is_heading(*number));
    let title = lines.map(|(_, line)| line).collect::<Vec<_>>().join(" ");
    Some(titles::without_shouting(&title, &titles::abbreviations(pages)))
}

#[cfg(test)]
mod tests;
