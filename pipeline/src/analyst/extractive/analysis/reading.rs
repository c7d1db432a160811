//! Reads blocks as sentences, with their roles, topics, names and figures.

use std::collections::{BTreeMap, BTreeSet};

use unicode_segmentation::UnicodeSegmentation;

use crate::{
    analyst::extractive::{
        analysis::{naming, outline::Places, page_search::PageSearch, sentence::Sentence},
        limits::{SENTENCE_BYTES_MAX, SENTENCES_MAX},
        stop::{Stop, Stopped},
        text::{
            blocks::{Block, Kind},
            lexicon::lexicon,
            names::Names,
            role::Role,
            sentences, words,
        },
    },
    document::Document,
};

/// The most words of a heading that runs into its paragraph.
const RUN_IN_WORDS_MAX: usize = 4;

/// The sentences of a document.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) sentences: Vec<Sentence>,
    /// Sentences that were too long to be read whole.
    pub(crate) long: usize,
    /// The document holds more sentences than are read.
    pub(crate) is_cut: bool,
}

pub(crate) fn read_sentences(
    blocks: &[Block],
    places: &mut Places,
    document: &Document,
    stop: &Stop,
) -> Result<Reading, Stopped> {
    let mut pages = PageSearch::new(document, stop)?;
    let mut reading = Reading { sentences: Vec::new(), long: 0, is_cut: false };
    let mut stems = words::Stems::default();
    for ((index, block), place) in blocks.iter().enumerate().zip(&places.of_block) {
        stop.check()?;
        if !matches!(block.kind, Kind::Prose | Kind::Item) {
            continue;
        }
        let texts = sentences::split(&block.text);
        // In "To watch in 2027. Whether …" a heading runs into its paragraph.
        let run_in = texts
            .first()
            .filter(|first| texts.len() > 1 && first.split(' ').nth(RUN_IN_WORDS_MAX).is_none())
            .and_then(|first| lexicon().heading_role(first.trim_end_matches('.')));
        for (order, text) in texts.into_iter().enumerate() {
            stop.check()?;
            if reading.sentences.len() == SENTENCES_MAX {
                reading.is_cut = true;
                break;
            }
            let text = match text.get(..text.floor_char_boundary(SENTENCE_BYTES_MAX)) {
                Some(start) if start.len() < text.len() => {
                    reading.long += 1;
                    start.to_owned()
                }
                _ => text,
            };
            // The first sentences of a topic are its lead, also under a heading with another role.
            let role = if let Some(role) = run_in {
                role
            } else if place.opens_topic && order < 3 {
                Role::Lead
            } else {
                place.role
            };
            let mut sentence = read(text, role, &mut stems);
            sentence.page = block.page;
            sentence.topic = place.topic;
            sentence.block = index;
            sentence.quotable =
                sentences::is_quotable(&sentence.text) && pages.holds(block.page, &sentence.text);
            reading.sentences.push(sentence);
        }
    }
    let found = &mut reading.sentences;
    let mut names = Names::collect(found.iter().map(|sentence| sentence.text.as_str()), stop)?;
    naming::name_topics(&mut places.topics, found);
    places.topics.iter().filter_map(|topic| topic.name.as_deref()).for_each(|name| names.adopt(name));
    spread_objections(found);
    for sentence in found.iter_mut() {
        stop.check()?;
        sentence.names = names.of(&sentence.text);
    }
    set_asides(found);
    Ok(reading)
}

/// A sentence without its place: its words, figures and cues.
fn read(text: String, role: Role, stems: &mut words::Stems) -> Sentence {
    let plain = words::plain(&text);
    let (content, stemmed) = stems.of(&text);
    Sentence {
        page: 0,
        word_count: text.unicode_words().count(),
        stems: content,
        stemmed,
        objects: role == Role::Counter || lexicon().objects(&text, &plain),
        role,
        topic: None,
        block: 0,
        quotable: false,
        leans: lexicon().leans(&plain),
        figures: words::figures(&text),
        names: Vec::new(),
        cause: lexicon().marker_weight("cause", &plain),
        score: 0.0,
        plain,
        text,
    }
}

/// Marks paragraphs that tell of another case. "A dairy next to them …" introduces somebody, and names nobody
/// whom the topic has named before. It proves nothing about this case.
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
