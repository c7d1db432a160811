//! A time span in words of people: `90s`, `30m`, `24h`, `7d`.

use std::time::Duration;

/// A hundred years. More is a mistake.
const DAYS_MAX: u64 = 36_500;

/// Parses a time span.
///
/// # Errors
///
/// A sentence for a person.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || "give a whole number with s, m, h or d, such as 30m, 24h or 7d".to_owned();
    let unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3_600,
        Some('d') => 86_400,
        _ => return Err(wrong()),
    };
    let count: u64 = text.get(..text.len() - 1).unwrap_or_default().parse().map_err(|_| wrong())?;
    let seconds =
        count.checked_mul(unit).filter(|seconds| *seconds <= DAYS_MAX * 86_400).ok_or_else(wrong)?;
    Ok(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_numbers_with_a_unit_are_times() {
        assert_eq!(parse_duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("7d"), Ok(Duration::from_secs(7 * 86_400)));
        for bad in ["", "7", "d", "-1d", "1.5h", "7 d", "99999d", "18446744073709551615d", "1é"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }
}
