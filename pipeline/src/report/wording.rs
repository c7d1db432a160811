//! Counts, lists, shares and statuses in words.

use crate::{document::Format, stages::QuoteStatus};

/// `1 page`, `2 pages`.
pub(super) fn plural(count: usize, noun: &str) -> String {
    counted(count, noun, &format!("{noun}s"))
}

pub(super) fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// `1`, `1 and 2`, `1, 2 and 3`.
pub(super) fn listed(texts: &[String]) -> String {
    match texts {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// A share in whole percent. Only a full share is 100 %, and only an empty one is 0 %.
pub(super) fn percent(share: f64) -> String {
    let rounded = (share * 100.0).round();
    let honest = if share < 1.0 && share > 0.0 { rounded.clamp(1.0, 99.0) } else { rounded };
    format!("{honest:.0}%")
}

/// The note on a quote that did not stand as it was cited.
pub(super) fn status_note(status: QuoteStatus, format: Format) -> Option<String> {
    match status {
        QuoteStatus::Near => {
            Some("the analyst's wording differed slightly, these are the document's words".to_owned())
        }
        QuoteStatus::WrongPage => Some(format!("cited from another {}, corrected", format.unit())),
        QuoteStatus::Verbatim | QuoteStatus::Hidden | QuoteStatus::Absent => None,
    }
}

/// Sentences on the quotes that no report shows.
pub(super) fn left_out(absent: usize, hidden: usize) -> Vec<String> {
    let were = |count| if count == 1 { "was" } else { "were" };
    let mut sentences = Vec::new();
    if absent > 0 {
        let quotes = plural(absent, "quote");
        sentences.push(format!("{quotes} that could not be found there {} left out.", were(absent)));
    }
    if hidden > 0 {
        let stand = if hidden == 1 { "stands" } else { "stand" };
        let quotes = plural(hidden, "quote");
        sentences.push(format!(
            "{quotes} that {stand} only in hidden text, which no reader sees, {} left out.",
            were(hidden)
        ));
    }
    sentences
}
