//! Numbers in texts: finds them, brings them to one form, and compares them.
//!
//! `1,000` = `1000` = `1 000`; `31%` = `31 percent` = `31 per cent`; `1.2 million` = `1,200,000`. Ordinals
//! (`2nd`), numbers of lists (`1.`, `(2)`) and names (`I1`, `CO2`, `COVID-19`, `5G`) are not numbers.

use std::collections::{HashMap, HashSet};

use super::{
    number_labels::{is_list_number, is_name, is_place},
    number_tokens::{Shape, Token, is_digit, prepared, token},
};

/// The unit of a number, if the text states it right beside the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Unit {
    None,
    Percent,
    Money,
}

/// A decimal without leading or trailing zeros, times a power of ten: equal for equal values.
type Value = (String, i32);

/// A number in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Number {
    /// The number as the text has it.
    pub(super) written: String,
    /// Its possible values: `1.000` is one thousand or one.
    values: Vec<Value>,
    /// The parts of `1 000`, if the space does not group digits.
    parts: Vec<Value>,
    unit: Unit,
}

impl Number {
    /// Whether two numbers have a possible value in common.
    pub(super) fn same(&self, other: &Self) -> bool {
        self.unit == other.unit && self.values.iter().any(|value| other.values.contains(value))
    }
}

/// The numbers that stand in some texts.
#[derive(Debug, Default)]
pub(super) struct NumberSet {
    values: HashMap<Value, HashSet<Unit>>,
}

impl NumberSet {
    pub(super) fn add(&mut self, text: &str) {
        let text = prepared(text);
        for number in numbers(&text, true) {
            for value in number.values.iter().chain(&number.parts) {
                self.values.entry(value.clone()).or_default().insert(number.unit);
            }
        }
        const WORDS: [&str; 13] = [
            "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
            "twelve",
        ];
        for word in text.split(|c: char| !c.is_alphanumeric()) {
            if let Some(value) = WORDS.iter().position(|known| known.eq_ignore_ascii_case(word)) {
                self.values.entry(value_of(&value.to_string(), "", 0)).or_default().insert(Unit::None);
            }
        }
    }

    /// Whether the number stands in one of the texts. A number without a unit matches any unit, because a
    /// table has its `%` in the heading.
    pub(super) fn holds(&self, number: &Number) -> bool {
        let stands = |value: &Value| {
            self.values.get(value).is_some_and(|units| {
                number.unit == Unit::None || units.contains(&Unit::None) || units.contains(&number.unit)
            })
        };
        number.values.iter().any(stands) || (!number.parts.is_empty() && number.parts.iter().all(stands))
    }
}

/// The numbers of a claim.
pub(super) fn in_claim(text: &str) -> Vec<Number> {
    numbers(&prepared(text), false)
}

/// All numbers of a prepared text. With `names`, also those in names and lists.
fn numbers(text: &str, names: bool) -> Vec<Number> {
    let chars: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        if !is_digit(&chars, at) {
            at += 1;
            continue;
        }
        let token = token(&chars, at);
        let suffix: String = chars
            .get(token.end..)
            .unwrap_or_default()
            .iter()
            .take_while(|c| c.is_alphabetic())
            .take(12)
            .collect();
        let is_label = || {
            is_name(&chars, at, &suffix) || is_list_number(&chars, at, &token) || is_place(&chars, at, &token)
        };
        if names || !is_label() {
            found.push(number(&chars, at, &token, &suffix));
        }
        at = token.end;
    }
    found
}

fn number(chars: &[char], at: usize, token: &Token, suffix: &str) -> Number {
    let rest: String = chars.get(token.end..).unwrap_or_default().iter().take(24).collect();
    let word = rest.trim_start_matches([' ', '-', '\n']).to_lowercase();
    let mut values = Vec::new();
    for scale in scales(suffix, &word) {
        values.extend(readings(token, scale));
    }
    let parts = match token.shape {
        Shape::Spaced => token.text.split(' ').map(|part| value_of(part, "", 0)).collect(),
        Shape::Compound => token.text.split(['.', ',', '\'']).map(|part| value_of(part, "", 0)).collect(),
        _ => Vec::new(),
    };
    Number { written: written(chars, at, token, suffix), values, parts, unit: unit(chars, at, &word) }
}

fn written(chars: &[char], at: usize, token: &Token, suffix: &str) -> String {
    let sign = at.checked_sub(1).and_then(|before| chars.get(before));
    let mut written: String = sign.filter(|c| is_currency(**c)).into_iter().collect();
    written.push_str(&token.text);
    if chars.get(token.end) == Some(&'%') {
        written.push('%');
    }
    written.push_str(suffix);
    written
}

/// The powers of ten by which the word after a number multiplies it. A single letter may also be a unit (`5
/// m`), so both readings are kept.
fn scales(suffix: &str, word: &str) -> Vec<i32> {
    let first = word.split(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
    match first {
        "thousand" => vec![3],
        "million" | "millions" | "mn" | "mio" | "mln" => vec![6],
        "billion" | "billions" | "bn" => vec![9],
        "trillion" | "trillions" | "tn" => vec![12],
        _ => match suffix {
            "k" | "K" => vec![3, 0],
            "m" | "M" => vec![6, 0],
            "b" | "B" => vec![9, 0],
            _ => vec![0],
        },
    }
}

fn unit(chars: &[char], at: usize, word: &str) -> Unit {
    let before = chars.get(..at).unwrap_or_default().iter().rev().find(|c| **c != ' ');
    let starts = |prefix: &[&str]| prefix.iter().any(|prefix| word.starts_with(prefix));
    if starts(&["%", "percent", "per cent", "pct"]) {
        Unit::Percent
    } else if before.is_some_and(|c| is_currency(*c)) || word.starts_with(is_currency) {
        Unit::Money
    } else {
        Unit::None
    }
}

const fn is_currency(c: char) -> bool {
    matches!(c, '$' | '€' | '£' | '¥' | '₹')
}

fn readings(token: &Token, scale: i32) -> Vec<Value> {
    let digits: String = token.text.chars().filter(char::is_ascii_digit).collect();
    let split = token.text.rsplit_once(['.', ',', '\'']);
    match (token.shape, split) {
        (Shape::Compound, _) => Vec::new(),
        (Shape::Decimal { maybe_grouped }, Some((whole, fraction))) => {
            let mut values = vec![value_of(whole, fraction, scale)];
            if maybe_grouped {
                values.push(value_of(&digits, "", scale));
            }
            values
        }
        (Shape::Grouped, Some((whole, fraction))) if fraction.len() != 3 || mixed(&token.text) => {
            let whole: String = whole.chars().filter(char::is_ascii_digit).collect();
            vec![value_of(&whole, fraction, scale)]
        }
        _ => vec![value_of(&digits, "", scale)],
    }
}

/// Whether a grouped number ends in a fraction, because its last separator differs from its first.
fn mixed(text: &str) -> bool {
    let mut separators = text.chars().filter(|c| !c.is_ascii_digit());
    let first = separators.next();
    separators.next_back().is_some_and(|last| Some(last) != first)
}

fn value_of(whole: &str, fraction: &str, scale: i32) -> Value {
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        return ("0".to_owned(), 0);
    }
    let zeros = digits.len() - digits.trim_end_matches('0').len();
    let places = i32::try_from(fraction.len()).unwrap_or(i32::MAX);
    let zeros = i32::try_from(zeros).unwrap_or(0);
    (significant.to_owned(), scale.saturating_sub(places).saturating_add(zeros))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Vec<String> {
        in_claim(text).into_iter().map(|number| number.written).collect()
    }

    fn stands(page: &str, claim: &str) -> bool {
        let mut set = NumberSet::default();
        set.add(page);
        let claimed = in_claim(claim);
        assert!(!claimed.is_empty(), "{claim}");
        claimed.iter().all(|number| set.holds(number))
    }

    #[test]
    fn one_number_has_many_spellings() {
        for (page, claim) in [
            ("1,000 shops", "1000"),
            ("1 000 shops", "1,000"),
            ("1\u{a0}000 shops", "1000"),
            ("1'000'000.50", "1000000.5"),
            ("1.000 Läden", "1,000"),
            ("31% of them", "31 percent"),
            ("31 per cent", "31%"),
            ("31\nper cent", "31 %"),
            ("31\u{ff05}", "31%"),
            ("a table: 31", "31%"),
            ("$1.2 million", "$1,200,000"),
            ("€5bn", "5 billion"),
            ("20k shops", "20,000"),
            ("from 2019³ on", "in 2019"),
            ("three shops", "3 shops"),
            ("2024-11-21", "in 2024"),
            ("10–15%", "10 to 15 percent"),
            ("3.50", "3.5"),
            ("the 12.5 % rise", "12.5%"),
        ] {
            assert!(stands(page, claim), "{claim} stands in {page}");
        }
    }

    #[test]
    fn other_numbers_do_not_stand() {
        for (page, claim) in [
            ("31%", "13%"),
            ("31%", "$31"),
            ("3.5 million", "35 million"),
            ("3 shops", "3 million"),
            ("10-15", "1015"),
            ("1,000", "10,000"),
            ("25 %", "5 %"),
        ] {
            assert!(!stands(page, claim), "{claim} does not stand in {page}");
        }
    }

    #[test]
    fn names_ordinals_and_lists_are_not_numbers() {
        assert_eq!(written("“Returns fell by 31%” (p. 5), then (section 12); p. 7"), ["31%", "7"]);
        assert!(written("I1, T2 and L3 (1) show CO2, COVID-19, B2B, 5G, 3D and the 2nd").is_empty());
        assert!(written("1. first\n2) second").is_empty());
        assert_eq!(written("about 31% of 1,000 for $5 in 2024, 20k"), ["31%", "1,000", "$5", "2024", "20k"]);
    }
}
