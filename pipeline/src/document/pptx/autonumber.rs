//! The numbers of lists on a slide. Each text has a count of its own.

use crate::document::office::numerals::numeral;

/// A slide's text has nine levels.
const LEVELS: usize = 9;

/// The numbers that a text has given out.
#[derive(Debug, Default)]
pub(super) struct Counter {
    counts: [Option<(String, u32)>; LEVELS],
}

impl Counter {
    /// The label of a numbered paragraph. `kind` is a word such as `arabicPeriod`.
    pub(super) fn next(&mut self, level: usize, kind: &str, start: u32) -> String {
        let level = level.min(LEVELS - 1);
        let mut number = start;
        if let Some(slot) = self.counts.get_mut(level) {
            if let Some((_, last)) = slot.as_ref().filter(|(known, _)| known == kind) {
                number = last.saturating_add(1);
            }
            *slot = Some((kind.to_owned(), number));
        }
        self.end_below(level + 1);
        label(kind, number)
    }

    /// Takes up a paragraph without a number: lists of its level and below end.
    pub(super) fn unnumbered(&mut self, level: usize) {
        self.end_below(level);
    }

    fn end_below(&mut self, level: usize) {
        self.counts.iter_mut().skip(level).for_each(|slot| *slot = None);
    }
}

fn label(kind: &str, number: u32) -> String {
    let formats = [
        ("alphaLc", "lowerLetter"),
        ("alphaUc", "upperLetter"),
        ("romanLc", "lowerRoman"),
        ("romanUc", "upperRoman"),
        ("circleNum", "decimalEnclosedCircle"),
        ("arabicDb", "decimalFullWidth"),
        ("ea1", "chineseCounting"),
        ("thaiNum", "thaiNumbers"),
        ("hindiNum", "hindiNumbers"),
    ];
    let format = formats.iter().find(|(start, _)| kind.starts_with(start)).map_or("decimal", |(_, it)| it);
    let number = numeral(number, format);
    if kind.ends_with("ParenBoth") {
        format!("({number})")
    } else if kind.ends_with("ParenR") {
        format!("{number})")
    } else if kind.ends_with("Period") {
        format!("{number}.")
    } else {
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_count_by_level_and_kind() {
        let mut counter = Counter::default();
        let labels = [
            counter.next(0, "arabicPeriod", 1),
            counter.next(1, "alphaLcParenR", 1),
            counter.next(1, "alphaLcParenR", 1),
            counter.next(0, "arabicPeriod", 1),
            counter.next(1, "alphaLcParenR", 1),
            counter.next(0, "romanUcParenBoth", 4),
        ];
        assert_eq!(labels, ["1.", "a)", "b)", "2.", "a)", "(IV)"]);
        counter.unnumbered(0);
        assert_eq!(counter.next(99, "romanUcParenBoth", 1), "(I)");
    }
}
