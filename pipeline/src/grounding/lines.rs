//! The lines of a page: where blocks of text begin and end, and where lines stand.

use std::ops::Range;

use super::sentences;
use crate::{
    document::{LineMark, LineRole, Page},
    stages::QuoteArea,
};

/// How far from a quote lines are read. It is more than the reach within which a sentence's border is looked for, so
/// that a block that was cut off here never looks like one that ends.
const REACH_BYTES: usize = 2 * sentences::REACH_BYTES;

/// The lines of a page, with what is known of them.
#[derive(Debug)]
pub(super) struct PageLines {
    /// The byte at which each line begins, and the end of the text.
    starts: Vec<usize>,
    marks: Vec<LineMark>,
    running_headers: Vec<usize>,
    empty: Vec<bool>,
    /// Lines after which the text breaks although the next word would have fitted: headings and ends of paragraphs.
    ended: Vec<bool>,
}

impl PageLines {
    pub(super) fn new(page: &Page) -> Self {
        let text = page.text.as_str();
        let ends = memchr::memchr_iter(b'\n', text.as_bytes());
        let mut starts = vec![0];
        starts.extend(ends.map(|end| end + 1));
        starts.push(text.len() + 1);
        let mut running_headers = page.running_header_lines.clone();
        running_headers.sort_unstable();
        let mut marks = page.marks.clone();
        marks.sort_by_key(|mark| mark.line);
        let lines: Vec<&str> = text.split('\n').map(str::trim).collect();
        let empty = lines.iter().map(|line| line.is_empty()).collect();
        let line = |at: Option<usize>| at.and_then(|at| lines.get(at)).copied().unwrap_or_default();
        let ended = (0..lines.len())
            .map(|at| is_ended(line(at.checked_sub(1)), line(Some(at)), line(Some(at + 1))))
            .collect();
        Self { starts, marks, running_headers, empty, ended }
    }

    /// The text without the running headers and footers at its beginning and end, and without outer blanks.
    pub(super) fn body(&self, text: &str) -> Range<usize> {
        let count = self.empty.len();
        let is_body = |line: &usize| !self.is_running_header(*line) && !self.is_empty(*line);
        let Some(first) = (0..count).find(is_body) else { return 0..0 };
        let last = (first..count).rfind(is_body).unwrap_or(first);
        let range = self.range(first).start..self.range(last).end;
        let body = text.get(range.clone()).unwrap_or_default();
        let start = range.start + (body.len() - body.trim_start().len());
        start..start + body.trim().len()
    }

    /// The lines that hold the sentences of `range`: up to an empty line, a heading, a row, a list item or a
    /// running header.
    pub(super) fn block(&self, range: &Range<usize>) -> Range<usize> {
        let (mut first, mut last) = (self.line_at(range.start), self.line_at(range.end.saturating_sub(1)));
        let start = |line: usize| self.starts.get(line).copied().unwrap_or_default();
        while first > 0
            && range.start - start(first).min(range.start) < REACH_BYTES
            && self.flows_into_next(first - 1)
        {
            first -= 1;
        }
        while last + 1 < self.empty.len()
            && start(last).saturating_sub(range.end) < REACH_BYTES
            && self.flows_into_next(last)
        {
            last += 1;
        }
        self.range(first).start..self.range(last).end
    }

    /// The places of the lines of `range`, as far as the page has them.
    pub(super) fn areas(&self, range: &Range<usize>) -> Vec<QuoteArea> {
        let (first, last) = (self.line_at(range.start), self.line_at(range.end.saturating_sub(1)));
        let from = self.marks.partition_point(|mark| mark.line < first);
        let marks = self.marks.get(from..).unwrap_or_default().iter().take_while(|mark| mark.line <= last);
        marks.filter_map(|mark| mark.area).map(QuoteArea::around).collect()
    }

    fn line_at(&self, byte: usize) -> usize {
        self.starts
            .partition_point(|start| *start <= byte)
            .saturating_sub(1)
            .min(self.empty.len().saturating_sub(1))
    }

    fn range(&self, line: usize) -> Range<usize> {
        let start = self.starts.get(line).copied().unwrap_or_default();
        let next = self.starts.get(line + 1).copied().unwrap_or(start + 1);
        start..next.saturating_sub(1).max(start)
    }

    fn is_empty(&self, line: usize) -> bool {
        self.empty.get(line).copied().unwrap_or(true)
    }

    fn is_running_header(&self, line: usize) -> bool {
        self.running_headers.binary_search(&line).is_ok()
    }

    fn role(&self, line: usize) -> LineRole {
        let found = self.marks.binary_search_by_key(&line, |mark| mark.line).ok();
        found.and_then(|at| self.marks.get(at)).map_or(LineRole::Text, |mark| mark.role)
    }

    /// Whether a sentence may go on from this line to the next.
    fn flows_into_next(&self, line: usize) -> bool {
        let next = line + 1;
        if [line, next].into_iter().any(|line| self.is_empty(line) || self.is_running_header(line)) {
            return false;
        }
        match (self.role(line), self.role(next)) {
            (LineRole::Text | LineRole::ListItem, LineRole::Text) => {
                !self.ended.get(line).copied().unwrap_or_default()
            }
            // A long heading has several lines.
            (LineRole::Heading(level), LineRole::Heading(next)) => level == next,
            _ => false,
        }
    }
}

/// Whether a line ends although the first word of the next would have fitted, and the next begins like a sentence.
/// The lines around it tell the width. A heading without a mark ends so.
fn is_ended(before: &str, line: &str, next: &str) -> bool {
    /// Lines of one paragraph differ by so much, because letters differ in width.
    const RAGGED_SHARE: usize = 85;
    let width = before.len().max(next.len());
    let word = next.split_whitespace().next().unwrap_or_default();
    let begins_sentence = word.chars().find(|c| c.is_alphanumeric()).is_some_and(|c| !c.is_lowercase());
    begins_sentence && (line.len() + 1 + word.len()) * 100 < width * RAGGED_SHARE
}

/// Whether a page ends inside a sentence that goes on on the next.
pub(super) fn joins_next(first: &str, second: &str) -> bool {
    let ends_open = first.chars().next_back().is_some_and(|c| {
        c.is_alphanumeric() || matches!(c, ',' | ';' | '-' | '\u{2010}'..='\u{2015}' | '\u{ad}' | '(' | '&')
    });
    ends_open && second.chars().next().is_some_and(char::is_lowercase)
}
