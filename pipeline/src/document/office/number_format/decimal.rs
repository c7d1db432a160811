//! Decimal digits of a number. Spreadsheets count 15 of them and round halves up.

/// The digits that a spreadsheet keeps.
const DIGITS: usize = 15;

/// A number above zero as 0.d₁d₂d₃… × 10^`exponent`.
#[derive(Debug, Clone)]
pub(super) struct Decimal {
    digits: Vec<u8>,
    pub(super) exponent: i32,
}

impl Decimal {
    pub(super) fn new(value: f64) -> Self {
        let written = format!("{:.*e}", DIGITS - 1, value.abs());
        let (mantissa, exponent) = written.split_once('e').unwrap_or((written.as_str(), "0"));
        let digits = mantissa.bytes().filter(u8::is_ascii_digit).map(|byte| byte - b'0').collect();
        let exponent = exponent.parse::<i32>().unwrap_or_default() + 1;
        Self { digits, exponent }
    }

    /// Moves the decimal point to the right.
    pub(super) fn shifted(mut self, places: i32) -> Self {
        self.exponent += places;
        self
    }

    /// The digits before and after the point, with `places` of them after it.
    pub(super) fn fixed(&self, places: usize) -> (String, String) {
        // The point and the number of places come from the file; 400 digits show any number.
        const DIGITS_MAX: i64 = 400;
        let kept = (i64::from(self.exponent) + places as i64).clamp(-1, DIGITS_MAX);
        let mut digits: Vec<u8> =
            (0..kept).map(|at| self.digits.get(at as usize).copied().unwrap_or_default()).collect();
        let rounds_up = kept >= 0 && self.digits.get(kept as usize).is_some_and(|digit| *digit >= 5);
        let carries = rounds_up && !increment(&mut digits);
        if carries {
            digits.insert(0, 1);
        }
        let text: String = digits.iter().map(|digit| char::from(b'0' + digit)).collect();
        let padded = format!("{text:0>width$}", width = places.min(DIGITS_MAX as usize));
        let (whole, fraction) = padded.split_at(padded.len() - places.min(padded.len()));
        (whole.trim_start_matches('0').to_owned(), fraction.to_owned())
    }

    /// The digits rounded to a count, without zeros at their end, and the exponent of the first one.
    pub(super) fn rounded(&self, count: usize) -> (String, i32) {
        let mut digits: Vec<u8> = self.digits.iter().take(count).copied().collect();
        let mut exponent = self.exponent - 1;
        if self.digits.get(count).is_some_and(|digit| *digit >= 5) && !increment(&mut digits) {
            digits.insert(0, 1);
            digits.truncate(count);
            exponent += 1;
        }
        let text: String = digits.iter().map(|digit| char::from(b'0' + digit)).collect();
        (text.trim_end_matches('0').to_owned(), exponent)
    }
}

/// Adds one to the last digit; `false` if the first one overflows.
fn increment(digits: &mut [u8]) -> bool {
    for digit in digits.iter_mut().rev() {
        if *digit < 9 {
            *digit += 1;
            return true;
        }
        *digit = 0;
    }
    false
}

/// A number in the general format: up to ten digits, and powers of ten where that is too little.
pub(super) fn general(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return "0".to_owned();
    }
    let sign = if value < 0.0 { "-" } else { "" };
    let decimal = Decimal::new(value);
    if !(-8..=11).contains(&decimal.exponent) {
        let (digits, exponent) = decimal.rounded(6);
        let (first, rest) = digits.split_at(digits.len().min(1));
        let point = if rest.is_empty() { "" } else { "." };
        let power_sign = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{first}{point}{rest}E{power_sign}{:02}", exponent.abs());
    }
    let places = usize::try_from(10 - decimal.exponent.max(0)).unwrap_or_default();
    let (whole, fraction) = decimal.fixed(places);
    let fraction = fraction.trim_end_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole.as_str() };
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{whole}{point}{fraction}")
}
