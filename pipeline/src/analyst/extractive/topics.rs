//! Which part of the document is about what: topics by headings, or by position where headings do not help.

use std::collections::{BTreeMap, BTreeSet};

use unicode_segmentation::UnicodeSegmentation;

use super::{
    analysis::{Analysis, Sentence},
    blocks::{Block, Kind},
    inspirations, jobs,
    lexicon::{Role, lexicon},
    phrases, ranking, sentences, words,
};
use crate::{
    document::Document,
    stages::{Category, Direction, Strength},
};

/// Fewer quotable sentences than this make no topic of their own.
const TOPIC_SENTENCES_MIN: usize = 5;
/// A section that names somebody and measures something needs no more than this.
const CASE_SENTENCES_MIN: usize = 3;
/// A name before a colon in a heading has no more words than this.
const NAME_WORDS_MAX: usize = 4;
/// A headline is no longer than this.
const HEADLINE_CHARS_MAX: usize = 120;
/// The most topics that are carried on.
const TOPICS_MAX: usize = 8;

/// One subject of the document.
#[derive(Debug, Default)]
pub(super) struct Topic {
    pub(super) heading: String,
    /// Who or what the heading names before its colon ("Halden: a boat for an hour"), where the text names it too.
    pub(super) name: Option<String>,
    /// The name of the case that stands for it ("the Open Bench").
    pub(super) case: Option<String>,
    pub(super) labels: Labels,
    pub(super) vector: BTreeMap<String, f64>,
    /// Enough is said about it to stand alone.
    pub(super) major: bool,
    pub(super) weight: f64,
    /// The heading is the document's own, not made from phrases.
    pub(super) named_by_document: bool,
}

/// What a document says of a topic in a line of labels ("Category … Strength … Direction …").
#[derive(Debug, Default, Clone)]
pub(super) struct Labels {
    pub(super) category: Option<Category>,
    pub(super) strength: Option<(Strength, Option<String>)>,
    pub(super) direction: Option<Direction>,
    pub(super) seen_in: Vec<String>,
}

/// Where a block belongs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) role: Role,
    pub(super) topic: Option<usize>,
    /// The first paragraph under the topic's heading.
    pub(super) opens_topic: bool,
}

#[derive(Debug)]
pub(super) struct Places {
    pub(super) of_block: Vec<Place>,
    pub(super) topics: Vec<Topic>,
}

/// Walks through the headings.
pub(super) fn places(blocks: &[Block], document: &Document) -> Places {
    let outline = Outline::of(blocks, document);
    let mut of_block = Vec::with_capacity(blocks.len());
    let mut topics: Vec<Topic> = Vec::new();
    let mut place = Place { role: Role::Context, topic: None, opens_topic: false };
    for block in blocks {
        match block.kind {
            Kind::Heading => {
                if outline.is_topic(block) {
                    topics.push(Topic {
                        heading: block.text.clone(),
                        named_by_document: true,
                        ..Topic::default()
                    });
                    place = Place { role: Role::Context, topic: Some(topics.len() - 1), opens_topic: true };
                } else {
                    place = outline.under(block, place, &mut topics);
                }
                of_block.push(place);
            }
            Kind::Prose | Kind::Item => {
                if let Some(topic) = place.topic.and_then(|index| topics.get_mut(index)) {
                    topic.labels.read(&block.text);
                }
                of_block.push(place);
                place.opens_topic = false;
            }
            Kind::Other => {
                if let Some(topic) = place.topic.and_then(|index| topics.get_mut(index)) {
                    topic.labels.read(&block.text);
                }
                of_block.push(place);
            }
        }
    }
    Places { of_block, topics }
}

/// What is known of the headings before the walk.
struct Outline {
    counts: BTreeMap<String, usize>,
    listed: BTreeSet<String>,
    title: String,
    /// The document marks its main headings, so that the others are sub-headings.
    has_levels: bool,
}

impl Outline {
    fn of(blocks: &[Block], document: &Document) -> Self {
        let mut outline = Self {
            counts: BTreeMap::new(),
            listed: BTreeSet::new(),
            title: words::plain(document.title.as_deref().unwrap_or_default()),
            has_levels: false,
        };
        for block in blocks {
            match block.kind {
                Kind::Heading => *outline.counts.entry(words::plain(&block.text)).or_default() += 1,
                // A list of contents names the main headings.
                Kind::Other | Kind::Item => {
                    let bare = block.text.trim_matches(|c: char| !c.is_alphabetic());
                    outline.listed.insert(words::plain(bare));
                }
                Kind::Prose => {}
            }
        }
        let main =
            blocks.iter().filter(|block| outline.is_main(block) && outline.may_be_topic(block)).count();
        outline.has_levels = main >= 2;
        outline
    }

    fn is_main(&self, block: &Block) -> bool {
        block.marked || self.listed.contains(&words::plain(&block.text))
    }

    fn may_be_topic(&self, block: &Block) -> bool {
        let plain = words::plain(&block.text);
        block.kind == Kind::Heading
            && case_name(&block.text).is_none()
            && lexicon().heading_role(&block.text).is_none()
            && self.counts.get(&plain).is_none_or(|count| *count < 2)
            && plain.trim().len() > 2
            && plain != self.title
    }

    fn is_topic(&self, block: &Block) -> bool {
        self.may_be_topic(block) && (self.is_main(block) || !self.has_levels)
    }

    /// Where the text under a heading belongs that begins no topic.
    fn under(&self, block: &Block, place: Place, topics: &mut [Topic]) -> Place {
        if let Some(name) = case_name(&block.text) {
            if let Some(topic) = place.topic.and_then(|index| topics.get_mut(index)) {
                topic.case.get_or_insert_with(|| name.to_owned());
            }
            return Place { role: Role::Case, opens_topic: false, ..place };
        }
        let plain = words::plain(&block.text);
        match lexicon().heading_role(&block.text) {
            Some(role @ (Role::Matter | Role::Summary)) => Place { role, topic: None, opens_topic: false },
            // "What would change our minds" after the last topic speaks of them all.
            Some(role) => Place { role, opens_topic: false, ..place },
            None if plain == self.title => Place { role: Role::Lead, topic: None, opens_topic: false },
            None => Place { role: Role::Aside, opens_topic: false, ..place },
        }
    }
}

/// Finds the names that headings give before a colon: a word of the text that it never writes small.
pub(super) fn name_topics(topics: &mut [Topic], sentences: &[Sentence]) {
    let words: BTreeSet<&str> = sentences.iter().flat_map(|s| s.text.unicode_words()).collect();
    for topic in topics {
        topic.name = topic
            .heading
            .split_once(": ")
            .map(|(name, _)| name)
            .filter(|name| name.split(' ').count() <= NAME_WORDS_MAX && name.starts_with(char::is_uppercase))
            .filter(|name| {
                let first = name.unicode_words().next().unwrap_or_default();
                words.contains(first) && !words.contains(first.to_lowercase().as_str())
            })
            .map(str::to_owned);
    }
}

/// The name in "The case: the Open Bench".
fn case_name(heading: &str) -> Option<&str> {
    const PREFIXES: [&str; 8] = [
        "the case",
        "case",
        "case study",
        "example",
        "spotlight",
        "in practice",
        "in focus",
        "the lead case",
    ];
    let (before, name) = heading.split_once(": ")?;
    let plain = words::plain(before);
    PREFIXES.contains(&plain.trim()).then_some(name.trim())
}

impl Labels {
    /// Reads label and value pairs out of a line that is not prose.
    fn read(&mut self, text: &str) {
        let plain = words::plain(text);
        let value_after = |label: &str| -> Option<&str> {
            let at = plain.find(&format!(" {label} "))?;
            plain.get(at + label.len() + 2..)?.split(' ').next()
        };
        if self.category.is_none() {
            self.category = value_after("category").and_then(category_named);
        }
        if self.strength.is_none() {
            self.strength = value_after("strength")
                .and_then(strength_named)
                .map(|strength| (strength, reason_after(text)));
        }
        if self.direction.is_none() {
            self.direction = value_after("direction").and_then(direction_named);
        }
        if self.seen_in.is_empty()
            && let Some((_, list)) = text.split_once("Seen in ")
        {
            let line = list.split(['.', '\n']).next().unwrap_or(list);
            let items: Vec<&str> = line.split(',').map(str::trim).filter(|item| !item.is_empty()).collect();
            if items.iter().all(|item| item.split(' ').count() <= 4) {
                self.seen_in = items.into_iter().take(6).map(words::capitalised).collect();
            }
        }
    }
}

/// What a strength label gives as its reason: "Strength High: six of seven countries".
fn reason_after(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("Strength")?;
    let (_, reason) = rest.split_once(": ")?;
    let end = ["Direction", "Category", "Seen in", "."].iter().filter_map(|cut| reason.find(cut)).min();
    let reason = reason.get(..end.unwrap_or(reason.len()))?.trim();
    (3..=80).contains(&reason.chars().count()).then(|| reason.to_owned())
}

fn category_named(word: &str) -> Option<Category> {
    Some(match word {
        "behavioural" | "behavioral" | "behaviour" | "behavior" => Category::Behavioral,
        "technological" | "technology" => Category::Technological,
        "cultural" | "culture" | "social" => Category::Cultural,
        "economic" | "economy" | "economics" => Category::Economic,
        _ => return None,
    })
}

fn strength_named(word: &str) -> Option<Strength> {
    Some(match word {
        "high" | "strong" => Strength::High,
        "medium" | "moderate" => Strength::Medium,
        "low" | "weak" => Strength::Low,
        _ => return None,
    })
}

fn direction_named(word: &str) -> Option<Direction> {
    Some(match word {
        "emerging" | "new" | "nascent" => Direction::Emerging,
        "rising" | "growing" | "up" | "increasing" => Direction::Growing,
        "steady" | "stable" | "flat" => Direction::Stable,
        "falling" | "declining" | "down" => Direction::Declining,
        _ => return None,
    })
}

/// Weighs the topics; makes some by position where the headings give fewer than two.
pub(super) fn settle(analysis: &mut Analysis) {
    weigh(analysis);
    if analysis.topics.iter().filter(|topic| topic.major).count() < 2 {
        by_position(analysis);
        weigh(analysis);
    }
    let mut order: Vec<(f64, usize)> = analysis
        .topics
        .iter()
        .enumerate()
        .filter(|(_, topic)| topic.major)
        .map(|(i, topic)| (topic.weight, i))
        .collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    for (_, index) in order.into_iter().skip(TOPICS_MAX) {
        if let Some(topic) = analysis.topics.get_mut(index) {
            topic.major = false;
        }
    }
}

fn weigh(analysis: &mut Analysis) {
    for index in 0..analysis.topics.len() {
        let mut scores: Vec<f64> = Vec::new();
        let mut stems: Vec<String> = Vec::new();
        let mut evidence = 0_u32;
        for (_, sentence) in analysis.of_topic(index).filter(|(_, sentence)| sentence.role != Role::Aside) {
            stems.extend_from_slice(&sentence.stems);
            if sentence.quotable {
                scores.push(sentence.score);
                evidence += u32::from(!sentence.figures.is_empty()) + u32::from(sentence.cause > 0);
            }
        }
        let vector = ranking::vector(&stems, &analysis.rarity);
        scores.sort_by(|a, b| b.total_cmp(a));
        // A short section is a case of its own where it names somebody and measures something.
        let own: Vec<&Sentence> = analysis.of_topic(index).map(|(_, s)| s).filter(|s| s.quotable).collect();
        let short_case = own.len() >= CASE_SENTENCES_MIN
            && own.iter().any(|s| !s.names.is_empty())
            && own.iter().any(|s| !s.figures.is_empty())
            && evidence >= 2;
        let positional = analysis.topics.get(index).is_some_and(|topic| !topic.named_by_document);
        if let Some(topic) = analysis.topics.get_mut(index) {
            topic.major = scores.len() >= TOPIC_SENTENCES_MIN && evidence >= 2
                || short_case
                || positional && scores.len() >= 2;
            let strength = match topic.labels.strength {
                Some((Strength::High, _)) => 1.0,
                Some((Strength::Medium, _)) => 0.5,
                _ => 0.0,
            };
            topic.weight = scores.iter().take(6).sum::<f64>() + f64::from(evidence.min(8)) * 0.1 + strength;
            topic.vector = vector;
        }
    }
}

/// Cuts the usable text into stretches around its strongest explanations.
fn by_position(analysis: &mut Analysis) {
    let usable: Vec<usize> = analysis
        .usable()
        .filter(|(_, sentence)| !matches!(sentence.role, Role::Counter | Role::Outlook))
        .map(|(index, _)| index)
        .collect();
    // Fewer than four quotable sentences cannot make two topics, and one story rarely holds more than three.
    let count = (usable.len() / 14).clamp(2, 3);
    if usable.len() < 4 {
        return;
    }
    let first = analysis.topics.len();
    for topic in &mut analysis.topics {
        topic.major = false;
    }
    let share = usable.len().div_ceil(count);
    let starts: Vec<usize> = usable.chunks(share).filter_map(|chunk| chunk.first().copied()).collect();
    for (index, sentence) in analysis.sentences.iter_mut().enumerate() {
        let stretch = starts.iter().filter(|start| **start <= index).count().saturating_sub(1);
        sentence.topic = (sentence.role != Role::Matter).then_some(first + stretch);
    }
    for stretch in 0..starts.len() {
        let heading = heading_from(analysis, first + stretch);
        analysis.topics.push(Topic { heading, ..Topic::default() });
    }
}

/// A title for a stretch of text from its name and key phrase: a clause would be a claim and no name.
fn heading_from(analysis: &Analysis, topic: usize) -> String {
    let mut own: Vec<&Sentence> = analysis
        .of_topic(topic)
        .map(|(_, sentence)| sentence)
        .filter(|sentence| {
            sentence.quotable
                && !sentence.objects
                && sentence.role != Role::Outlook
                && !jobs::is_job(sentence)
        })
        .collect();
    let known: Vec<&str> = analysis.topics.iter().map(|topic| topic.heading.as_str()).collect();
    let unused =
        |phrase: &String| known.iter().all(|heading| !words::plain(heading).contains(&words::plain(phrase)));
    // A term is said again; where nothing is, what is said once must do.
    let phrase = [2, 1].into_iter().find_map(|uses| {
        let texts = own.iter().map(|sentence| sentence.text.as_str());
        phrases::phrases_used(texts, &analysis.rarity, 4, uses).into_iter().find(unused)
    });
    // Who only speaks about the case is not its name.
    own.retain(|s| {
        !s.text.contains(['“', '"']) && !s.plain.contains(" says ") && !s.plain.contains(" said ")
    });
    match (phrases::principal_name(&own).filter(|name| phrases::is_name(name)), phrase) {
        (Some(name), Some(phrase)) => format!("{name}: {phrase}"),
        (None, Some(phrase)) => words::capitalised(&phrase),
        (Some(name), None) if unused(&name) => name,
        (_, None) => format!("Part {} of the document", words::count_in_words(known.len() + 1)),
    }
}

/// The sentence that says best what came of a case.
pub(super) fn headline(analysis: &Analysis, topic: usize) -> Option<usize> {
    let mut best: Option<(f64, usize)> = None;
    for (index, sentence) in analysis.of_topic(topic).filter(|(_, sentence)| sentence.quotable) {
        let clause = sentences::main_clause(&sentence.text);
        let Some(value) = inspirations::result_value(sentence) else {
            continue;
        };
        if clause.chars().count() <= HEADLINE_CHARS_MAX
            && best.is_none_or(|(best, _)| value.total_cmp(&best).is_gt())
        {
            best = Some((value, index));
        }
    }
    best.map(|(_, index)| index)
}
