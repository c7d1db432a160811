//! What all four stages work on: the document's sentences, weighed, and its topics.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use unicode_segmentation::UnicodeSegmentation;

use super::{
    blocks::{self, Block, Kind},
    lexicon::{Role, is_stopword, lexicon},
    phrases::Names,
    ranking, sentences,
    topics::{self, Places, Topic},
    words,
};
use crate::{
    document::{Document, Format},
    record::sha256_hex,
};

/// A heading that runs into its paragraph is no longer than this.
const RUN_IN_WORDS_MAX: usize = 4;

/// One sentence of the document.
#[derive(Debug)]
pub(super) struct Sentence {
    pub(super) page: u32,
    pub(super) text: String,
    /// See [`words::plain`].
    pub(super) plain: String,
    pub(super) word_count: usize,
    pub(super) stems: Vec<String>,
    /// See [`words::stemmed`].
    pub(super) stemmed: String,
    pub(super) role: Role,
    /// Index into [`Analysis::topics`].
    pub(super) topic: Option<usize>,
    /// The paragraph it stands in.
    pub(super) block: usize,
    pub(super) quotable: bool,
    /// It speaks against its case, by its words or by the heading that it stands under.
    pub(super) objects: bool,
    /// It leans on the sentence before it.
    pub(super) leans: bool,
    pub(super) figures: Vec<String>,
    pub(super) names: Vec<String>,
    pub(super) cause: u32,
    /// How much it says of the whole, and of itself; see [`ranking`].
    pub(super) score: f64,
}

/// A document, taken apart.
#[derive(Debug)]
pub(super) struct Analysis {
    /// Decides how places are cited.
    pub(super) format: Format,
    pub(super) sentences: Vec<Sentence>,
    pub(super) topics: Vec<Topic>,
    /// How rare a stem is: inverse document frequency over sentences.
    pub(super) rarity: BTreeMap<String, f64>,
    pub(super) warnings: Vec<String>,
}

/// The latest analyses, by the digest of what they were made from: the four stages ask for the same one in turn.
static LATEST: Mutex<VecDeque<(String, Arc<Analysis>)>> = Mutex::new(VecDeque::new());
/// So many analyses are kept, of documents no longer than this; an analysis is several times as large as its text.
const KEPT_MAX: usize = 4;
const KEPT_BYTES_MAX: usize = 2 * 1024 * 1024;

/// The digest of everything that an analysis follows from.
fn digest(document: &Document) -> String {
    let mut all = format!("{:?} {}", document.format, document.title.as_deref().unwrap_or_default());
    for page in &document.pages {
        all.push_str(&format!("\u{0}{} {:?}\u{0}{}", page.number, page.running_header_lines, page.text));
    }
    sha256_hex(all.as_bytes())
}

impl Analysis {
    /// The analysis of a document, from the latest ones where it is among them.
    pub(super) fn cached(document: &Document) -> Arc<Self> {
        if document.pages.iter().map(|page| page.text.len()).sum::<usize>() > KEPT_BYTES_MAX {
            return Arc::new(Self::of(document));
        }
        let key = digest(document);
        // What a panicking thread left is whole: entries are only pushed and popped.
        let latest = || LATEST.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, found)) = latest().iter().find(|(known, _)| *known == key) {
            return Arc::clone(found);
        }
        let analysis = Arc::new(Self::of(document));
        let mut latest = latest();
        latest.push_front((key, Arc::clone(&analysis)));
        latest.truncate(KEPT_MAX);
        analysis
    }

    pub(super) fn of(document: &Document) -> Self {
        let blocks = blocks::blocks(document);
        let mut places = topics::places(&blocks, document);
        let mut found = read_sentences(&blocks, &mut places, document);
        let rarity = ranking::rarity(&found);
        ranking::score(&mut found, &rarity);
        let warnings = warnings(&blocks, &found, document);
        let mut analysis =
            Self { format: document.format, sentences: found, topics: places.topics, rarity, warnings };
        topics::settle(&mut analysis);
        analysis
    }

    pub(super) fn sentence(&self, index: usize) -> Option<&Sentence> {
        self.sentences.get(index)
    }

    /// A topic's sentences with their indexes, in order.
    pub(super) fn of_topic(&self, topic: usize) -> impl Iterator<Item = (usize, &Sentence)> {
        self.sentences.iter().enumerate().filter(move |(_, sentence)| sentence.topic == Some(topic))
    }

    /// Whether `second` directly follows `first` in the same paragraph.
    pub(super) fn adjoins(&self, first: usize, second: usize) -> bool {
        second == first + 1
            && matches!((self.sentence(first), self.sentence(second)), (Some(a), Some(b)) if a.block == b.block)
    }

    /// Sentences that can be quoted and are not front or back matter.
    pub(super) fn usable(&self) -> impl Iterator<Item = (usize, &Sentence)> {
        self.sentences
            .iter()
            .enumerate()
            .filter(|(_, sentence)| sentence.quotable && sentence.role != Role::Matter)
    }
}

/// A text without white space and hyphens: what line breaks can change.
fn compact(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '-' | '‐' | '\u{ad}')).collect()
}

fn read_sentences(blocks: &[Block], places: &mut Places, document: &Document) -> Vec<Sentence> {
    let pages: BTreeMap<u32, String> =
        document.pages.iter().map(|page| (page.number, compact(&page.text))).collect();
    let mut found = Vec::new();
    let mut stems = words::Stems::default();
    for ((index, block), place) in blocks.iter().enumerate().zip(&places.of_block) {
        if !matches!(block.kind, Kind::Prose | Kind::Item) {
            continue;
        }
        let texts = sentences::split(&block.text);
        // "To watch in 2027. Whether …": a heading that runs into its paragraph.
        let run_in = texts
            .first()
            .filter(|first| texts.len() > 1 && first.split(' ').count() <= RUN_IN_WORDS_MAX)
            .and_then(|first| lexicon().heading_role(first.trim_end_matches('.')));
        for (order, text) in texts.into_iter().enumerate() {
            let plain = words::plain(&text);
            let (content, stemmed) = stems.of(&text);
            // The first words of a topic are its lead, whatever stands above them.
            let role = if let Some(role) = run_in {
                role
            } else if place.opens_topic && order < 3 {
                Role::Lead
            } else {
                place.role
            };
            found.push(Sentence {
                page: block.page,
                word_count: text.unicode_words().count(),
                stems: content,
                stemmed,
                objects: role == Role::Counter || lexicon().objects(&text, &plain),
                role,
                topic: place.topic,
                block: index,
                // The last clause is the proof that joining lines has glued nothing together.
                quotable: sentences::is_quotable(&text)
                    && pages.get(&block.page).is_some_and(|page| page.contains(&compact(&text))),
                leans: lexicon().leans(&plain),
                figures: words::figures(&text),
                names: Vec::new(),
                cause: lexicon().marker_weight("cause", &plain),
                score: 0.0,
                plain,
                text,
            });
        }
    }
    let mut names = Names::collect(found.iter().map(|sentence| sentence.text.as_str()));
    topics::name_topics(&mut places.topics, &found);
    places.topics.iter().filter_map(|topic| topic.name.as_deref()).for_each(|name| names.adopt(name));
    spread_objections(&mut found);
    for sentence in &mut found {
        sentence.names = names.of(&sentence.text);
    }
    set_asides(&mut found);
    found
}

/// "A dairy next to them …": a later paragraph of a topic that introduces somebody else, and names nobody whom the
/// topic has named before, tells of another case and proves nothing of this one.
fn set_asides(found: &mut [Sentence]) {
    const INTRODUCTIONS: [&str; 3] = ["A ", "An ", "Another "];
    let mut known: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    for paragraph in found.chunk_by_mut(|a, b| a.block == b.block) {
        let Some((topic, first)) = paragraph.first().and_then(|s| Some((s.topic?, s))) else { continue };
        let introduces = first.role == Role::Context
            && first.names.is_empty()
            && INTRODUCTIONS.iter().any(|opening| first.text.starts_with(opening));
        let named: BTreeSet<String> = paragraph.iter().flat_map(|s| s.names.iter().cloned()).collect();
        let before = known.entry(topic).or_default();
        if introduces && !named.is_empty() && !before.is_empty() && before.is_disjoint(&named) {
            paragraph.iter_mut().for_each(|s| s.role = Role::Aside);
        } else {
            before.extend(named);
        }
    }
}

/// In a paragraph that objects, a sentence with a weak word of objection objects too.
fn spread_objections(found: &mut [Sentence]) {
    let blocks: BTreeSet<usize> = found.iter().filter(|s| s.objects).map(|s| s.block).collect();
    for sentence in found.iter_mut().filter(|s| !s.objects && blocks.contains(&s.block)) {
        sentence.objects = lexicon().marker_weight("objection", &sentence.plain) > 0;
    }
}

/// What a reader should know before trusting the analysis.
fn warnings(blocks: &[Block], found: &[Sentence], document: &Document) -> Vec<String> {
    let mut warnings = Vec::new();
    let quotable = found.iter().filter(|sentence| sentence.quotable).count();
    let all: Vec<&str> =
        document.pages.iter().flat_map(|page| page.text.unicode_words()).take(20_000).collect();
    let function_words = all.iter().filter(|word| is_stopword(&word.to_lowercase())).count();
    if all.len() > 80 && function_words * 100 < all.len() * 25 {
        warnings.push(
            "The document does not look like English prose; the built-in analyst knows English only, so its choice may miss the point.".to_owned(),
        );
    }
    let words_in = |kinds: &[Kind]| -> usize {
        blocks
            .iter()
            .filter(|block| kinds.contains(&block.kind))
            .map(|block| block.text.unicode_words().count())
            .sum()
    };
    if words_in(&[Kind::Other]) > words_in(&[Kind::Prose, Kind::Item]) {
        warnings.push("Most of the document's text stands in tables, labels or captions, which the built-in analyst does not quote.".to_owned());
    }
    if quotable < 25 {
        warnings.push(format!(
            "Only {quotable} sentences of the document can be quoted, so the analysis rests on little."
        ));
    }
    warnings
}
