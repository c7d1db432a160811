//! The verdict on a claim.

use std::{collections::HashSet, sync::Arc};

use super::{
    language::Language,
    prepared::{Library, Prepared, profile},
    sentences::{is_negated, sentences},
    words::{ContentWord, content_words},
};
use crate::grounding::{
    claim_support::Support,
    number_set::{NumberSet, Standing, standing},
    numbers,
};

/// From this share of a sentence's content words in the quotes on, it is supported.
const SUPPORTED_SHARE: f64 = 0.6;
/// Below this share, it is not.
const PARTLY_SHARE: f64 = 0.25;
/// Below this share of a sentence's names in the quotes, it is about somebody else.
const NAMES_SHARE: f64 = 0.5;
/// From this share on, a sentence and a quote speak of one thing, so that `not` in one of them alone contradicts.
const SAME_SHARE: f64 = 0.6;
/// The most characters of quotes and profile that are read for one item.
const MATERIAL_CHARS_MAX: usize = 60_000;
/// The shortest beginning that makes two stems of one word: `subscrib` and `subscript`.
const COMMON_CHARS: usize = 6;

/// The quotes of an item, prepared for judging its claims.
pub(super) struct Material<'a> {
    language: &'static Language,
    quotes: Vec<Arc<Prepared>>,
    /// It carries words and numbers as well, and nothing contradicts it.
    profile: Option<Arc<Prepared>>,
    /// The numbers of the pages from which the quotes come.
    page_numbers: Vec<&'a NumberSet>,
}

impl<'a> Material<'a> {
    pub(super) fn new(
        quotes: &[String],
        other: &[String],
        page_numbers: Vec<&'a NumberSet>,
        library: &mut Library,
    ) -> Self {
        let mut left = MATERIAL_CHARS_MAX;
        let mut fits = |text: &&String| {
            left = left.saturating_sub(text.len());
            left > 0
        };
        let read = quotes.iter().take_while(&mut fits).count();
        let quotes = quotes.get(..read).unwrap_or_default();
        let read = other.iter().take_while(&mut fits).count();
        let other = other.get(..read).unwrap_or_default();
        let language = Language::of(quotes.iter().chain(other).map(String::as_str));
        Self {
            language,
            quotes: quotes.iter().map(|text| library.quote(text, language)).collect(),
            profile: (!other.is_empty()).then(|| profile(other, language)),
            page_numbers,
        }
    }

    fn all(&self) -> impl Iterator<Item = &Prepared> {
        self.quotes.iter().chain(&self.profile).map(|one| &**one)
    }

    /// Judges a claim sentence by sentence.
    pub(super) fn judge(&self, claim: &str) -> Support {
        if self.all().next().is_none() {
            return Support::Unsupported;
        }
        let mut verdicts = sentences(claim).into_iter().filter_map(|sentence| self.judge_sentence(sentence));
        let Some(first) = verdicts.next() else { return Support::Partly };
        verdicts.fold(first, |all, next| if all == next { all } else { Support::Partly })
    }

    fn judge_sentence(&self, sentence: &str) -> Option<Support> {
        let words = content_words(sentence, self.language);
        let numbers = numbers::in_claim(sentence);
        if words.is_empty() && numbers.is_empty() {
            return None;
        }
        let known: Vec<&HashSet<String>> = self.all().map(|text| &text.words).collect();
        let has = |word: &str| holds(&known, word);
        let share = share(&words, has);
        let quoted: Vec<&NumberSet> = self.all().map(|text| &text.numbers).collect();
        let in_quotes: Vec<Standing> = numbers.iter().map(|number| standing(&quoted, number)).collect();
        let is_missing = numbers.iter().zip(&in_quotes).any(|(number, found)| {
            *found == Standing::Missing && standing(&self.page_numbers, number) != Standing::Stands
        });
        if is_missing || in_quotes.contains(&Standing::Reversed) || self.contradicts(sentence, &words) {
            return Some(Support::Unsupported);
        }
        let names: Vec<ContentWord> = words.iter().filter(|word| word.is_name).cloned().collect();
        let is_foreign = self::share(&names, has) < NAMES_SHARE;
        if share < PARTLY_SHARE || (is_foreign && share < NAMES_SHARE) {
            return Some(Support::Unsupported);
        }
        let is_whole = share >= SUPPORTED_SHARE && !is_foreign && !in_quotes.contains(&Standing::Missing);
        Some(if is_whole { Support::Supported } else { Support::Partly })
    }

    /// Whether the quote that speaks of the same thing says the opposite: one of the two is negated, or one rises
    /// where the other falls.
    fn contradicts(&self, sentence: &str, words: &[ContentWord]) -> bool {
        let sentences = self.quotes.iter().flat_map(|quote| &quote.sentences);
        let shares = sentences.map(|quote| (share(words, |word| holds(&[&quote.words], word)), quote));
        let Some((share, quote)) = shares.max_by(|left, right| left.0.total_cmp(&right.0)) else {
            return false;
        };
        let has = |word: &str| words.iter().any(|own| own.stem == word);
        let turns = |mine: &str, theirs: &str| {
            has(mine) && !has(theirs) && quote.words.contains(theirs) && !quote.words.contains(mine)
        };
        let is_same = share >= SAME_SHARE;
        let is_turned = turns("rise", "fall") || turns("fall", "rise");
        let is_denied = is_negated(sentence) != quote.is_negated;
        (is_same && is_denied && !is_turned) || (share >= 0.4 && is_turned && !is_denied)
    }
}

fn share(words: &[ContentWord], holds: impl Fn(&str) -> bool) -> f64 {
    if words.is_empty() {
        return 1.0;
    }
    let found = words.iter().filter(|word| holds(&word.stem)).count();
    let share = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    share(found) / share(words.len())
}

fn holds(sets: &[&HashSet<String>], stem: &str) -> bool {
    if sets.iter().any(|words| words.contains(stem)) {
        return true;
    }
    let Some((end, _)) = stem.char_indices().nth(COMMON_CHARS) else { return false };
    let beginning = stem.get(..end).unwrap_or(stem);
    sets.iter().any(|words| words.iter().any(|word| word.starts_with(beginning)))
}
