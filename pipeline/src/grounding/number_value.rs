//! The value of a number, equal for equal amounts however they are written.

/// A decimal without leading or trailing zeros, times a power of ten: equal for equal values.
pub(super) type Value = (String, i32);

/// The value of the digits before and after a decimal point, times ten to the power of `scale`.
pub(super) fn value_of(whole: &str, fraction: &str, scale: i32) -> Value {
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
