//! The sentences of claims and quotes, and whether they deny something.

const NEGATIONS: [&str; 22] = [
    "not", "no", "never", "nobody", "none", "neither", "cannot", "without", "nicht", "kein", "keine",
    "keinen", "nie", "ohne", "pas", "jamais", "sans", "nunca", "não", "sem", "niet", "geen",
];

pub(super) fn is_negated(sentence: &str) -> bool {
    let lower = sentence.to_lowercase().replace('’', "'");
    let mut words = lower.split(|c: char| !c.is_alphabetic() && c != '\'');
    words.any(|word| word.ends_with("n't") || NEGATIONS.contains(&word))
}

/// The sentences of a text, roughly: a full stop within a number or an abbreviation ends none.
pub(super) fn sentences(text: &str) -> Vec<&str> {
    let mut sentences = Vec::new();
    let mut start = 0;
    for (at, c) in text.char_indices() {
        let end = at + c.len_utf8();
        let is_end = matches!(c, '!' | '?' | ';' | '\n' | '。' | '！' | '？')
            || (c == '.'
                && text.get(end..).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\n', '”'])));
        if is_end {
            sentences.extend(text.get(start..end));
            start = end;
        }
    }
    sentences.extend(text.get(start..));
    sentences.retain(|sentence| sentence.contains(char::is_alphanumeric));
    sentences
}
