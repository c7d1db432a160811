//! The numbers of list items.

use super::page::Page;
use crate::document::numerals::roman;

/// An open list.
#[derive(Debug)]
pub(super) struct List {
    /// The next number, and the step to the one after. `None` for a list with bullets.
    next: Option<(i64, i64)>,
    style: char,
}

impl List {
    pub(super) fn new(page: &Page, list: usize) -> Self {
        let style = page.attribute(list, "type").and_then(|style| style.trim().chars().next()).unwrap_or('1');
        if page.name(list) != "ol" {
            return Self { next: None, style };
        }
        let is_reversed = page.attribute(list, "reversed").is_some();
        let declared = number(page, list, "start");
        let next = if is_reversed {
            let items = || page.children(list).filter(|child| page.name(*child) == "li").count();
            (declared.unwrap_or_else(|| i64::try_from(items()).unwrap_or(1)), -1)
        } else {
            (declared.unwrap_or(1), 1)
        };
        Self { next: Some(next), style }
    }

    /// The bullet or number before the next item.
    pub(super) fn mark(&mut self, page: &Page, item: usize) -> String {
        let Some((next, step)) = &mut self.next else { return "\u{2022} ".to_owned() };
        let shown = number(page, item, "value").unwrap_or(*next);
        *next = shown.saturating_add(*step);
        format!("{}. ", numeral(shown, self.style))
    }
}

fn number(page: &Page, index: usize, name: &str) -> Option<i64> {
    page.attribute(index, name).and_then(|value| value.trim().parse().ok())
}

/// The number in the style of its list: `1`, `a`, `A`, `i` or `I`.
fn numeral(number: i64, style: char) -> String {
    let small = u32::try_from(number).ok().filter(|number| (1..4_000).contains(number));
    match (small, style) {
        (Some(number), 'a') => letters(number),
        (Some(number), 'A') => letters(number).to_ascii_uppercase(),
        (Some(number), 'i') => roman(number),
        (Some(number), 'I') => roman(number).to_ascii_uppercase(),
        _ => number.to_string(),
    }
}

fn letters(mut number: u32) -> String {
    let mut letters = Vec::new();
    while number > 0 {
        number -= 1;
        letters.push(char::from_digit(10 + number % 26, 36).unwrap_or('a'));
        number /= 26;
    }
    letters.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numerals_follow_the_style() {
        let shown: Vec<String> = [(28, 'a'), (27, 'A'), (14, 'i'), (1999, 'I'), (0, 'a'), (-2, '1')]
            .map(|(n, style)| numeral(n, style))
            .into();
        assert_eq!(shown, ["ab", "AA", "xiv", "MCMXCIX", "0", "-2"]);
    }
}
