//! Numbers in a format code: digits, thousands, percent, powers, fractions.

use super::code::{Section, Token};
use super::decimal::{Decimal, general};

/// The places for digits in a section.
#[derive(Debug, Default)]
struct Places {
    whole: usize,
    fraction: usize,
    exponent: usize,
    has_groups: bool,
    /// Commas behind the last place: each divides by a thousand.
    thousands: i32,
    percents: i32,
    has_exponent: bool,
}

impl Places {
    fn of(section: &Section) -> Self {
        let mut places = Self::default();
        let (mut after_point, mut commas) = (false, 0);
        for token in &section.tokens {
            match token {
                Token::Digit(_) if places.has_exponent => places.exponent += 1,
                Token::Digit(_) => {
                    places.has_groups |= commas > 0;
                    commas = 0;
                    if after_point {
                        places.fraction += 1;
                    } else {
                        places.whole += 1;
                    }
                }
                Token::Comma if places.whole + places.fraction > 0 => commas += 1,
                Token::Point => {
                    places.thousands += commas;
                    commas = 0;
                    after_point = true;
                }
                Token::Percent => places.percents += 1,
                Token::Exponent(_) => places.has_exponent = true,
                _ => {}
            }
        }
        places.thousands += commas;
        places
    }
}

/// A number that is not below zero, in the section's format.
pub(super) fn quantity(section: &Section, value: f64) -> String {
    if !value.is_finite() {
        return general(value);
    }
    if section.tokens.contains(&Token::Slash)
        && let Some(fraction) = fraction(section, value)
    {
        return fraction;
    }
    let places = Places::of(section);
    let decimal = Decimal::new(value).shifted(2 * places.percents - 3 * places.thousands);
    let (decimal, power) =
        if places.has_exponent && value > 0.0 { scientific(&decimal, &places) } else { (decimal, 0) };
    let (whole, fraction) = decimal.fixed(places.fraction);
    Writer { section, places: &places, whole, fraction, power, value }.write()
}

/// The number between 1 and 10 (or more digits, if the format has more places), and its power of ten.
fn scientific(decimal: &Decimal, places: &Places) -> (Decimal, i32) {
    let step = i32::try_from(places.whole.max(1)).unwrap_or(1);
    let mut power = decimal.exponent - 1;
    power -= power.rem_euclid(step);
    let shifted = decimal.clone().shifted(-power);
    let overflows = shifted.fixed(places.fraction).0.len() > step as usize;
    if overflows { (shifted.shifted(-step), power + step) } else { (shifted, power) }
}

struct Writer<'s> {
    section: &'s Section,
    places: &'s Places,
    whole: String,
    fraction: String,
    power: i32,
    value: f64,
}

impl Writer<'_> {
    fn write(&self) -> String {
        let mut out = String::new();
        // The places that are still to come.
        let (mut whole_left, mut fraction_at, mut exponent_at) = (self.places.whole, 0, 0);
        for token in &self.section.tokens {
            match token {
                Token::Literal(text) => out.push_str(text),
                Token::General | Token::TextPlace => out.push_str(&general(self.value)),
                Token::Percent => out.push('%'),
                Token::Slash => out.push('/'),
                Token::Point => {
                    if self.places.whole == 0 {
                        out.push_str(&self.whole);
                    }
                    out.push('.');
                }
                Token::Exponent(shows_plus) => {
                    out.push('E');
                    if self.power < 0 {
                        out.push('-');
                    } else if *shows_plus {
                        out.push('+');
                    }
                }
                Token::Digit(_)
                    if exponent_at == 0 && out.ends_with(['+', '-', 'E']) && self.places.has_exponent =>
                {
                    exponent_at = self.places.exponent;
                    out.push_str(&format!("{:0width$}", self.power.abs(), width = exponent_at));
                }
                Token::Digit(_) if exponent_at > 0 => {}
                Token::Digit(place) if whole_left > 0 => {
                    self.whole_digit(&mut out, *place, whole_left);
                    whole_left -= 1;
                }
                Token::Digit(place) => {
                    self.fraction_digit(&mut out, *place, fraction_at);
                    fraction_at += 1;
                }
                Token::Comma | Token::Moment(..) | Token::Elapsed(..) | Token::AmPm => {}
            }
        }
        out
    }

    /// The digit for the place `left` from the point. The first place takes all digits that have no place.
    fn whole_digit(&self, out: &mut String, place: char, left: usize) {
        let digits = self.whole.as_bytes();
        let first = if left == self.places.whole { digits.len().max(left) } else { left };
        for position in (left..=first).rev() {
            let digit = digits.len().checked_sub(position).and_then(|at| digits.get(at));
            match digit {
                Some(digit) => out.push(char::from(*digit)),
                None if place == '0' => out.push('0'),
                None => continue,
            }
            if self.places.has_groups && position > 1 && position % 3 == 1 {
                out.push(',');
            }
        }
    }

    /// `#` shows no zero at the end.
    fn fraction_digit(&self, out: &mut String, place: char, at: usize) {
        let rest = self.fraction.get(at..).unwrap_or_default();
        if place == '#' && rest.bytes().all(|digit| digit == b'0') {
            return;
        }
        out.push_str(rest.get(..1).unwrap_or_default());
    }
}

/// A number as a fraction: `# ?/?`, or with a fixed denominator `# ?/8`.
fn fraction(section: &Section, value: f64) -> Option<String> {
    let slash = section.tokens.iter().position(|token| *token == Token::Slash)?;
    let (before, after) = (section.tokens.get(..slash)?, section.tokens.get(slash + 1..)?);
    let fixed: u32 = match after.first() {
        Some(Token::Literal(text)) => text.trim().parse().unwrap_or_default(),
        _ => 0,
    };
    let places = after.iter().filter(|token| matches!(token, Token::Digit(_))).count().clamp(1, 3);
    let groups = before.split(|token| matches!(token, Token::Literal(_)));
    let has_whole = groups.filter(|group| group.iter().any(|it| matches!(it, Token::Digit(_)))).count() > 1;
    let whole = if has_whole { value.trunc() } else { 0.0 };
    let (numerator, denominator) = if fixed > 0 {
        (((value - whole) * f64::from(fixed)).round(), f64::from(fixed))
    } else {
        nearest(value - whole, 10_f64.powi(i32::try_from(places).ok()?) - 1.0)
    };
    Some(match (has_whole, numerator == 0.0, numerator >= denominator) {
        (true, true, _) => format!("{whole}"),
        (true, _, true) => format!("{}", whole + 1.0),
        (true, ..) if whole == 0.0 => format!("{numerator}/{denominator}"),
        (true, ..) => format!("{whole} {numerator}/{denominator}"),
        _ => format!("{numerator}/{denominator}"),
    })
}

/// The nearest fraction with a denominator up to a limit, by continued fractions.
fn nearest(value: f64, denominator_max: f64) -> (f64, f64) {
    let (mut last, mut now) = ((1.0, 0.0), (value.trunc(), 1.0));
    let mut rest = value.fract();
    for _ in 0..20 {
        if rest.abs() < 1e-9 {
            break;
        }
        let inverse = 1.0 / rest;
        let step = inverse.trunc();
        let next = (step * now.0 + last.0, step * now.1 + last.1);
        if next.1 > denominator_max {
            break;
        }
        (last, now) = (now, next);
        rest = inverse.fract();
    }
    now
}
