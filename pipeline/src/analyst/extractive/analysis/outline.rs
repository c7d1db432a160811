//! The outline: the role and the topic of each block, taken from the headings.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    analyst::extractive::{
        analysis::topic::Topic,
        limits::TOPICS_MAX,
        stop::{Stop, Stopped},
        text::{
            blocks::{Block, Kind},
            lexicon::lexicon,
            role::Role,
            words,
        },
    },
    document::Document,
};

/// The role and the topic of a block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) role: Role,
    pub(crate) topic: Option<usize>,
    /// It is the first paragraph under the topic's heading.
    pub(crate) opens_topic: bool,
}

#[derive(Debug)]
pub(crate) struct Places {
    pub(crate) of_block: Vec<Place>,
    pub(crate) topics: Vec<Topic>,
}

/// Gives every block its place, in one walk through the headings.
pub(crate) fn places(blocks: &[Block], document: &Document, stop: &Stop) -> Result<Places, Stopped> {
    let outline = Outline::of(blocks, document, stop)?;
    let mut of_block = Vec::with_capacity(blocks.len());
    let mut topics: Vec<Topic> = Vec::new();
    let mut place = Place { role: Role::Context, topic: None, opens_topic: false };
    for block in blocks {
        stop.check()?;
        match block.kind {
            Kind::Heading => {
                if topics.len() < TOPICS_MAX && outline.is_topic(block) {
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
    Ok(Places { of_block, topics })
}

/// Facts about the headings, gathered before the walk.
struct Outline {
    counts: BTreeMap<String, usize>,
    listed: BTreeSet<String>,
    title: String,
    /// The document marks its main headings, so that the others are sub-headings.
    has_levels: bool,
}

impl Outline {
    fn of(blocks: &[Block], document: &Document, stop: &Stop) -> Result<Self, Stopped> {
        let mut outline = Self {
            counts: BTreeMap::new(),
            listed: BTreeSet::new(),
            title: words::plain(document.title.as_deref().unwrap_or_default()),
            has_levels: false,
        };
        for block in blocks {
            stop.check()?;
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
        // The second main heading decides.
        let mut main = blocks.iter().filter(|block| {
            block.kind == Kind::Heading && outline.is_main(block) && outline.may_be_topic(block)
        });
        outline.has_levels = main.nth(1).is_some();
        Ok(outline)
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

    /// The place of the text under a heading that begins no topic.
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
            // A heading with any other role stays within the topic above it.
            Some(role) => Place { role, opens_topic: false, ..place },
            None if plain == self.title => Place { role: Role::Lead, topic: None, opens_topic: false },
            None => Place { role: Role::Aside, opens_topic: false, ..place },
        }
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
