//! The figures of a stage as people read them: tokens, cost, time, citations.

use super::wording::{percent, plural};
use crate::{
    grounding::{StageGrounding, run_share},
    llm::Usage,
    record::{StageMeta, StageRecord},
};

/// The figures of all stages together.
#[derive(Debug, Default)]
pub(super) struct Total {
    pub(super) usage: Usage,
    pub(super) millis: u64,
    pub(super) attempts: u32,
    /// Only the counts of quotes and numbers.
    pub(super) grounding: StageGrounding,
    /// The share of quotes that were found.
    pub(super) share: Option<f64>,
}

impl Total {
    pub(super) fn of(records: &[StageRecord]) -> Self {
        let mut total = Self::default();
        for StageRecord { meta, .. } in records {
            total.usage += meta.usage;
            total.millis = total.millis.saturating_add(elapsed_millis(meta));
            total.attempts = total.attempts.saturating_add(meta.attempts);
            let counts = &mut total.grounding;
            counts.quotes = counts.quotes.saturating_add(meta.grounding.quotes);
            counts.verbatim = counts.verbatim.saturating_add(meta.grounding.verified());
            counts.unsupported_numbers =
                counts.unsupported_numbers.saturating_add(meta.grounding.unsupported_numbers);
        }
        let stages: Vec<StageGrounding> =
            records.iter().map(|record| record.meta.grounding.clone()).collect();
        total.share = run_share(&stages);
        total
    }
}

pub(super) fn elapsed_millis(meta: &StageMeta) -> u64 {
    u64::try_from((meta.finished_at - meta.started_at).num_milliseconds()).unwrap_or(0)
}

pub(super) fn found(grounding: &StageGrounding, share: Option<f64>) -> String {
    let mut text = match share {
        Some(share) => format!("{} of {} ({})", grounding.verified(), grounding.quotes, percent(share)),
        None => "–".to_owned(),
    };
    if grounding.unsupported_numbers > 0 {
        let numbers = plural(grounding.unsupported_numbers as usize, "unsupported number");
        text.push_str(&format!("; {numbers}"));
    }
    text
}

pub(super) fn tokens(usage: &Usage) -> String {
    if usage.prompt_tokens == 0 && usage.completion_tokens == 0 {
        return "–".to_owned();
    }
    format!("{} / {}", grouped(usage.prompt_tokens), grouped(usage.completion_tokens))
}

pub(super) fn cost(usage: &Usage) -> String {
    let is_blank = usage.prompt_tokens == 0 && usage.completion_tokens == 0 && usage.cost_usd == 0.0;
    match usage {
        Usage { cost_is_unknown: true, cost_usd: 0.0, .. } => "unknown".to_owned(),
        Usage { cost_is_unknown: true, .. } => format!("more than US${:.4}", usage.cost_usd),
        Usage { cost_is_estimated: true, .. } => format!("about US${:.4}", usage.cost_usd),
        _ if is_blank => "–".to_owned(),
        _ => format!("US${:.4}", usage.cost_usd),
    }
}

/// `12,345`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `340 ms`, `8.2 s`, `1 min 12 s`, `2 h 3 min`.
pub(super) fn duration(millis: u64) -> String {
    let seconds = millis / 1_000;
    match seconds {
        0 => format!("{millis} ms"),
        1..60 => format!("{seconds}.{} s", millis % 1_000 / 100),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well() {
        for (millis, text) in [
            (0, "0 ms"),
            (340, "340 ms"),
            (1_000, "1.0 s"),
            (8_290, "8.2 s"),
            (59_999, "59.9 s"),
            (72_000, "1 min 12 s"),
            (7_380_000, "2 h 3 min"),
        ] {
            assert_eq!(duration(millis), text);
        }
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
        let usage = Usage { prompt_tokens: 1, cost_usd: 0.012_34, ..Usage::default() };
        assert_eq!(cost(&usage), "US$0.0123");
        assert_eq!(cost(&Usage::default()), "–");
        assert_eq!(cost(&Usage { cost_is_estimated: true, ..usage }), "about US$0.0123");
        assert_eq!(cost(&Usage { cost_is_unknown: true, ..usage }), "more than US$0.0123");
        assert_eq!(cost(&Usage { cost_is_unknown: true, ..Usage::default() }), "unknown");
    }
}
