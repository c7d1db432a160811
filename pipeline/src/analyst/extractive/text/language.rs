//! The language of a document. The analyst knows English.

use std::collections::{BTreeMap, BTreeSet};

use unicode_segmentation::UnicodeSegmentation;
use whatlang::{Lang, Script};

use crate::{
    analyst::extractive::text::{line_shape::is_row, word_lists::is_stopword},
    document::{Document, LineRole, Page},
};

/// The bytes of running text that are judged together. Less is too little for languages that are alike.
const SAMPLE_BYTES: usize = 800;
/// The most samples, spread over the whole document, so that a long document costs no more than a short one.
const SAMPLES_MAX: usize = 120;
/// Latin letters below this number prove nothing: names, a title, an address.
const LETTERS_MIN: usize = 120;
/// Fewer different words prove nothing.
const WORDS_MIN: usize = 8;
/// Letters of other scripts below this number prove nothing.
const OTHER_LETTERS_MIN: usize = 20;
/// From this percentage of English function words on, a text is English. English prose has about 40.
const ENGLISH_PERCENT: usize = 25;
/// From here on, it is English alone.
const CLEAR_PERCENT: usize = 33;
/// Below this percentage of English function words, a text that is more like another language is in that language.
/// Danish and Dutch share some short words with English and reach 12.
const FOREIGN_PERCENT: usize = 15;
/// From this percentage of its text on, a document is in another language. Its abstract may be English.
const REFUSED_PERCENT: usize = 80;
/// From this percentage on, the reader is warned. Quotes in other languages stay below it.
const WARNED_PERCENT: usize = 15;

/// The language of a document, as far as the analyst needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    /// English, or too little text to tell.
    Readable,
    /// A part of the text is in another language: its name and the percentage.
    Mixed(&'static str, usize),
    /// The document is in another language.
    Foreign(&'static str),
}

/// The language of a document's running text. Rows of tables and lines of numbers do not count.
pub(crate) fn language(document: &Document) -> Language {
    let bytes: usize = document.pages.iter().map(|page| page.text.len()).sum();
    let step = (bytes / SAMPLE_BYTES / SAMPLES_MAX).max(1);
    let mut tally = Tally::default();
    let mut sample = String::new();
    let mut number = 0_usize;
    for line in document.pages.iter().flat_map(running_lines) {
        for piece in pieces(line) {
            sample.push_str(piece);
            sample.push('\n');
            if sample.len() >= SAMPLE_BYTES {
                if number.is_multiple_of(step) {
                    tally.add(&sample);
                }
                number += 1;
                sample.clear();
            }
        }
    }
    if number.is_multiple_of(step) {
        tally.add(&sample);
    }
    tally.verdict()
}

/// The characters of text in each language. By bytes, a quote in Japanese would count three times.
#[derive(Debug, Default)]
struct Tally {
    english: usize,
    foreign: BTreeMap<&'static str, usize>,
}

impl Tally {
    fn add(&mut self, sample: &str) {
        let whole = judge(sample);
        if let Some(whole) = whole.as_ref().filter(|judged| judged.is_clear) {
            return self.count(whole, sample);
        }
        // Paragraphs in turn in two languages are together like a poor English, or like neither of them. Each of them alone is like
        // itself.
        let (mut part, mut letters, mut is_counted) = (String::new(), 0_usize, false);
        for line in sample.lines() {
            part.push_str(line);
            part.push('\n');
            letters += line.chars().filter(|c| c.is_alphabetic()).map(weight).sum::<usize>();
            if letters >= LETTERS_MIN {
                if let Some(judged) = judge(&part).filter(|judged| judged.is_reliable) {
                    self.count(&judged, &part);
                    is_counted = true;
                }
                part.clear();
                letters = 0;
            }
        }
        if let Some(whole) = whole.filter(|_| !is_counted) {
            self.count(&whole, sample);
        }
    }

    fn count(&mut self, judged: &Judged, text: &str) {
        let characters = text.chars().count();
        match judged.language {
            Lang::Eng => self.english += characters,
            language => *self.foreign.entry(name(language)).or_default() += characters,
        }
    }

    fn verdict(&self) -> Language {
        let foreign: usize = self.foreign.values().sum();
        let percent = (foreign * 100).checked_div(foreign + self.english).unwrap_or(0);
        let Some((name, _)) = self.foreign.iter().max_by_key(|(_, characters)| **characters) else {
            return Language::Readable;
        };
        match percent {
            REFUSED_PERCENT.. => Language::Foreign(name),
            WARNED_PERCENT.. => Language::Mixed(name, percent),
            _ => Language::Readable,
        }
    }
}

/// How many Latin letters a letter proves as much as.
const fn weight(letter: char) -> usize {
    // The Latin letters of European languages end here.
    if letter <= '\u{24f}' { 1 } else { LETTERS_MIN / OTHER_LETTERS_MIN }
}

/// The language of a text.
struct Judged {
    language: Lang,
    /// Whether it cannot be two languages in turn.
    is_clear: bool,
    /// Whether a few lines are enough to tell.
    is_reliable: bool,
}

/// The language of a text, or none if it is too short or like no language.
fn judge(text: &str) -> Option<Judged> {
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    let info = whatlang::detect(text)?;
    if info.script() != Script::Latin {
        let latin = text.chars().filter(char::is_ascii_alphabetic).count();
        let judged = Judged { language: info.lang(), is_clear: latin < LETTERS_MIN, is_reliable: true };
        return (letters >= OTHER_LETTERS_MIN).then_some(judged);
    }
    if letters < LETTERS_MIN {
        return None;
    }
    let (mut words, mut small, mut english) = (0_usize, 0_usize, 0_usize);
    let mut different: BTreeSet<&str> = BTreeSet::new();
    for word in text.unicode_words().filter(|word| word.starts_with(char::is_alphabetic)) {
        words += 1;
        different.insert(word);
        small += usize::from(word.starts_with(char::is_lowercase));
        // One letter is a word in many languages: the Hungarian article, the Polish "and".
        english += usize::from(word.len() > 1 && is_stopword(&word.to_lowercase()));
    }
    let percent = (english * 100).checked_div(words)?;
    if percent >= ENGLISH_PERCENT {
        let is_clear = percent >= CLEAR_PERCENT;
        return Some(Judged { language: Lang::Eng, is_clear, is_reliable: true });
    }
    // A few words again and again are no prose.
    if different.len() < WORDS_MIN {
        return None;
    }
    // A list of names is like Latin or Italian, if anything. Prose has more words with a small letter, even in German.
    let is_prose = small * 2 >= words;
    let is_known = info.lang() == Lang::Eng || percent < FOREIGN_PERCENT && is_prose;
    is_known.then(|| Judged {
        language: info.lang(),
        // English with so few of its words is names, or has another language beside it.
        is_clear: info.lang() != Lang::Eng,
        is_reliable: info.is_reliable(),
    })
}

fn name(language: Lang) -> &'static str {
    match language {
        Lang::Cmn => "Chinese",
        other => other.eng_name(),
    }
}

/// Lines that are prose, as far as their shape tells.
fn running_lines(page: &Page) -> impl Iterator<Item = &str> {
    let mut rows = page.marks.iter().filter(|mark| mark.role == LineRole::TableRow).peekable();
    page.text.lines().enumerate().filter_map(move |(index, line)| {
        while rows.next_if(|mark| mark.line < index).is_some() {}
        let in_table = rows.peek().is_some_and(|mark| mark.line == index) || is_row(line);
        let shown = line.chars().filter(|c| !c.is_whitespace()).count();
        let letters = line.chars().filter(|c| c.is_alphabetic() || is_mark(*c)).count();
        (!in_table && letters * 2 > shown).then_some(line)
    })
}

/// Whether a character is a vowel sign of an Indic or Thai script, which Unicode does not call a letter.
const fn is_mark(c: char) -> bool {
    matches!(c, '\u{0900}'..='\u{0eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}')
}

/// A line in pieces of at most a sample's length.
fn pieces(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = line;
    std::iter::from_fn(move || {
        let end = rest.floor_char_boundary(SAMPLE_BYTES);
        let end = if end < rest.len() {
            rest.get(..end).and_then(|head| head.rfind(' ')).map_or(end, |space| space + 1)
        } else {
            end
        };
        let (piece, after) = rest.split_at_checked(end)?;
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document;

    const LANGUAGES: &str = include_str!("../../../../tests/fixtures/languages.txt");
    const ENGLISH: &str = "The shop lends a bicycle to every family of the quarter, and it returns the deposit when the bicycle \
                           comes back in good order. People buy more often after a trial, because they know the quality.";

    fn texts() -> impl Iterator<Item = (&'static str, &'static str)> {
        LANGUAGES.lines().filter_map(|line| line.split_once('|'))
    }

    fn language_of(text: &str) -> Language {
        language(&document::extract("a.txt", text.as_bytes()).unwrap())
    }

    #[test]
    fn other_languages_are_named() {
        // These two are alike for a counter of letters, and only the name would be wrong.
        let alike = ["Danish", "Portuguese", "Czech"];
        for (name, text) in texts() {
            match language_of(text) {
                Language::Foreign(found) => {
                    assert!(found == name || alike.contains(&name), "{name}: {found}")
                }
                other => panic!("{name}: {other:?}"),
            }
        }
        assert!(texts().count() >= 12);
    }

    #[test]
    fn english_with_foreign_quotes_is_english() {
        for (name, text) in texts() {
            let quote: String = text.chars().take(90).collect();
            let document =
                format!("{}\n\n“{quote}”, says the owner.\n\n{}", ENGLISH.repeat(3), ENGLISH.repeat(3));
            assert_eq!(language_of(&document), Language::Readable, "{name}");
        }
    }

    #[test]
    fn half_a_document_is_warned_of() {
        let german = texts().find(|(name, _)| *name == "German").unwrap().1;
        let document = format!("{}\n\n{}", ENGLISH.repeat(8), german.repeat(6));
        assert!(
            matches!(language_of(&document), Language::Mixed("German", 40..=70)),
            "{:?}",
            language_of(&document)
        );
        let abstract_only = format!("{ENGLISH}\n\n{}", german.repeat(20));
        assert_eq!(language_of(&abstract_only), Language::Foreign("German"));
    }

    #[test]
    fn paragraphs_in_turn_are_warned_of() {
        for language in ["French", "German", "Japanese"] {
            let text = texts().find(|(name, _)| *name == language).map(|(_, text)| text).unwrap_or_default();
            let text: String = text.chars().take(220).collect();
            let document = format!("{ENGLISH}\n\n{text}\n\n").repeat(6);
            let found = language_of(&document);
            assert!(matches!(found, Language::Mixed(name, _) if name == language), "{language}: {found:?}");
        }
    }

    #[test]
    fn numbers_names_and_scraps_are_no_language() {
        let numbers = "Umsatz 2024 12,4 13,9\nAbsatz 2025 1.204 1.377 12 %\n".repeat(60);
        let names = "Quechua, Kipsta, Domyos, Tribord, Btwin, Artengo, Geologic, Inesis, Nabaiji, Kalenji, Oxelo, Solognac. ".repeat(9);
        for text in [numbers.as_str(), &names, "Guten Tag.", "a b c", "12 13 14"] {
            assert_eq!(language_of(text), Language::Readable, "{text}");
        }
    }
}
