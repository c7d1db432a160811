//! Builds an opportunity as the frontend shows it: an entry of the fifth row, and a card.
//!
//! The results page parses an entry's Markdown: the first tag of its frontmatter is the card's label. The
//! subtitle is the text before the first full stop of the paragraph below `## Description`.

use pipeline::{
    report::{inline, line, plain},
    stages::{Effort, Horizon, Opportunity},
};
use serde_json::{Value, json};

use super::sections::part_below;

/// A row of `OpportunityCard`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardRow {
    /// From 1.
    pub number: i32,
    pub title: String,
    /// Markdown without frontmatter that starts with a plain sentence.
    pub content: String,
}

/// The longest subtitle. A longer one would fill the card.
const SUBTITLE_CHARS_MAX: usize = 300;

/// Words that a full stop may follow inside a sentence.
const ABBREVIATIONS: [&str; 18] = [
    "e", "i", "g", "vs", "etc", "approx", "ca", "cf", "no", "st", "dr", "mr", "mrs", "ms", "inc", "ltd",
    "co", "fig",
];

/// Builds the cards and the entries of the fifth row, in the same order.
pub(super) fn all(opportunities: &[Opportunity], section: &str) -> (Vec<CardRow>, Vec<Value>) {
    (1..).zip(opportunities).map(|(number, item)| one(number, item, section)).unzip()
}

fn one(number: i32, item: &Opportunity, section: &str) -> (CardRow, Value) {
    let title = plain(&item.title);
    let body = part_below(section, &format!("### {} ·", item.id)).unwrap_or_default();
    // If the report lacks the opportunity, the card shows only its pitch.
    let rest = body.split_once("\n\n").map(|(_, rest)| rest.trim()).filter(|rest| !rest.is_empty());
    let paragraph = paragraph(number, item);
    let content = rest.map_or_else(|| paragraph.clone(), |rest| format!("{paragraph}\n\n{rest}"));
    let details = rest.map_or_else(String::new, |rest| format!("## Details\n\n{rest}\n"));
    let markdown = format!(
        "---\ntags: {}, {} effort\n---\n\n## Description\n\n{paragraph}\n\n{details}",
        kind(item.effort, item.horizon),
        effort(item.effort)
    );
    let description = plain(&item.pitch);
    let entry = json!({ "number": number, "title": title, "description": description, "markdown": markdown });
    (CardRow { number, title, content }, entry)
}

/// The pitch as one paragraph. If its first sentence cannot be a subtitle, a plain sentence precedes it.
fn paragraph(number: i32, item: &Opportunity) -> String {
    let pitch = plain(&item.pitch);
    if is_subtitle(first_sentence(&pitch)) {
        return line(&pitch);
    }
    let title: String = plain(&item.title).chars().filter(|c| *c != '.').collect();
    let spare = format!("Opportunity {number}");
    let lead =
        [title.as_str(), spare.as_str()].into_iter().find(|lead| is_subtitle(lead)).unwrap_or_default();
    let rest = inline(&pitch);
    if rest.is_empty() { format!("{lead}.") } else { format!("{lead}. {rest}") }
}

/// The text up to the first full stop that ends a sentence; empty without one.
fn first_sentence(text: &str) -> &str {
    match text.split_once('.') {
        Some((sentence, rest)) if ends_sentence(sentence, rest) => sentence,
        // This full stop does not end a sentence, so the text cannot be a subtitle.
        Some(_) => "",
        None => "",
    }
}

/// Whether the full stop between two texts ends a sentence.
fn ends_sentence(before: &str, after: &str) -> bool {
    let word = before.rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_lowercase();
    let mut follows = after.chars().skip_while(|c| matches!(c, '”' | '"' | '’' | '\'' | ')'));
    let is_border = matches!((follows.next(), follows.next()), (None, _) | (Some(' '), None))
        || after.trim_start_matches(['”', '"', '’', '\'', ')']).strip_prefix(' ').is_some_and(|next| {
            next.chars().next().is_some_and(|c| c.is_uppercase() || !c.is_alphanumeric())
        });
    // A single letter is an initial or a part of an abbreviation.
    is_border && word.chars().count() != 1 && !ABBREVIATIONS.contains(&word.as_str())
}

/// Whether a text can be a subtitle: plain, short and without a full stop.
fn is_subtitle(text: &str) -> bool {
    let length = text.chars().count();
    (3..=SUBTITLE_CHARS_MAX).contains(&length)
        && !text.contains('.')
        && text.chars().next().is_some_and(|c| c.is_alphanumeric() || c == '“')
        && line(text) == text
}

/// A short label for the opportunity, by its effort and its horizon.
const fn kind(effort: Effort, horizon: Horizon) -> &'static str {
    match (horizon, effort) {
        (Horizon::Now, Effort::Low) => "Quick win",
        (Horizon::Now, Effort::Medium) => "Fast track",
        (Horizon::Now, Effort::High) => "Big push",
        (Horizon::Next, Effort::Low) => "Easy step",
        (Horizon::Next, Effort::Medium) => "Next step",
        (Horizon::Next, Effort::High) => "Major project",
        (Horizon::Later, Effort::Low) => "Seed idea",
        (Horizon::Later, Effort::Medium) => "Long view",
        (Horizon::Later, Effort::High) => "Long bet",
    }
}

const fn effort(effort: Effort) -> &'static str {
    match effort {
        Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High => "high",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(pitch: &str) -> Opportunity {
        let value = pipeline::testing::example_answer(pipeline::run::Stage::BrandContextualization);
        let mut item: Opportunity = serde_json::from_value(value["opportunities"][0].clone()).unwrap();
        pitch.clone_into(&mut item.pitch);
        item
    }

    /// The subtitle as the results page extracts it.
    fn subtitle(paragraph: &str) -> &str {
        paragraph.split('.').next().unwrap()
    }

    #[test]
    fn a_whole_sentence_is_the_subtitle() {
        for (pitch, shown) in [
            ("Shops take bottles back. It costs 3.5 % less.", "Shops take bottles back"),
            ("One sentence.", "One sentence"),
            ("He calls it “a bottle for life.” Shops follow.", "He calls it “a bottle for life"),
        ] {
            let text = paragraph(1, &item(pitch));
            assert_eq!((subtitle(&text), text.as_str()), (shown, pitch), "{pitch}");
        }
    }

    #[test]
    fn punctuation_inside_a_sentence_keeps_the_title_first() {
        for pitch in [
            "It costs 3.5 % less. Shops gain.",
            "Shops, e.g. Corner Ltd. in Leeds, take bottles back. They gain.",
            "Sold by Smith Inc. The shops gain.",
            "Use J. Smith’s method. Gain.",
            "A *bold* and [linked](x) sentence. More.",
            "No stop at all",
            "1.5 million shoppers bring it back. Shops gain.",
            "> quoted",
        ] {
            let text = paragraph(1, &item(pitch));
            assert_eq!(subtitle(&text), "Deposit bottle 1", "{pitch}");
            assert!(text.len() > pitch.len() && !text.contains('\n'), "{text}");
        }
        let mut odd = item("No stop at all");
        "*.*".clone_into(&mut odd.title);
        assert_eq!(subtitle(&paragraph(4, &odd)), "Opportunity 4");
    }
}
