//! Fits a document to a token budget: the first page, then the most relevant pages, whole and in order.
//!
//! The choice is deterministic and the same for every stage. Stages 1 and 2 must send the same bytes, so that
//! the provider's cache helps.

use std::collections::{BTreeMap, BTreeSet};

/// A page as it would be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sheet {
    pub(super) number: u32,
    pub(super) text: String,
}

/// The pages of a document that are sent, and those that are not.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fitted {
    /// In page order.
    pub(super) sheets: Vec<Sheet>,
    /// Numbers of the pages that are left out, ascending.
    pub(super) left_out: Vec<u32>,
    /// Numbers of pages whose beginning is sent, because one alone exceeds the whole budget.
    pub(super) shortened: Vec<u32>,
}

/// Words of change, novelty and results, which all stages look for.
const SIGNALS: &str = "launch launched launches pilot trial introduced adopted adoption growth growing grew \
    increase increased decline rising trend trends shift shifting change consumers customers shoppers users \
    people behaviour behavior demand willing prefer percent survey respondents innovation innovative new \
    first technology platform service subscription model pricing price cost costs revenue sales market \
    partnership startup brand brands retail product products packaging sustainable refill digital community \
    experience value because result results study case";

/// The most terms of the document itself that stand for its subject.
const SALIENT_TERMS_MAX: usize = 40;
/// The usual BM25 constants.
const TERM_SATURATION: f64 = 1.2;
const LENGTH_WEIGHT: f64 = 0.75;
/// The tokens of a page's delimiter and line ends.
const MARKER_TOKENS: usize = 14;

/// The estimated tokens of a text: one for four characters, which fits the languages of trend reports.
pub(super) fn tokens(text: &str) -> usize {
    text.chars().count().div_ceil(4)
}

fn sheet_tokens(sheet: &Sheet) -> usize {
    tokens(&sheet.text) + MARKER_TOKENS
}

/// Chooses what fits into `budget_tokens`.
pub(super) fn fit(title: &str, sheets: Vec<Sheet>, budget_tokens: usize) -> Fitted {
    if sheets.iter().map(sheet_tokens).sum::<usize>() <= budget_tokens {
        return Fitted { sheets, left_out: Vec::new(), shortened: Vec::new() };
    }
    let order = by_relevance(title, &sheets);
    let mut slots: Vec<Option<Sheet>> = sheets.into_iter().map(Some).collect();
    let mut fitted = Fitted { sheets: Vec::new(), left_out: Vec::new(), shortened: Vec::new() };
    let mut room = budget_tokens;
    for position in order {
        let Some(mut sheet) = slots.get_mut(position).and_then(Option::take) else {
            continue;
        };
        let needed = sheet_tokens(&sheet);
        if needed > budget_tokens && room > MARKER_TOKENS {
            // Such a page never fits as a whole, so its beginning is sent.
            sheet.text = beginning(&sheet.text, (room - MARKER_TOKENS) * 4);
            fitted.shortened.push(sheet.number);
            room = 0;
            fitted.sheets.push(sheet);
        } else if needed <= room {
            room -= needed;
            fitted.sheets.push(sheet);
        } else {
            fitted.left_out.push(sheet.number);
        }
    }
    fitted.sheets.sort_by_key(|sheet| sheet.number);
    fitted.left_out.sort_unstable();
    fitted.shortened.sort_unstable();
    fitted
}

/// At most `chars_max` characters, cut at the end of a line if one ends in the second half.
fn beginning(text: &str, chars_max: usize) -> String {
    let start: String = text.chars().take(chars_max).collect();
    match start.rfind('\n') {
        Some(end) if end > start.len() / 2 => start.get(..end).unwrap_or(&start).to_owned(),
        _ => start,
    }
}

/// Positions of the sheets: the first one, then the others, most relevant first.
fn by_relevance(title: &str, sheets: &[Sheet]) -> Vec<usize> {
    let counted: Vec<BTreeMap<String, f64>> = sheets.iter().map(|sheet| term_counts(&sheet.text)).collect();
    let mut frequency: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for counts in &counted {
        for (term, count) in counts {
            let (pages, total) = frequency.entry(term).or_default();
            *pages += 1.0;
            *total += count;
        }
    }
    let query = query(title, &frequency, sheets.len());
    let lengths: Vec<f64> = counted.iter().map(|counts| counts.values().sum()).collect();
    let mean_length = (lengths.iter().sum::<f64>() / sheets.len().max(1) as f64).max(1.0);

    let mut scored: Vec<(usize, f64)> = counted
        .iter()
        .zip(&lengths)
        .enumerate()
        .map(|(position, (counts, length))| {
            let norm = TERM_SATURATION * (1.0 - LENGTH_WEIGHT + LENGTH_WEIGHT * length / mean_length);
            let score = query
                .iter()
                .filter_map(|(term, weight)| counts.get(*term).map(|count| (count, weight)))
                .map(|(count, weight)| weight * count * (TERM_SATURATION + 1.0) / (count + norm))
                .sum();
            (position, score)
        })
        .collect();
    // The first page names the document and its subject, so it goes first, regardless of its score.
    scored.sort_by(|(a, score_a), (b, score_b)| {
        (*b == 0).cmp(&(*a == 0)).then(score_b.total_cmp(score_a)).then(a.cmp(b))
    });
    scored.into_iter().map(|(position, _)| position).collect()
}

/// The terms to look for and their weights: signal words, the title's words, and the document's own subjects.
fn query<'a>(
    title: &str,
    frequency: &BTreeMap<&'a str, (f64, f64)>,
    page_count: usize,
) -> BTreeMap<&'a str, f64> {
    let idf = |pages: f64| (1.0 + (page_count as f64 - pages + 0.5) / (pages + 0.5)).ln();
    let mut salient: Vec<(&str, f64)> = frequency
        .iter()
        .filter(|(_, (pages, _))| *pages >= 2.0)
        .map(|(term, (pages, total))| (*term, total * idf(*pages)))
        .collect();
    salient.sort_by(|(a, weight_a), (b, weight_b)| weight_b.total_cmp(weight_a).then(a.cmp(b)));
    let title_terms = term_counts(title);
    let wanted: BTreeSet<&str> = salient
        .into_iter()
        .take(SALIENT_TERMS_MAX)
        .map(|(term, _)| term)
        .chain(SIGNALS.split_whitespace())
        .chain(title_terms.keys().map(String::as_str))
        .collect();
    frequency
        .iter()
        .filter(|(term, _)| wanted.contains(**term))
        .map(|(term, (pages, _))| (*term, idf(*pages)))
        .collect()
}

/// The words of a text that can carry a meaning, in lower case, counted.
fn term_counts(text: &str) -> BTreeMap<String, f64> {
    let mut counts = BTreeMap::new();
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().nth(2).is_some()) {
        *counts.entry(word.to_lowercase()).or_insert(0.0) += 1.0;
    }
    counts
}

/// Page numbers for people: `3, 5–9, 12`. A long list ends with the number of further pages.
pub(super) fn page_list(numbers: &[u32]) -> String {
    const RANGES_MAX: usize = 30;
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for &number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(number) => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    let shown: Vec<String> = ranges
        .iter()
        .take(RANGES_MAX)
        .map(|(first, last)| if first == last { first.to_string() } else { format!("{first}–{last}") })
        .collect();
    let more: u32 = ranges.iter().skip(RANGES_MAX).map(|(first, last)| last - first + 1).sum();
    let shown = shown.join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheets(texts: &[&str]) -> Vec<Sheet> {
        texts.iter().zip(1..).map(|(text, number)| Sheet { number, text: (*text).to_owned() }).collect()
    }

    fn numbers(fitted: &Fitted) -> Vec<u32> {
        fitted.sheets.iter().map(|sheet| sheet.number).collect()
    }

    #[test]
    fn a_document_that_fits_is_sent_whole() {
        let pages = sheets(&["one", "two", "three"]);
        let fitted = fit("t", pages.clone(), 1_000);
        assert_eq!(fitted.sheets, pages);
        assert!(fitted.left_out.is_empty() && fitted.shortened.is_empty());
    }

    #[test]
    fn first_and_relevant_pages_are_kept_in_order() {
        let dull = "lorem ipsum dolor sit amet ".repeat(8);
        let telling = "customers adopted the refill pilot and sales increased because price fell ".repeat(3);
        let pages = sheets(&[&dull, &dull, &telling, &dull, &telling, &dull]);
        let budget = tokens(&dull) + 2 * tokens(&telling) + 3 * MARKER_TOKENS;
        let fitted = fit("Refill", pages.clone(), budget);
        assert_eq!(numbers(&fitted), [1, 3, 5]);
        assert_eq!(fitted.left_out, [2, 4, 6]);
        assert!(fitted.sheets.iter().all(|sheet| pages.contains(sheet)), "pages are whole");
        assert_eq!(fit("Refill", pages, budget), fitted, "the same again");
    }

    #[test]
    fn a_page_beyond_the_budget_is_shortened() {
        let huge = "a line of a page that never ends\n".repeat(500);
        let fitted = fit("t", sheets(&["cover", &huge, "back"]), 300);
        assert_eq!(fitted.shortened, [2]);
        assert!(fitted.sheets.iter().map(sheet_tokens).sum::<usize>() <= 300);
        assert!(huge.starts_with(&fitted.sheets[1].text));
        assert_eq!(fitted.left_out, [3]);
    }

    #[test]
    fn pages_are_listed_as_ranges() {
        assert_eq!(page_list(&[3, 5, 6, 7, 12]), "3, 5–7, 12");
        let odd: Vec<u32> = (0..100).map(|n| 2 * n + 1).collect();
        assert!(page_list(&odd).ends_with("59 and 70 more"));
        assert_eq!(page_list(&[]), "");
    }
}
