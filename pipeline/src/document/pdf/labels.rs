//! Page labels: the number that is printed on a page, such as `iv` or `A-3`.

use hayro_interpret::hayro_syntax::object::{Array, Dict, Name, Object, String as PdfString};

use super::strings::text_string;
use crate::document::numerals;

/// The most ranges of labels, and the deepest nesting of their tree.
const RANGES_MAX: usize = 5_000;
const DEPTH_MAX: usize = 16;
/// The longest label that is kept. A longer one is no page number.
const LABEL_CHARS_MAX: usize = 40;
/// How often a letter stands at most. Beyond, the letters would fill the page.
const REPEATS_MAX: u32 = 20;
const ROMAN_MAX: u32 = 9_999;

/// The labels of pages from an index on.
#[derive(Debug)]
struct Range {
    first_page: usize,
    style: Option<char>,
    prefix: String,
    start: usize,
}

/// The labels of the pages that differ from their numbers.
#[derive(Debug, Default)]
pub(super) struct Labels(Vec<Range>);

impl Labels {
    pub(super) fn of(catalog: &Dict<'_>) -> Self {
        let mut ranges = Vec::new();
        if let Some(tree) = catalog.get::<Dict<'_>>(b"PageLabels".as_slice()) {
            collect(&tree, 0, &mut ranges);
        }
        ranges.sort_by_key(|range| range.first_page);
        Self(ranges)
    }

    /// The label of the page with this number, if it says anything else.
    pub(super) fn label(&self, number: usize) -> Option<String> {
        let page = number.checked_sub(1)?;
        let range = self.0.iter().rev().find(|range| range.first_page <= page)?;
        let value = range.start.checked_add(page - range.first_page)?;
        let mut label = range.prefix.clone();
        label.push_str(&match range.style {
            Some('D') => value.to_string(),
            Some('R') => roman(value).to_uppercase(),
            Some('r') => roman(value),
            Some('A') => letters(value).to_uppercase(),
            Some('a') => letters(value),
            _ => String::new(),
        });
        let label = label.trim();
        let says_more = !label.is_empty() && label != number.to_string();
        (says_more && label.chars().count() <= LABEL_CHARS_MAX).then(|| label.to_owned())
    }
}

fn collect(tree: &Dict<'_>, depth: usize, ranges: &mut Vec<Range>) {
    if depth > DEPTH_MAX || ranges.len() >= RANGES_MAX {
        return;
    }
    if let Some(numbers) = tree.get::<Array<'_>>(b"Nums".as_slice()) {
        let mut numbers = numbers.iter::<Object<'_>>();
        while let (Some(page), Some(label)) = (numbers.next(), numbers.next()) {
            let page = page.into_number().and_then(|page| usize::try_from(page.as_i64()).ok());
            if let (Some(first_page), Some(label)) = (page, label.into_dict())
                && ranges.len() < RANGES_MAX
            {
                ranges.push(range(first_page, &label));
            }
        }
    }
    if let Some(kids) = tree.get::<Array<'_>>(b"Kids".as_slice()) {
        for kid in kids.iter::<Dict<'_>>().take(RANGES_MAX) {
            collect(&kid, depth + 1, ranges);
        }
    }
}

fn range(first_page: usize, label: &Dict<'_>) -> Range {
    let style = label.get::<Name<'_>>(b"S".as_slice());
    let prefix = label.get::<PdfString<'_>>(b"P".as_slice());
    Range {
        first_page,
        style: style.and_then(|style| style.as_str().chars().next()),
        prefix: prefix.map(|prefix| text_string(prefix.as_bytes())).unwrap_or_default(),
        start: label.get::<usize>(b"St".as_slice()).unwrap_or(1),
    }
}

fn roman(value: usize) -> String {
    match u32::try_from(value) {
        Ok(number) if number <= ROMAN_MAX => numerals::roman(number),
        _ => value.to_string(),
    }
}

fn letters(value: usize) -> String {
    let letters =
        u32::try_from(value).ok().and_then(|number| numerals::repeated_letters(number, REPEATS_MAX));
    letters.unwrap_or_else(|| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_every_style() {
        assert_eq!((roman(4), roman(1999)), ("iv".to_owned(), "mcmxcix".to_owned()));
        assert_eq!((letters(26), letters(28)), ("z".to_owned(), "bb".to_owned()));
    }

    #[test]
    fn labels_equal_to_numbers_say_nothing() {
        let range = |first_page, style, start| Range { first_page, style, prefix: String::new(), start };
        let labels = Labels(vec![range(0, Some('r'), 1), range(4, Some('D'), 1), range(9, Some('D'), 10)]);
        assert_eq!(labels.label(4).as_deref(), Some("iv"));
        assert_eq!(labels.label(5).as_deref(), Some("1"));
        assert_eq!(labels.label(10), None);
    }
}
