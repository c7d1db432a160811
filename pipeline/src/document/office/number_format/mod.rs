//! Numbers and dates as a spreadsheet shows them: format codes such as `#,##0.00 €` or `d mmm yyyy`.

mod code;
mod decimal;
mod moment;
mod quantity;

use self::code::{Section, Token, sections};
use self::{decimal::general, moment::moment, quantity::quantity};

/// A format code, taken apart once for all cells that use it.
#[derive(Debug, Clone, Default)]
pub(in crate::document) struct NumberFormat {
    sections: Vec<Section>,
    is_1904: bool,
}

impl NumberFormat {
    /// `is_1904` counts dates from 1904, as old files for the Mac do.
    pub(in crate::document) fn new(code: &str, is_1904: bool) -> Self {
        Self { sections: sections(code), is_1904 }
    }

    /// The number as a reader sees it; empty if the format hides it.
    pub(in crate::document) fn number(&self, value: f64) -> String {
        let Some((section, has_own_sign)) = self.section(value) else { return general(value) };
        if section.is_general() {
            return general(value);
        }
        if section.is_moment() {
            return moment(section, value, self.is_1904).unwrap_or_else(|| general(value));
        }
        let shown = quantity(section, value.abs());
        let is_negative = value < 0.0 && !has_own_sign && shown.contains(|c: char| ('1'..='9').contains(&c));
        if is_negative { format!("-{shown}") } else { shown }
    }

    /// A text as a reader sees it; empty if the format hides it.
    pub(in crate::document) fn text(&self, text: &str) -> String {
        let Some(section) = self.sections.get(3) else { return text.to_owned() };
        section
            .tokens
            .iter()
            .map(|token| match token {
                Token::TextPlace => text,
                Token::Literal(literal) => literal.as_str(),
                _ => "",
            })
            .collect()
    }

    /// The section for a value, and whether it shows the sign of a negative number.
    fn section(&self, value: f64) -> Option<(&Section, bool)> {
        let numbers = self.sections.get(..self.sections.len().min(3)).unwrap_or_default();
        if numbers.iter().any(|section| section.condition.is_some()) {
            let matching = numbers.iter().find(|section| section.condition.is_some_and(|it| it.holds(value)));
            let other = numbers.iter().find(|section| section.condition.is_none());
            return matching.or(other).or(numbers.last()).map(|section| (section, false));
        }
        match numbers {
            [_, negative, ..] if value < 0.0 => Some((negative, true)),
            [_, _, zero] if value == 0.0 => Some((zero, false)),
            [first, ..] => Some((first, false)),
            [] => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(code: &str, value: f64) -> String {
        NumberFormat::new(code, false).number(value)
    }

    #[test]
    fn numbers_are_shown_as_in_a_sheet() {
        for (code, value, text) in [
            ("General", 0.1 + 0.2, "0.3"),
            ("", 1_234.5, "1234.5"),
            ("General", 1.0 / 3.0, "0.3333333333"),
            ("General", 123_456_789_012.0, "1.23457E+11"),
            ("General", -7.0, "-7"),
            ("0", 2.5, "3"),
            ("0.00", 2.675, "2.68"),
            ("#,##0", 1_234_567.4, "1,234,567"),
            ("#,##0.00;(#,##0.00)", -1_234.5, "(1,234.50)"),
            ("0.0%", 0.4175, "41.8%"),
            ("0%", 0.42, "42%"),
            ("\"€\" #,##0.00", 9.5, "€ 9.50"),
            ("[$€-407] #,##0;[Red]-[$€-407] #,##0", -12.0, "-€ 12"),
            ("#,##0.0,,\" M\"", 12_340_000.0, "12.3 M"),
            ("0.00E+00", 12_345.0, "1.23E+04"),
            ("000-00", 12_345.0, "123-45"),
            ("00000", 42.0, "00042"),
            ("#", 0.0, ""),
            ("# ?/?", 1.5, "1 1/2"),
            ("[<1]0.00;0", 0.5, "0.50"),
            ("[<1]0.00;0", 3.0, "3"),
            ("0.0#", 1.5, "1.5"),
            ("0.##", 1.0, "1."),
            (";;;", 5.0, ""),
            ("@", -4.5, "-4.5"),
            ("0;-0;\"none\"", 0.0, "none"),
            ("General\" pcs\"", 4.0, "4 pcs"),
            ("0", -0.2, "0"),
            ("_-* #,##0_-", 5.0, "5"),
        ] {
            assert_eq!(shown(code, value).trim(), text, "{code} of {value}");
        }
    }

    #[test]
    fn dates_are_shown_as_in_a_sheet() {
        for (code, value, text) in [
            ("yyyy-mm-dd", 45_292.0, "2024-01-01"),
            ("d mmm yyyy", 45_292.0, "1 Jan 2024"),
            ("[$-409]dddd, mmmm dd", 45_292.0, "Monday, January 01"),
            ("m/d/yy h:mm", 45_292.75, "1/1/24 18:00"),
            ("h:mm AM/PM", 0.75, "6:00 PM"),
            ("hh:mm:ss", 0.999_999_9, "00:00:00"),
            ("[h]:mm", 1.5, "36:00"),
            ("mm:ss.0", 0.000_705, "01:00.9"),
            ("yyyy", 1.0, "1900"),
            ("dd.mm.yyyy", 60.0, "29.02.1900"),
            ("yyyy-mm-dd", 61.0, "1900-03-01"),
            ("yyyy\"年\"m\"月\"", 45_292.0, "2024年1月"),
            ("yyyy-mm-dd", -5.0, "-5"),
            ("yyyy-mm-dd", 1e300, "1E+300"),
        ] {
            assert_eq!(shown(code, value), text, "{code} of {value}");
        }
        assert_eq!(NumberFormat::new("yyyy-mm-dd", true).number(0.0), "1904-01-01");
    }

    #[test]
    fn texts_follow_the_fourth_section() {
        assert_eq!(NumberFormat::new("0;0;0;\"*\"@", false).text("note"), "*note");
        assert_eq!(NumberFormat::new(";;;", false).text("note"), "");
        assert_eq!(NumberFormat::new("0", false).text("note"), "note");
    }
}
