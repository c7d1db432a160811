//! Titles in capitals, rewritten in title case.

use std::collections::BTreeSet;

use super::content::Page;

/// Words that a title writes in lower case, unless they open it.
const SMALL: [&str; 25] = [
    "a", "an", "and", "as", "at", "but", "by", "for", "from", "if", "in", "into", "of", "on", "or", "our",
    "per", "than", "that", "the", "then", "to", "up", "via", "with",
];
/// A single word in capitals that is no longer than this may be an abbreviation.
const ABBREVIATION_CHARS_MAX: usize = 5;

/// The abbreviations of a document: words that running text also writes in capitals.
pub(crate) fn abbreviations(pages: &[Page]) -> BTreeSet<String> {
    let running =
        pages.iter().flat_map(|page| page.text.lines()).filter(|line| line.contains(char::is_lowercase));
    running
        .flat_map(str::split_whitespace)
        .map(|token| token.trim_matches(|c: char| !c.is_alphanumeric()))
        .filter(|word| word.chars().count() > 1 && is_shouted(word))
        .map(str::to_owned)
        .collect()
}

/// "MORNING: THE MARKET HALL" → "Morning: The Market Hall"; other titles as they are.
pub(crate) fn without_shouting(title: &str, abbreviations: &BTreeSet<String>) -> String {
    let several = title.contains(' ') || title.chars().count() > ABBREVIATION_CHARS_MAX;
    if !several || !is_shouted(title) {
        return title.to_owned();
    }
    let mut opens = true;
    let mut words: Vec<String> = Vec::new();
    for word in title.split(' ') {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        let lower = word.to_lowercase();
        let small = !opens && SMALL.contains(&bare.to_lowercase().as_str());
        words.push(if abbreviations.contains(bare) {
            word.to_owned()
        } else if small {
            lower
        } else {
            capitalised_parts(&lower)
        });
        opens = word.ends_with([':', '.', '?', '!', '–', '—', '/']);
    }
    words.join(" ")
}

fn is_shouted(text: &str) -> bool {
    text.chars().any(char::is_uppercase) && !text.chars().any(char::is_lowercase)
}

/// Upper case for the first letter, and for those after a hyphen.
fn capitalised_parts(lower: &str) -> String {
    let mut out = String::with_capacity(lower.len());
    let mut begins = true;
    for c in lower.chars() {
        if begins && c.is_alphanumeric() {
            out.extend(c.to_uppercase());
        } else {
            out.push(c);
        }
        begins = c == '-' || begins && !c.is_alphanumeric();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(title: &str) -> String {
        without_shouting(title, &BTreeSet::from(["NHS".to_owned()]))
    }

    #[test]
    fn capitals_become_title_case() {
        assert_eq!(
            shown("NIGHT SHIFT: HOW SLEEP BECAME A SERVICE"),
            "Night Shift: How Sleep Became a Service"
        );
        assert_eq!(shown("THE HALF-DAY “ROOM” AT THE NHS"), "The Half-Day “Room” at the NHS");
        assert_eq!(shown("INTRODUCTION"), "Introduction");
    }

    #[test]
    fn other_titles_stay_as_they_are() {
        for title in ["The Borrowed Street", "NHS", "OLD BAY at 80", "2026", ""] {
            assert_eq!(shown(title), title);
        }
    }

    #[test]
    fn abbreviations_are_known_from_running_text() {
        let text = "THE NHS AND US\nThe NHS pays, and A pays.\n".to_owned();
        let page = Page { number: 1, text, readable: 1.0, ..Page::default() };
        assert_eq!(abbreviations(&[page]), BTreeSet::from(["NHS".to_owned()]));
    }
}
