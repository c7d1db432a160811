//! The small pieces that all pages are made of: badges, times, figures. State is never told by colour alone.

use std::fmt::{self, Write as _};

use pipeline::{clock::Timestamp, run::RunStatus};

pub(super) use crate::html_text::escaped;
use crate::runs::StageStatus;

/// Text that is HTML already, made by the console itself. Templates write it as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Markup(String);

impl Markup {
    /// The caller has escaped every stranger's text in it.
    pub(super) const fn of(html: String) -> Self {
        Self(html)
    }
}

impl fmt::Display for Markup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl askama::filters::HtmlSafe for Markup {}

/// How a state is to be taken. Each has a glyph and a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Busy,
    Warn,
    Bad,
    Quiet,
}

impl Tone {
    const fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Busy => "busy",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Quiet => "quiet",
        }
    }

    const fn glyph(self) -> &'static str {
        match self {
            Self::Good => "✓",
            Self::Busy => "▸",
            Self::Warn => "!",
            Self::Bad => "✕",
            Self::Quiet => "–",
        }
    }
}

/// A word with a glyph and a colour.
pub(super) fn badge(tone: Tone, word: &str) -> Markup {
    Markup(format!(
        "<span class=\"badge {}\"><span class=\"glyph\" aria-hidden=\"true\">{}</span>{}</span>",
        tone.class(),
        tone.glyph(),
        escaped(word)
    ))
}

/// The status of a run, as a badge.
pub(super) fn run_status(status: RunStatus, is_waiting: bool) -> Markup {
    match status {
        RunStatus::Processing if is_waiting => badge(Tone::Warn, "waiting"),
        RunStatus::Processing => badge(Tone::Busy, "running"),
        RunStatus::Completed => badge(Tone::Good, "complete"),
        RunStatus::Failed => badge(Tone::Bad, "failed"),
        RunStatus::Cancelled => badge(Tone::Quiet, "cancelled"),
    }
}

/// The status of a stage, as a badge.
pub(super) fn stage_status(status: StageStatus) -> Markup {
    match status {
        StageStatus::Pending => badge(Tone::Quiet, "pending"),
        StageStatus::Running => badge(Tone::Busy, "running"),
        StageStatus::Complete => badge(Tone::Good, "complete"),
        StageStatus::Failed => badge(Tone::Bad, "failed"),
    }
}

/// A time of the day, in UTC.
pub(super) fn clock_time(at: Timestamp) -> String {
    at.format("%H:%M:%S UTC").to_string()
}

/// A time with its date, and how long ago it was.
pub(super) fn time(at: Timestamp, now: Timestamp) -> Markup {
    Markup(format!(
        "<time datetime=\"{}\">{} <span class=\"ago\">{}</span></time>",
        at.format("%Y-%m-%dT%H:%M:%S%.3fZ"),
        at.format("%Y-%m-%d %H:%M:%S"),
        ago(at, now)
    ))
}

/// How long ago a time is, in one unit.
pub(super) fn ago(at: Timestamp, now: Timestamp) -> String {
    match (now - at).num_seconds() {
        ..=-1 => "in the future".to_owned(),
        0..=1 => "now".to_owned(),
        seconds @ 2..=119 => format!("{seconds} s ago"),
        seconds @ 120..=7_199 => format!("{} min ago", seconds / 60),
        seconds @ 7_200..=172_799 => format!("{} h ago", seconds / 3_600),
        seconds => format!("{} days ago", seconds / 86_400),
    }
}

/// A span of time, for people: `820 ms`, `12.4 s`, `3 min 05 s`, `2 h 10 min`.
pub(super) fn span(millis: i64) -> String {
    match millis.max(0) {
        millis @ 0..=999 => format!("{millis} ms"),
        millis @ 1_000..=59_999 => format!("{}.{} s", millis / 1_000, millis % 1_000 / 100),
        millis @ 60_000..=3_599_999 => format!("{} min {:02} s", millis / 60_000, millis / 1_000 % 60),
        millis @ 3_600_000..=172_799_999 => {
            format!("{} h {:02} min", millis / 3_600_000, millis / 60_000 % 60)
        }
        millis => format!("{} days", millis / 86_400_000),
    }
}

/// US dollars. Small sums show more places.
pub(super) fn dollars(usd: f64) -> String {
    match usd {
        usd if usd.abs() < f64::EPSILON => "$0".to_owned(),
        usd if usd < 0.1 => format!("${usd:.4}"),
        usd => format!("${usd:.2}"),
    }
}

/// A share from 0 to 1, as a percentage.
pub(super) fn percent(share: f64) -> String {
    format!("{:.0} %", (share * 100.0).clamp(0.0, 100.0))
}

/// A whole number with commas: `12,345`.
pub(super) fn count(number: impl TryInto<u64>) -> String {
    let digits = number.try_into().unwrap_or(u64::MAX).to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The word for what is not known.
pub(super) const UNKNOWN: &str = "–";

/// The stores that hold a thing, in words.
pub(super) fn places(places: storage::StoredIn) -> &'static str {
    match (places.database, places.files) {
        (true, true) => "database, files",
        (true, false) => "database only",
        (false, true) => "files only",
        (false, false) => UNKNOWN,
    }
}

/// One figure with its name, and what stands below it.
#[derive(Debug, Clone)]
pub(super) struct Figure {
    pub(super) name: &'static str,
    pub(super) value: String,
    /// A few words that explain the value.
    pub(super) note: String,
    /// How the value is to be taken. None for a plain figure.
    pub(super) tone: Option<Tone>,
    /// A small chart.
    pub(super) chart: Markup,
}

impl Figure {
    pub(super) fn new(name: &'static str, value: impl Into<String>, note: impl Into<String>) -> Self {
        Self { name, value: value.into(), note: note.into(), tone: None, chart: Markup::default() }
    }

    /// Marks the figure.
    pub(super) fn marked(self, tone: Tone) -> Self {
        Self { tone: Some(tone), ..self }
    }

    /// Adds a chart.
    pub(super) fn with_chart(self, chart: Markup) -> Self {
        Self { chart, ..self }
    }

    /// The figure as a part of a page.
    pub(super) fn html(&self) -> Markup {
        let mut text = String::from("<div class=\"figure");
        // Writing to a String does not fail, here and below.
        if let Some(tone) = self.tone {
            let _ = write!(text, " {}", tone.class());
        }
        let _ = write!(text, "\"><dt>{}</dt><dd><span class=\"value\">", escaped(self.name));
        if let Some(tone) = self.tone.filter(|tone| *tone != Tone::Quiet) {
            let _ = write!(text, "<span class=\"glyph\" aria-hidden=\"true\">{}</span>", tone.glyph());
        }
        let _ = write!(text, "{}</span>{}", escaped(&self.value), self.chart);
        let _ = write!(text, "<span class=\"under\">{}</span></dd></div>", escaped(&self.note));
        Markup(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well() {
        assert_eq!(
            (count(0_u64), count(999_u64), count(10_000_u64), count(1_234_567_u64)),
            ("0".to_owned(), "999".to_owned(), "10,000".to_owned(), "1,234,567".to_owned())
        );
        assert_eq!(
            [span(5), span(12_449), span(185_000), span(7_800_000)],
            ["5 ms", "12.4 s", "3 min 05 s", "2 h 10 min"]
        );
        assert_eq!([dollars(0.0), dollars(0.0123), dollars(12.5)], ["$0", "$0.0123", "$12.50"]);
        let now = Timestamp::default() + chrono::TimeDelta::days(9);
        assert_eq!(ago(Timestamp::default(), now), "9 days ago");
        assert_eq!(ago(now - chrono::TimeDelta::seconds(90), now), "90 s ago");
    }

    #[test]
    fn words_of_strangers_stay_words() {
        let badge = badge(Tone::Bad, "<b>\"x\"</b>\u{202e}").to_string();
        assert!(!badge.contains("<b>") && !badge.contains('\u{202e}') && badge.contains("✕"), "{badge}");
        let figure = Figure::new("Cost", "<i>", "&").marked(Tone::Warn).html().to_string();
        assert!(
            figure.contains("&lt;i&gt;") && figure.contains("&amp;") && figure.contains("figure warn"),
            "{figure}"
        );
    }
}
