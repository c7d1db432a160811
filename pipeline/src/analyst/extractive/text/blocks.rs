//! Divides pages into blocks: headings, paragraphs, list items, and text that is not prose.

use std::collections::BTreeSet;

use unicode_segmentation::UnicodeSegmentation;

use crate::{
    analyst::extractive::{
        limits::TEXT_BYTES_MAX,
        stop::{Stop, Stopped},
        text::{
            hyphens::Joiner,
            lexicon::lexicon,
            line_shape::{
                continues, ends_sentence, is_caption, is_row, item_text, looks_like_heading, numbered,
                starts_like_sentence,
            },
        },
    },
    document::{Document, Page, titles},
};

/// This many short pieces in a row are cells of a table or labels of a chart.
const DEBRIS_RUN_MIN: usize = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Heading,
    Prose,
    Item,
    Other,
}

#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub(crate) page: u32,
    pub(crate) kind: Kind,
    /// The text with its lines joined. A heading has no number and no marks.
    pub(crate) text: String,
    /// The heading had a number, or a Markdown mark of level 1 or 2.
    pub(crate) marked: bool,
}

/// A run of adjacent lines without an empty line or a running header in between.
#[derive(Debug, Default)]
struct Group<'p> {
    lines: Vec<&'p str>,
    /// A running header stands between this group and the one before.
    cut_off: bool,
}

/// The blocks of a document, in order.
#[derive(Debug)]
pub(crate) struct Blocks {
    pub(crate) all: Vec<Block>,
    /// The document holds more text than is analysed.
    pub(crate) is_cut: bool,
}

/// All blocks of a document, up to [`TEXT_BYTES_MAX`].
pub(crate) fn blocks(document: &Document, stop: &Stop) -> Result<Blocks, Stopped> {
    let joiner = Joiner::new(document, stop)?;
    let abbreviations = titles::abbreviations(&document.pages);
    let mut all = Vec::new();
    let mut left = TEXT_BYTES_MAX;
    let mut is_cut = false;
    for page in &document.pages {
        for group in groups(page) {
            stop.check()?;
            let length: usize = group.lines.iter().map(|line| line.len()).sum();
            is_cut |= length > left;
            if left > 0 {
                add_group(&group.within(left), page.number, &joiner, &mut all);
            }
            left = left.saturating_sub(length);
        }
    }
    demote_stray_headings(&mut all);
    for heading in all.iter_mut().filter(|block| block.kind == Kind::Heading) {
        stop.check()?;
        heading.text = titles::without_shouting(&heading.text, &abbreviations);
    }
    Ok(Blocks { all, is_cut })
}

impl<'p> Group<'p> {
    /// The group's beginning, of at most so many bytes.
    fn within(self, bytes_max: usize) -> Self {
        let mut left = bytes_max;
        let lines = self.lines.into_iter().map_while(|line| {
            let line = line.get(..line.floor_char_boundary(left))?;
            left -= line.len();
            (!line.is_empty()).then_some(line)
        });
        Self { lines: lines.collect(), cut_off: self.cut_off }
    }
}

fn groups(page: &Page) -> Vec<Group<'_>> {
    let headers: BTreeSet<usize> = page.running_header_lines.iter().copied().collect();
    let mut all: Vec<Group<'_>> = Vec::new();
    let mut current = Group::default();
    for (index, line) in page.text.lines().enumerate() {
        let is_running_header = headers.contains(&index);
        let line = line.trim();
        if (line.is_empty() || is_running_header) && !current.lines.is_empty() {
            all.push(std::mem::take(&mut current));
        }
        if is_running_header {
            current.cut_off = true;
        } else if !line.is_empty() {
            let starts_block = item_text(line).is_some() || is_caption(line) || line.starts_with('#');
            if starts_block && !current.lines.is_empty() {
                all.push(std::mem::take(&mut current));
            }
            current.lines.push(line);
            if line.starts_with('#') {
                all.push(std::mem::take(&mut current));
            }
        }
    }
    if !current.lines.is_empty() {
        all.push(current);
    }
    all.iter().flat_map(split_at_headings).collect()
}

/// Cuts a run of lines before each heading that stands between two paragraphs without an empty line.
///
/// Such a heading comes after a full stop and ends without one. It is clearly shorter than the other lines,
/// and a new sentence follows it.
fn split_at_headings<'p>(group: &Group<'p>) -> Vec<Group<'p>> {
    let width = group.lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
    let mut parts: Vec<Group<'_>> = vec![Group { lines: Vec::new(), cut_off: group.cut_off }];
    for (index, line) in group.lines.iter().enumerate() {
        let after_sentence =
            index > 0 && group.lines.get(index - 1).is_some_and(|before| ends_sentence(before));
        let before_sentence = group.lines.get(index + 1).is_some_and(|next| starts_like_sentence(next));
        let short = line.chars().count() * 10 < width * 7;
        if after_sentence && before_sentence && short && looks_like_heading(line) {
            parts.push(Group::default());
        }
        if let Some(part) = parts.last_mut() {
            part.lines.push(line);
        }
    }
    parts
}

fn add_group(group: &Group<'_>, page: u32, joiner: &Joiner, all: &mut Vec<Block>) {
    let mut lines: &[&str] = &group.lines;
    let mut widths = widths_after(lines).into_iter();
    // The group begins with a heading that stands directly on its paragraph.
    while let ([first, rest @ ..], Some(width)) = (lines, widths.next()) {
        let Some(next) = rest.first() else { break };
        let short = first.chars().count() * 10 < width * 7 || numbered(first).is_some();
        if !(looks_like_heading(first) && short && starts_like_sentence(next)) {
            break;
        }
        all.push(heading(first, page));
        lines = rest;
    }
    let item = lines.first().and_then(|line| item_text(line));
    let text = match (item, lines) {
        (Some(item), [_, rest @ ..]) => {
            let mut bare = vec![item];
            bare.extend_from_slice(rest);
            joiner.join(&bare)
        }
        _ => joiner.join(lines),
    };
    if text.is_empty() {
        return;
    }
    if let Some(last) = all.last_mut().filter(|_| item.is_none() && !group.cut_off && continues(&text)) {
        // The end of a column or an empty line has cut a sentence: this group continues the last block.
        let same_page = last.page == page;
        if same_page && matches!(last.kind, Kind::Prose | Kind::Item) && !ends_sentence(&last.text) {
            joiner.append(&mut last.text, &text);
            return;
        }
    }
    if item.is_some() {
        let kind = if ends_sentence(&text) { Kind::Item } else { Kind::Other };
        if numbered(lines.first().unwrap_or(&"")).is_some() && kind == Kind::Other && lines.len() <= 2 {
            all.push(heading(&joiner.join(lines), page));
        } else {
            all.push(Block { page, kind, text, marked: false });
        }
        return;
    }
    let only_line_is_heading = lines.len() <= 2 && looks_like_heading(&text);
    if only_line_is_heading {
        all.push(heading(&text, page));
    } else if is_caption(&text) || is_row(&text) || text.unicode_words().nth(4).is_none() {
        all.push(Block { page, kind: Kind::Other, text, marked: false });
    } else {
        all.push(Block { page, kind: Kind::Prose, text, marked: false });
    }
}

/// For each line, the characters of the longest line after it.
fn widths_after(lines: &[&str]) -> Vec<usize> {
    let mut widest = 0;
    let mut widths: Vec<usize> = lines
        .iter()
        .rev()
        .map(|line| {
            let after = widest;
            widest = widest.max(line.chars().count());
            after
        })
        .collect();
    widths.reverse();
    widths
}

fn heading(line: &str, page: u32) -> Block {
    let hashes = line.chars().take_while(|c| *c == '#').count();
    let bare = line.trim_start_matches('#').trim();
    let number = numbered(bare);
    Block {
        page,
        kind: Kind::Heading,
        text: number.unwrap_or(bare).trim_end_matches([':', '.']).trim().to_owned(),
        marked: number.is_some() || (1..=2).contains(&hashes),
    }
}

/// Turns headings that lead to no prose into other text: they are cells, labels or lines of a table of
/// contents.
fn demote_stray_headings(all: &mut [Block]) {
    let after = facts_after(all);
    let mut run = 0_usize;
    let short = |kind: Kind| matches!(kind, Kind::Heading | Kind::Other);
    for (block, (headings, leads)) in all.iter_mut().zip(after) {
        if block.kind != Kind::Heading {
            run = if block.kind == Kind::Other { run + 1 } else { 0 };
            continue;
        }
        let one_word = block.text.unicode_words().nth(1).is_none();
        let doubtful = run >= DEBRIS_RUN_MIN && (one_word || headings > 0);
        if (!leads || headings >= 2 || doubtful) && !is_certain(block) {
            block.kind = Kind::Other;
        }
        run = if short(block.kind) { run + 1 } else { 0 };
    }
}

/// For each block, the number of headings that follow it directly, and whether prose follows those.
fn facts_after(all: &[Block]) -> Vec<(usize, bool)> {
    let (mut headings, mut leads) = (0_usize, false);
    let mut facts: Vec<(usize, bool)> = all
        .iter()
        .rev()
        .map(|block| {
            let after = (headings, leads);
            if block.kind == Kind::Heading {
                headings += 1;
            } else {
                (headings, leads) = (0, matches!(block.kind, Kind::Prose | Kind::Item));
            }
            after
        })
        .collect();
    facts.reverse();
    facts
}

/// Whether a heading is certain, because the word lists give it a role.
fn is_certain(block: &Block) -> bool {
    block.kind == Kind::Heading && lexicon().heading_role(&block.text).is_some()
}
