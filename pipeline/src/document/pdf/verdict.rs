//! The checks and warnings of the whole document, from facts of its pages.

use std::collections::BTreeMap;

use super::glyph::GlyphPage;
use crate::document::{
    content::{HiddenReason, HiddenText},
    error::DocumentError,
    page_list::page_list,
    raw::{RawDocument, RawPage},
    scans::Scans,
};

/// Below this readable share, or with fewer readable letters, the whole document counts as unreadable.
const READABLE_MIN: f64 = 0.25;
const READABLE_LETTERS_MIN: usize = 20;
/// A page below this readable share is left to OCR, where there is one.
const RECOGNISED_BELOW: f64 = 0.5;
/// A page with more unreadable characters than this share is named in a warning.
const UNREAD_SILENT_MAX: f64 = 0.01;
/// A page with an image of at least this share of its area and fewer letters than `SCAN_LETTERS_MAX` is a scan.
const SCAN_IMAGE_SHARE: f64 = 0.5;
const SCAN_LETTERS_MAX: usize = 40;
/// The most hidden text that is kept of a document, in bytes. It is named, and no evidence.
const HIDDEN_BYTES_MAX: usize = 200_000;

/// The kinds of content of the pages so far.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    printed: usize,
    unread: f64,
    letters: usize,
    scanned: Vec<usize>,
    /// Pages of which less than half can be read.
    hardly_read: Vec<usize>,
    partly_unread: Vec<usize>,
    pub(super) by_fallback: Vec<usize>,
    /// The number of comments beside the pages.
    pub(super) comments: usize,
    hidden: Vec<HiddenText>,
    hidden_bytes: usize,
    /// The pages with hidden text, by reason.
    hidden_pages: BTreeMap<HiddenReason, Vec<usize>>,
}

impl Verdict {
    /// Notes a page that was read.
    pub(super) fn note(&mut self, number: usize, glyphs: &GlyphPage, page: &RawPage) {
        let letters = page.text.chars().filter(|c| c.is_alphanumeric()).count();
        if glyphs.image_share >= SCAN_IMAGE_SHARE && letters < SCAN_LETTERS_MAX && !page.is_recognised {
            self.scanned.push(number);
        }
        if page.readable < RECOGNISED_BELOW && !self.scanned.ends_with(&[number]) {
            self.hardly_read.push(number);
        } else if page.readable < 1.0 - UNREAD_SILENT_MAX {
            self.partly_unread.push(number);
        }
        self.printed += glyphs.printed;
        self.unread += glyphs.printed as f64 * (1.0 - page.readable);
        self.letters += letters;
    }

    pub(super) fn note_hidden(&mut self, number: usize, texts: Vec<(HiddenReason, String)>) {
        for (reason, text) in texts {
            self.hidden_pages.entry(reason).or_default().push(number);
            self.hidden_bytes += text.len();
            if self.hidden_bytes <= HIDDEN_BYTES_MAX
                && let Ok(page) = u32::try_from(number)
            {
                self.hidden.push(HiddenText { page, reason, text });
            }
        }
    }

    /// Refuses a document without text, adds the warnings, and names the pages that are left to OCR.
    pub(super) fn speak(mut self, document: &mut RawDocument) -> Result<(), DocumentError> {
        let is_invisible = self.printed == 0 && self.take_invisible_text(document);
        let unread = self.unread > (1.0 - READABLE_MIN) * self.printed as f64
            || (self.unread > 0.0
                && self.letters < READABLE_LETTERS_MIN
                && 2.0 * self.unread > self.printed as f64);
        let refusal = if self.printed > 0 && unread {
            Some("its fonts do not say which characters they show")
        } else {
            self.is_scan(document).then_some("its pages are scanned images without a text layer")
        };
        document.scans = Scans {
            pictures: numbers(&self.scanned),
            unreadable: numbers(&self.hardly_read),
            refusal: refusal.map(str::to_owned),
        };
        if self.letters == 0
            && document.scans.is_empty()
            && let Some(hidden) = self.hidden_warning()
        {
            return Err(DocumentError::NoText(format!(
                "a reader sees no text; {}",
                hidden.trim_end_matches('.')
            )));
        }
        let warnings = &mut document.warnings;
        if is_invisible {
            warnings.push(
                "All text of the PDF is invisible; it was read as the recognised text of a scan.".to_owned(),
            );
        }
        if !self.by_fallback.is_empty() {
            warnings.push(format!(
                "{} was read by the second engine, because the fonts hide their characters from the first.",
                page_list(&self.by_fallback)
            ));
        }
        if !self.partly_unread.is_empty() {
            warnings.push(format!(
                "{} has characters that cannot be read, because the fonts do not say which they are; the mark \
                 \u{fffd} stands for each.",
                page_list(&self.partly_unread)
            ));
        }
        if self.comments > 0 {
            let said = if self.comments == 1 { "comment was" } else { "comments were" };
            warnings.push(format!("{} {said} not read; comments stand beside the pages.", self.comments));
        }
        warnings.extend(self.hidden_warning());
        document.hidden = self.hidden;
        Ok(())
    }

    /// If no page prints anything, its invisible text is the text layer of a scan whose pictures are lost.
    fn take_invisible_text(&mut self, document: &mut RawDocument) -> bool {
        let mut taken = false;
        self.hidden.retain(|hidden| {
            let page = (hidden.page as usize).checked_sub(1).and_then(|index| document.pages.get_mut(index));
            match page {
                Some(page) if hidden.reason == HiddenReason::Marked => {
                    page.text.clone_from(&hidden.text);
                    page.is_recognised = true;
                    self.letters += page.text.chars().filter(|c| c.is_alphanumeric()).count();
                    taken = true;
                    false
                }
                _ => true,
            }
        });
        if taken {
            self.hidden_pages.remove(&HiddenReason::Marked);
        }
        taken
    }

    /// Whether all pages are pictures. Text that they print besides is a stamp if it is the same on each.
    fn is_scan(&self, document: &RawDocument) -> bool {
        let scans = self.scanned.iter().filter_map(|number| document.pages.get(number - 1));
        let stamps: Vec<String> = scans.map(|page| letters_of(&page.text)).collect();
        let blank = document.pages.iter().filter(|page| page.text.is_empty()).count();
        let blank_scans = stamps.iter().filter(|stamp| stamp.is_empty()).count();
        let all = !stamps.is_empty() && blank + stamps.len() - blank_scans >= document.pages.len();
        let first = stamps.iter().find(|stamp| !stamp.is_empty());
        let printed = stamps.len() - blank_scans;
        let is_stamp = first.is_none_or(|first| {
            is_scanner_mark(first)
                || (printed > 1 && stamps.iter().all(|stamp| stamp.is_empty() || stamp == first))
        });
        all && is_stamp
    }

    /// "Text that no reader sees was left out: outside the page (page 3), ...".
    fn hidden_warning(&self) -> Option<String> {
        let count: usize = self.hidden_pages.values().map(Vec::len).sum();
        let parts: Vec<String> = self
            .hidden_pages
            .iter()
            .map(|(reason, pages)| format!("{} ({})", place(*reason), page_list(pages).to_lowercase()))
            .collect();
        let noun = if count == 1 { "text that no reader sees was" } else { "texts that no reader sees were" };
        (count > 0).then(|| format!("{count} {noun} left out: {}.", parts.join(", ")))
    }
}

fn numbers(pages: &[usize]) -> Vec<u32> {
    pages.iter().filter_map(|page| u32::try_from(*page).ok()).collect()
}

const fn place(reason: HiddenReason) -> &'static str {
    match reason {
        HiddenReason::Marked => "marked as invisible",
        HiddenReason::Layer => "on a layer that is off",
        HiddenReason::Colour => "in the colour of its background",
        HiddenReason::Tiny => "too small to be read",
        HiddenReason::Covered => "under another object",
        HiddenReason::Outside => "outside the page or its visible part",
    }
}

/// The text in small letters, without numbers, so that stamps of several pages are alike.
fn letters_of(text: &str) -> String {
    text.chars().filter(|c| c.is_alphabetic()).flat_map(char::to_lowercase).collect()
}

/// Whether the text is the mark that a scanner leaves on each page.
fn is_scanner_mark(letters: &str) -> bool {
    ["scannedby", "scannedwith", "camscanner", "page", "seite", "anylinescanner"]
        .iter()
        .any(|mark| letters.starts_with(mark) && letters.len() < mark.len() + 20)
}
