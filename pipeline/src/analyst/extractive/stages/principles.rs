//! Principles of lessons: sentences that can be read without their document.

use crate::analyst::extractive::{
    analysis::{result::Analysis, sentence::Sentence},
    text::{role::Role, words},
};

/// The most general sentence of a section, with the next one if that continues the thought.
pub(crate) fn general_of(analysis: &Analysis, topic: usize) -> Option<Vec<usize>> {
    let major = analysis.topics.get(topic).is_some_and(|topic| topic.major);
    let mut best: Option<(f64, usize)> = None;
    for (index, sentence) in analysis.of_topic(topic) {
        let opens = !index.checked_sub(1).is_some_and(|before| analysis.adjoins(before, index));
        let Some(value) = generality(sentence, opens) else {
            continue;
        };
        if best.is_none_or(|(best, _)| value.total_cmp(&best).is_gt()) {
            best = Some((value, index));
        }
        // A short section states its point in its first general sentence.
        if !major {
            break;
        }
    }
    let (_, first) = best?;
    let mut chosen = vec![first];
    let next = analysis.sentence(first + 1).filter(|_| analysis.adjoins(first, first + 1));
    if next.is_some_and(|s| {
        s.word_count >= 4 && s.word_count <= 30 && speaks_generally(s) && continues_thought(s)
    }) {
        chosen.push(first + 1);
    }
    Some(chosen)
}

/// How general a sentence is, if it can be read without its document. `opens` says that it begins its
/// paragraph.
fn generality(s: &Sentence, opens: bool) -> Option<f64> {
    let fit = s.quotable && !s.leans && !s.objects && (6..=34).contains(&s.word_count) && speaks_generally(s);
    let role = match s.role {
        Role::Lead => 0.5,
        Role::Mechanism => 0.35,
        Role::Context | Role::Reason | Role::Case => 0.0,
        _ => return None,
    };
    let cue = |phrases: &[&str]| phrases.iter().any(|phrase| words::holds(&s.plain, phrase));
    let bare_subject = !s.text.starts_with("The ");
    let rule = cue(&[
        "should",
        "must",
        "when",
        "until",
        "only",
        "if",
        "what",
        "instead of",
        "once",
        "but",
        "enough",
    ]);
    let people =
        cue(&["people", "customers", "companies", "anyone", "everyone", "users", "buyers", "households"]);
    // "In two huts …" names a place, so it tells of a case. Without a cue, only a sentence that opens or
    // explains is general.
    let cased = s.text.starts_with("In ") || s.text.starts_with("At ") || s.text.starts_with("From ");
    let cued = rule || people || s.role == Role::Mechanism || opens && bare_subject && s.role == Role::Lead;
    (fit && cued && !cased).then(|| {
        role + s.score * 0.3
            + if bare_subject { 0.5 } else { 0.0 }
            + if rule { 0.25 } else { 0.0 }
            + if people { 0.15 } else { 0.0 }
            + f64::from(s.cause.min(6)) * 0.04
    })
}

/// Whether a sentence holds no name, figure, past tense, first person, or word for the document itself.
fn speaks_generally(s: &Sentence) -> bool {
    const PAST: [&str; 15] = [
        "was", "were", "had", "did", "took", "gave", "fell", "rose", "came", "went", "began", "ran", "grew",
        "wanted", "used",
    ];
    // These words are also participles: "is sold", "have paid".
    const PAST_OR_PARTICIPLE: [&str; 9] =
        ["said", "found", "brought", "bought", "sold", "paid", "left", "made", "got"];
    const LOCAL: [&str; 25] = [
        "will",
        "now",
        "here",
        "we",
        "our",
        "us",
        "i",
        "my",
        "you",
        "your",
        "report",
        "panel",
        "figure",
        "table",
        "chapter",
        "section",
        "article",
        "today",
        "yesterday",
        "last",
        "this",
        "these",
        "ago",
        "says",
        "he",
    ];
    let tokens: Vec<&str> = s.plain.split_whitespace().collect();
    let local = tokens.iter().any(|token| PAST.contains(token) || LOCAL.contains(token));
    let digits = s.text.chars().any(|c| c.is_ascii_digit());
    let quoted = s.text.contains(['“', '"', '(', '‘', ';', ':']);
    let past = tokens.windows(2).any(|pair| match pair {
        [before, word] => {
            let regular = word.len() > 4 && word.ends_with("ed") && !word.ends_with("eed");
            (regular || PAST_OR_PARTICIPLE.contains(word)) && !is_participle_after(before)
        }
        _ => false,
    });
    // In "Recipe boxes preserve it" the pronoun refers to another sentence.
    let points_back = tokens.last().is_some_and(|token| matches!(*token, "it" | "them"))
        || tokens.iter().take(6).any(|token| matches!(*token, "it" | "them" | "its"))
        || tokens.iter().take(2).any(|token| matches!(*token, "they" | "their"));
    s.names.is_empty() && !digits && !quoted && !local && !past && (!points_back || s.leans)
}

/// After these words, a word in "-ed" is a participle and says nothing about the tense.
fn is_participle_after(word: &str) -> bool {
    const BEFORE: [&str; 30] = [
        "have",
        "has",
        "is",
        "are",
        "be",
        "been",
        "being",
        "not",
        "a",
        "an",
        "the",
        "can",
        "more",
        "most",
        "well",
        "or",
        "and",
        "too",
        "than",
        "those",
        "get",
        "as",
        "of",
        "no",
        "it",
        "until",
        "once",
        "everything",
        "with",
        "every",
    ];
    BEFORE.contains(&word) || word.ends_with("ly")
}

/// Whether a sentence continues the one before it, and refers to nothing else.
fn continues_thought(s: &Sentence) -> bool {
    const OPENINGS: [&str; 8] =
        ["they ", "then ", "it ", "one decision", "what helps", "what comes", "instead ", "once "];
    let text = s.plain.trim_start();
    OPENINGS.iter().any(|opening| text.starts_with(opening))
}
