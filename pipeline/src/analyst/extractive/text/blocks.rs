//! Divides pages into blocks: headings, paragraphs, list items, and text that is not prose.

use unicode_segmentation::UnicodeSegmentation;

use crate::{
    analyst::extractive::text::{
        hyphens::Joiner,
        lexicon::lexicon,
        line_shape::{
            continues, ends_sentence, is_caption, is_row, item_text, looks_like_heading, numbered,
            starts_like_sentence,
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

/// All blocks of a document, in order.
pub(crate) fn blocks(document: &Document) -> Vec<Block> {
    let joiner = Joiner::new(document);
    let abbreviations = titles::abbreviations(&document.pages);
    let mut all = Vec::new();
    for page in &document.pages {
        for group in groups(page) {
            add_group(&group, page.number, &joiner, &mut all);
        }
    }
    demote_stray_headings(&mut all);
    for heading in all.iter_mut().filter(|block| block.kind == Kind::Heading) {
        heading.text = titles::without_shouting(&heading.text, &abbreviations);
    }
    all
}

fn groups(page: &Page) -> Vec<Group<'_>> {
    let mut all: Vec<Group<'_>> = Vec::new();
    let mut current = Group::default();
    for (index, line) in page.text.lines().enumerate() {
        let is_running_header = page.running_header_lines.contains(&index);
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
    // The group begins with a heading that stands directly on its paragraph.
    while let [first, rest @ ..] = lines {
        let Some(next) = rest.first() else { break };
        let width = rest.iter().map(|line| line.chars().count()).max().unwrap_or(0);
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
            last.text = joiner.join(&[last.text.as_str(), text.as_str()]);
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
    } else if is_caption(&text) || is_row(&text) || text.unicode_words().count() < 5 {
        all.push(Block { page, kind: Kind::Other, text, marked: false });
    } else {
        all.push(Block { page, kind: Kind::Prose, text, marked: false });
    }
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
    let kinds: Vec<(Kind, bool)> = all.iter().map(|block| (block.kind, is_certain(block))).collect();
    let mut run = 0_usize;
    let short = |kind: Kind| matches!(kind, Kind::Heading | Kind::Other);
    for (index, block) in all.iter_mut().enumerate() {
        if block.kind != Kind::Heading {
            run = if block.kind == Kind::Other { run + 1 } else { 0 };
            continue;
        }
        let rest = kinds.get(index + 1..).unwrap_or_default();
        let headings = rest.iter().take_while(|(kind, _)| *kind == Kind::Heading).count();
        let leads = rest.get(headings).is_some_and(|(kind, _)| matches!(kind, Kind::Prose | Kind::Item));
        let one_word = block.text.unicode_words().count() < 2;
        let doubtful = run >= DEBRIS_RUN_MIN && (one_word || headings > 0);
        let certain = kinds.get(index).is_some_and(|(_, certain)| *certain);
        if !certain && (!leads || headings >= 2 || doubtful) {
            block.kind = Kind::Other;
        }
        run = if short(block.kind) { run + 1 } else { 0 };
    }
}

/// Whether a heading is certain, because the word lists give it a role.
fn is_certain(block: &Block) -> bool {
    block.kind == Kind::Heading && lexicon().heading_role(&block.text).is_some()
}
