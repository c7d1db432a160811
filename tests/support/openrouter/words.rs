//! Plausible text of a wanted length. It holds no number, no page and no quotation, so that nothing in it can be
//! looked up and missed.

const SUBJECTS: [&str; 9] = [
    "a refill habit",
    "a shared counter",
    "a quiet routine",
    "a visible wait",
    "a returned container",
    "a familiar ritual",
    "a neighbourhood service",
    "a small repair",
    "a seasonal pause",
];

const SENTENCES: [&str; 7] = [
    "People keep to {} because it asks them for no decision.",
    "The effort that customers had come to accept goes away with {}.",
    "The team can observe {} in ordinary households before anything is built.",
    "What people already do becomes easier with {}, and so they do it more often.",
    "It fails where {} costs more attention than it saves.",
    "A partner who knows {} shortens the way to customers.",
    "The material describes {} and what came of it.",
];

/// Words of a quote that make a title: long enough to mean something, and no part of a number.
pub(super) fn topic(quote: &str) -> String {
    let is_plain = |word: &&str| {
        word.chars().count() >= 4
            && word.chars().all(char::is_alphabetic)
            && !NUMBERS.contains(&word.to_lowercase().as_str())
    };
    let words = quote.split_whitespace().map(|word| word.trim_matches(|c: char| !c.is_alphabetic()));
    words.filter(is_plain).take(5).collect::<Vec<_>>().join(" ")
}

/// Words that are numbers, or parts of one.
const NUMBERS: [&str; 24] = [
    "three", "four", "five", "seven", "eight", "nine", "eleven", "twelve", "twenty", "thirty", "forty",
    "fifty", "sixty", "hundred", "thousand", "million", "billion", "half", "third", "quarter", "double",
    "twice", "dozen", "percent",
];

/// A subject of its own for each number.
pub(super) fn subject(number: usize) -> &'static str {
    SUBJECTS[number % SUBJECTS.len()]
}

/// A text of `least` to `most` characters about a subject.
pub(super) fn text(number: usize, about: &str, least: usize, most: usize) -> String {
    if most < 24 {
        return fitted(about.to_owned(), least, most);
    }
    if most <= 160 {
        return fitted(capitalised(about), least, most);
    }
    // Where there is room, a model takes some of it.
    let wanted = (most / 400).clamp(1, 3);
    let mut text = String::new();
    let mut written = 0;
    while written < wanted || text.len() < least {
        text += if written == 0 { "" } else { " " };
        text += &sentence(number + written, about);
        written += 1;
    }
    fitted(text, least, most)
}

fn sentence(number: usize, about: &str) -> String {
    SENTENCES[number % SENTENCES.len()].replacen("{}", about, 1)
}

/// Cut at a word where it is too long, and continued where it is too short.
fn fitted(text: String, least: usize, most: usize) -> String {
    let mut text = text;
    while text.chars().count() < least {
        text += " and more";
    }
    if text.chars().count() <= most {
        return text;
    }
    let cut: String = text.chars().take(most).collect();
    let whole = cut.rsplit_once(' ').map_or(cut.as_str(), |(whole, _)| whole);
    if whole.chars().count() >= least { whole.to_owned() } else { cut }
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
