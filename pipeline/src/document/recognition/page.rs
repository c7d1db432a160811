//! The text of a page that a program for OCR read in a picture of it.

use super::tsv::{self, Word};
use crate::document::{
    content::{Area, LineMark, LineRole},
    whitespace,
};

/// The engine is right about nearly every word above this confidence. Below, it often guesses.
const CONFIDENT: f32 = 60.0;
/// A line of which less is read with confidence is a pattern in a picture.
const LINE_READ_MIN: f64 = 0.5;
/// A line is a heading if it is so many times as high as most lines of its page, and its level 1 from the second on.
const HEADING_HEIGHT: f32 = 1.4;
const TITLE_HEIGHT: f32 = 2.0;
/// A longer line is no heading.
const HEADING_CHARS_MAX: usize = 100;

/// The text that was recognised on a page.
#[derive(Debug, Clone, PartialEq)]
pub struct RecognisedPage {
    pub(super) text: String,
    pub(super) marks: Vec<LineMark>,
    /// The share of its letters that the engine was confident of.
    pub(super) readable: f64,
}

/// A line of words.
struct Line<'w> {
    words: &'w [Word],
    text: String,
    /// Letters read with confidence, and without.
    read: usize,
    unread: usize,
    area: Area,
}

impl RecognisedPage {
    /// Reads the table that `tesseract` wrote about a picture with so many pixels a point.
    ///
    /// None if the bytes are no such table.
    #[must_use]
    pub fn from_tsv(table: &[u8], pixels_per_point: f64) -> Option<Self> {
        let words = tsv::words(table)?;
        let lines: Vec<Line<'_>> = words
            .chunk_by(|one, next| {
                (one.block, one.paragraph, one.line) == (next.block, next.paragraph, next.line)
            })
            .map(Line::new)
            .filter(Line::is_text)
            .collect();
        let usual = usual_height(&lines);
        let (mut text, mut marks, mut last) = (String::new(), Vec::new(), None);
        let (mut read, mut unread, mut number) = (0, 0, 0);
        for line in &lines {
            let paragraph = line.words.first().map(|word| (word.block, word.paragraph));
            if last.is_some() {
                let is_new = last != Some(paragraph);
                text.push_str(if is_new { "\n\n" } else { "\n" });
                number += 1 + usize::from(is_new);
            }
            last = Some(paragraph);
            text.push_str(&line.text);
            let area = Some(line.in_points(pixels_per_point));
            marks.push(LineMark { line: number, role: line.role(usual), area });
            read += line.read;
            unread += line.unread;
        }
        let text = whitespace::normalised(&text, &mut marks);
        let readable = if read + unread == 0 { 1.0 } else { read as f64 / (read + unread) as f64 };
        Some(Self { text, marks, readable })
    }
}

impl<'w> Line<'w> {
    fn new(words: &'w [Word]) -> Self {
        let (mut text, mut read, mut unread) = (String::new(), 0, 0);
        let mut area = Area {
            left: f32::INFINITY,
            top: f32::INFINITY,
            right: f32::NEG_INFINITY,
            bottom: f32::NEG_INFINITY,
        };
        for word in words {
            let letters = word.text.chars().filter(|c| c.is_alphanumeric()).count();
            let is_read = word.confidence >= CONFIDENT;
            // Specks and borders become punctuation, which nobody misses.
            if !is_read && letters == 0 {
                continue;
            }
            area.left = area.left.min(word.left);
            area.top = area.top.min(word.top);
            area.right = area.right.max(word.right);
            area.bottom = area.bottom.max(word.bottom);
            if !text.is_empty() {
                text.push(' ');
            }
            // A word that is only guessed must not look like the document's own. A gap would hide a `not`.
            if is_read {
                text.push_str(&word.text);
                read += letters;
            } else {
                text.push(char::REPLACEMENT_CHARACTER);
                unread += letters;
            }
        }
        Self { words, text, read, unread, area }
    }

    /// Whether the line says something that the engine is confident of.
    fn is_text(&self) -> bool {
        self.read > 0 && self.read as f64 >= LINE_READ_MIN * (self.read + self.unread) as f64
    }

    fn height(&self) -> f32 {
        // A sideways line is higher than it is wide.
        (self.area.bottom - self.area.top).min(self.area.right - self.area.left)
    }

    fn role(&self, usual_height: f32) -> LineRole {
        let is_short = self.text.chars().nth(HEADING_CHARS_MAX).is_none();
        let has_words = self.text.chars().filter(|c| c.is_alphabetic()).nth(2).is_some();
        let height = self.height();
        if is_short && has_words && height > TITLE_HEIGHT * usual_height {
            LineRole::Heading(1)
        } else if is_short && has_words && height > HEADING_HEIGHT * usual_height {
            LineRole::Heading(2)
        } else if self.text.starts_with(['\u{2022}', '\u{25aa}', '\u{2013}', '\u{2014}', '-', '*', '+'])
            && self.text.chars().nth(1) == Some(' ')
        {
            LineRole::ListItem
        } else {
            LineRole::Text
        }
    }

    fn in_points(&self, pixels_per_point: f64) -> Area {
        let scale = pixels_per_point as f32;
        let points = |pixels: f32| if scale > 0.0 { pixels / scale } else { 0.0 };
        Area {
            left: points(self.area.left),
            top: points(self.area.top),
            right: points(self.area.right),
            bottom: points(self.area.bottom),
        }
    }
}

/// The height of the line that holds the middle one of all letters, if the lines stand by their height.
fn usual_height(lines: &[Line<'_>]) -> f32 {
    let mut heights: Vec<(f32, usize)> = lines.iter().map(|line| (line.height(), line.read)).collect();
    heights.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
    let half = heights.iter().map(|(_, letters)| letters).sum::<usize>() / 2;
    let mut before = 0;
    for (height, letters) in &heights {
        before += letters;
        if before > half {
            return *height;
        }
    }
    0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line with its height, its paragraph, and its words with their confidence.
    type Row<'a> = (u32, u32, &'a [(&'a str, u32)]);

    fn table(lines: &[Row<'_>]) -> Vec<u8> {
        let mut table = "level\tpage_num\t…\n".to_owned();
        for (number, (height, paragraph, words)) in lines.iter().enumerate() {
            for (at, (word, confidence)) in words.iter().enumerate() {
                let (left, top) = (100 + 200 * at, 100 * number);
                table += &format!(
                    "5\t1\t1\t{paragraph}\t{number}\t{at}\t{left}\t{top}\t150\t{height}\t{confidence}\t{word}\n"
                );
            }
        }
        table.into_bytes()
    }

    fn read(lines: &[Row<'_>]) -> RecognisedPage {
        RecognisedPage::from_tsv(&table(lines), 2.0).unwrap()
    }

    #[test]
    fn words_become_lines_and_paragraphs() {
        let page = read(&[
            (70, 1, &[("Refill", 96), ("bars", 95)]),
            (30, 2, &[("People", 96), ("bring", 96), ("bottles", 96)]),
            (30, 2, &[("back.", 91)]),
            (30, 3, &[("\u{2022}", 90), ("Deposits", 96), ("doubled", 93)]),
        ]);
        assert_eq!(page.text, "Refill bars\n\nPeople bring bottles\nback.\n\n\u{2022} Deposits doubled");
        let marks: Vec<(usize, LineRole)> = page.marks.iter().map(|mark| (mark.line, mark.role)).collect();
        let expected =
            [(0, LineRole::Heading(1)), (2, LineRole::Text), (3, LineRole::Text), (5, LineRole::ListItem)];
        assert_eq!(marks, expected);
        let area = Area { left: 50.0, top: 50.0, right: 325.0, bottom: 65.0 };
        assert_eq!((page.marks[1].area, page.readable), (Some(area), 1.0));
    }

    #[test]
    fn guesses_leave_a_mark() {
        let page = read(&[
            (30, 1, &[("This", 96), ("is", 96), ("not", 31), ("sure", 95), ("|", 20)]),
            (30, 1, &[("ee", 12), ("~", 3), ("rE", 41), ("ok", 99)]),
        ]);
        assert_eq!(page.text, "This is \u{fffd} sure");
        assert_eq!(page.readable, 10.0 / 13.0);
        let noise = read(&[(30, 1, &[("|", 96), ("ae", 20)])]);
        assert_eq!((noise.text.as_str(), noise.readable), ("", 1.0));
    }
}
