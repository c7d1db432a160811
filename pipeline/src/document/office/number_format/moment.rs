//! Dates and times in a format code.

use chrono::{Datelike, Duration, NaiveDate, Timelike};

use super::code::{Section, Token};
use crate::english::MONTHS;

const SECONDS_A_DAY: f64 = 86_400.0;
/// 31 December 9999, the last day of a spreadsheet.
const DAYS_MAX: f64 = 2_958_466.0;
const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// The parts of a moment.
struct Moment {
    year: i32,
    month: u32,
    day: u32,
    weekday: usize,
    hour: u32,
    minute: u32,
    second: u32,
    /// Parts of a second, in billionths.
    nanos: u32,
    /// All seconds since day 0.
    seconds: f64,
}

impl Moment {
    fn new(value: f64, is_1904: bool, second_places: usize) -> Option<Self> {
        if !(0.0..DAYS_MAX).contains(&value) {
            return None;
        }
        // Rounded to what is shown, so that 59.9999 seconds become a minute.
        let unit = 10_f64.powi(i32::try_from(second_places).ok()?);
        let seconds = (value * SECONDS_A_DAY * unit).round() / unit;
        let days = (seconds / SECONDS_A_DAY).floor();
        let of_day = seconds - days * SECONDS_A_DAY;
        let nanos = ((of_day.fract() * unit).round() / unit * 1e9).clamp(0.0, 999_999_999.0) as u32;
        let time = chrono::NaiveTime::from_num_seconds_from_midnight_opt(of_day as u32, nanos)?;
        let date = date(days as i64, is_1904)?;
        // Day 60 of the 1900 system never was: spreadsheets count a 29 February in 1900.
        let is_leap_error = !is_1904 && days as i64 == 60;
        Some(Self {
            year: date.year(),
            month: if is_leap_error { 2 } else { date.month() },
            day: if is_leap_error { 29 } else { date.day() },
            weekday: date.weekday().num_days_from_monday() as usize,
            hour: time.hour(),
            minute: time.minute(),
            second: time.second(),
            nanos,
            seconds,
        })
    }
}

fn date(days: i64, is_1904: bool) -> Option<NaiveDate> {
    let (year, month, day) = if is_1904 { (1904, 1, 1) } else { (1899, 12, 30) };
    // Before the false leap day the count is one behind.
    let days = if is_1904 || days > 60 { days } else { days + 1 };
    NaiveDate::from_ymd_opt(year, month, day)?.checked_add_signed(Duration::try_days(days)?)
}

/// A moment in the section's format; `None` for numbers that are no moments.
pub(super) fn moment(section: &Section, value: f64, is_1904: bool) -> Option<String> {
    let tokens = &section.tokens;
    let has_noon = tokens.contains(&Token::AmPm);
    let second_places = second_places(tokens);
    let moment = Moment::new(value, is_1904, second_places)?;
    let mut out = String::new();
    let mut after_second = false;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Literal(text) => out.push_str(text),
            Token::Moment('m', count) if is_minute(tokens, at) => {
                out.push_str(&padded(moment.minute, *count))
            }
            Token::Moment('m', count) => out.push_str(&month(moment.month, *count)),
            Token::Moment('y', count) => {
                let year = if *count <= 2 { moment.year % 100 } else { moment.year };
                out.push_str(&if *count <= 2 { format!("{year:02}") } else { format!("{year:04}") });
            }
            Token::Moment('d', count) => out.push_str(&day(&moment, *count)),
            Token::Moment('h', count) => {
                let hour = if has_noon { (moment.hour + 11) % 12 + 1 } else { moment.hour };
                out.push_str(&padded(hour, *count));
            }
            Token::Moment('s', count) => out.push_str(&padded(moment.second, *count)),
            Token::Elapsed(unit, count) => {
                let divisor = match unit {
                    'h' => 3_600.0,
                    'm' => 60.0,
                    _ => 1.0,
                };
                out.push_str(&format!("{:0width$}", (moment.seconds / divisor).floor(), width = count));
            }
            Token::AmPm => out.push_str(if moment.hour < 12 { "AM" } else { "PM" }),
            Token::Point if after_second && second_places > 0 => {
                let fraction = format!("{:09}", moment.nanos);
                out.push('.');
                out.push_str(fraction.get(..second_places.min(9)).unwrap_or_default());
            }
            Token::Point => out.push('.'),
            Token::Comma => out.push(','),
            Token::Slash => out.push('/'),
            Token::Digit(_) => continue,
            _ => {}
        }
        after_second = matches!(token, Token::Moment('s', _) | Token::Elapsed('s', _));
    }
    Some(out)
}

/// The places behind the seconds' point: 1 in `ss.0`.
fn second_places(tokens: &[Token]) -> usize {
    let point = tokens.iter().position(|token| *token == Token::Point);
    let after = point.and_then(|at| tokens.get(at + 1..)).unwrap_or_default();
    after.iter().take_while(|token| matches!(token, Token::Digit(_))).count().min(9)
}

/// `m` means minutes behind hours and before seconds.
fn is_minute(tokens: &[Token], at: usize) -> bool {
    let is_time = |token: &&Token| matches!(token, Token::Moment(..) | Token::Elapsed(..));
    let before = tokens.get(..at).unwrap_or_default().iter().rev().find(is_time);
    let after = tokens.get(at + 1..).unwrap_or_default().iter().find(is_time);
    matches!(before, Some(Token::Moment('h', _) | Token::Elapsed('h', _)))
        || matches!(after, Some(Token::Moment('s', _) | Token::Elapsed('s', _)))
}

fn padded(number: u32, count: usize) -> String {
    if count >= 2 { format!("{number:02}") } else { number.to_string() }
}

fn month(month: u32, count: usize) -> String {
    let name = MONTHS.get(month.saturating_sub(1) as usize).copied().unwrap_or_default();
    match count {
        0..=2 => padded(month, count),
        3 => name.get(..3).unwrap_or_default().to_owned(),
        5 => name.get(..1).unwrap_or_default().to_owned(),
        _ => name.to_owned(),
    }
}

fn day(moment: &Moment, count: usize) -> String {
    let name = WEEKDAYS.get(moment.weekday).copied().unwrap_or_default();
    match count {
        0..=2 => padded(moment.day, count),
        3 => name.get(..3).unwrap_or_default().to_owned(),
        _ => name.to_owned(),
    }
}
