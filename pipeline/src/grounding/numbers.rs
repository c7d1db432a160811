//! Numbers in texts: finds them and brings them to one form.
//!
//! `1,000` = `1000` = `1 000`; `31%` = `31 percent` = `31 per cent`; `1.2 million` = `1,200,000` = `1,2 Mio.`;
//! `10⁶` = `a million`; `٣١` = `31`. Percentage points are no per cent. Ordinals (`2nd`), numbers of lists (`1.`,
//! `(2)`) and names (`I1`, `CO2`, `COVID-19`, `5G`) are not numbers.

use super::{
    directions::{self, Direction},
    number_labels::{counts_material, is_list_number, is_name, is_place},
    number_tokens::{Shape, Token, is_digit, prepared, token},
    number_units::{Unit, unit},
    number_value::{Value, value_of},
    number_words::{in_words, times_of},
    script_digits::raised_digit,
    token_reader::is_currency,
};

/// A number in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Number {
    /// The number as the text has it.
    pub(super) written: String,
    /// Its possible values: `1.000` is one thousand or one.
    pub(super) values: Vec<Value>,
    /// The parts of `1 000`, if the space does not group digits.
    pub(super) parts: Vec<Value>,
    pub(super) unit: Unit,
    /// The direction of the change that it measures, where the words around it say one.
    pub(super) direction: Option<Direction>,
}

impl Number {
    /// Whether two numbers have a possible value in common.
    pub(super) fn same(&self, other: &Self) -> bool {
        self.unit == other.unit
            && self.direction == other.direction
            && self.values.iter().any(|value| other.values.contains(value))
    }
}

/// The numbers of a claim.
pub(super) fn in_claim(text: &str) -> Vec<Number> {
    numbers(text, false)
}

/// The numbers of a text of the document, also those in names and lists.
pub(super) fn in_document(text: &str) -> Vec<Number> {
    numbers(text, true)
}

fn numbers(text: &str, names: bool) -> Vec<Number> {
    let chars: Vec<char> = prepared(text).chars().collect();
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
            found.push(number(&chars, at, &token, &suffix, names));
        }
        at = token.end;
    }
    let words = in_words(&chars)
        .into_iter()
        .filter(|number| names || !(number.is_vague || counts_material(&chars, number.start, number.end)));
    found.extend(words.map(|word| Number {
        unit: unit(&chars, word.start, &following(&chars, word.end)),
        direction: directions::around(&chars, word.start, word.end),
        written: word.written,
        values: word.values,
        parts: Vec::new(),
    }));
    found
}

/// The words after a number, in lower case.
fn following(chars: &[char], end: usize) -> String {
    let rest: String = chars.get(end..).unwrap_or_default().iter().take(24).collect();
    rest.trim_start_matches([' ', '-', '\n']).to_lowercase()
}

fn number(chars: &[char], at: usize, token: &Token, suffix: &str, is_document: bool) -> Number {
    let word = following(chars, token.end);
    let power: String =
        chars.get(token.end..).unwrap_or_default().iter().map_while(|c| raised_digit(*c)).collect();
    let mut values = Vec::new();
    for scale in scales(suffix, &word) {
        values.extend(readings(token, scale));
    }
    if let Ok(power @ 1..=15) = power.parse::<i32>() {
        // A raised digit after another number may be a footnote mark, as in `2019³`.
        let is_power_of_ten = token.text == "10";
        let mut powers = if is_power_of_ten { powers_of_ten(chars, at, power) } else { values.clone() };
        if is_document && !is_power_of_ten {
            powers.extend(raised(&token.text, power));
        } else if !is_power_of_ten {
            powers = raised(&token.text, power).into_iter().collect();
        }
        values = powers;
    }
    if matches!(suffix, "x" | "X") || word.starts_with('×') || word.starts_with("times") {
        values.extend(token.text.parse().ok().map(times_of));
    }
    let parts = match token.shape {
        Shape::Spaced => token.text.split(' ').map(|part| value_of(part, "", 0)).collect(),
        Shape::Compound => token.text.split(['.', ',', '\'']).map(|part| value_of(part, "", 0)).collect(),
        _ => Vec::new(),
    };
    Number {
        written: written(chars, at, token, suffix),
        values,
        parts,
        unit: unit(chars, at, &word),
        direction: directions::around(chars, at, token.end),
    }
}

/// `10⁶`, and `2.5 × 10⁶` as a whole.
fn powers_of_ten(chars: &[char], at: usize, power: i32) -> Vec<Value> {
    let before: Vec<char> =
        chars.get(..at).unwrap_or_default().iter().rev().take(24).rev().copied().collect();
    let head: String = before.iter().collect();
    let factor = head.trim_end().strip_suffix(['×', 'x', '·']).map(str::trim_end).unwrap_or_default();
    let digits = factor.chars().rev().take_while(|c| c.is_ascii_digit() || *c == '.').count();
    let factor: String = factor.chars().rev().take(digits).collect::<Vec<_>>().into_iter().rev().collect();
    let (whole, fraction) = factor.split_once('.').unwrap_or((&factor, ""));
    if factor.is_empty() { vec![value_of("1", "", power)] } else { vec![value_of(whole, fraction, power)] }
}

/// A small number with a power: `5²` is 25.
fn raised(digits: &str, power: i32) -> Option<Value> {
    let base: u64 = digits.parse().ok()?;
    let value = base.checked_pow(u32::try_from(power).ok()?)?;
    Some(value_of(&value.to_string(), "", 0))
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
        "hundred" => vec![2],
        "thousand" | "tsd" | "tausend" | "mille" | "mil" => vec![3],
        "lakh" | "lakhs" => vec![5],
        "million" | "millions" | "mn" | "mio" | "mln" | "millionen" | "millones" | "milioni" => vec![6],
        "crore" | "crores" => vec![7],
        "billion" | "billions" | "bn" | "mrd" | "milliarde" | "milliarden" | "milliard" | "milliards" => {
            vec![9]
        }
        "trillion" | "trillions" | "tn" => vec![12],
        _ => match suffix {
            "k" | "K" => vec![3, 0],
            "m" | "M" => vec![6, 0],
            "b" | "B" => vec![9, 0],
            _ => vec![0],
        },
    }
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

#[cfg(test)]
mod tests;
