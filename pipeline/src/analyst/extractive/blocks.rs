//! Pages → blocks: headings, paragraphs, list items, and everything that is not prose.

use std::collections::BTreeSet;

use unicode_segmentation::UnicodeSegmentation;

use super::{lexicon::lexicon, words};
use crate::document::{Document, Page, titles};

/// A heading is shorter than this; a longer line without a full stop is a caption or debris.
const HEADING_WORDS_MAX: usize = 14;
const HEADING_CHARS_MAX: usize = 110;
/// So many short pieces in a row are the cells of a table or the labels of a chart.
const DEBRIS_RUN_MIN: usize = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Heading,
    Prose,
    Item,
    Other,
}

#[derive(Debug, Clone)]
pub(super) struct Block {
    pub(super) page: u32,
    pub(super) kind: Kind,
    /// Lines joined; a heading is without its number and marks.
    pub(super) text: String,
    /// The heading had a number, or the mark of a markup language's upper levels.
    pub(super) marked: bool,
}

/// A run of adjacent lines without an empty line or a running header in between.
#[derive(Debug, Default)]
struct Group<'p> {
    lines: Vec<&'p str>,
    /// A running header stands between this group and the one before.
    cut_off: bool,
}

/// All blocks of a document, in order.
pub(super) fn blocks(document: &Document) -> Vec<Block> {
    let joiner = Joiner::new(document);
    let abbreviations = titles::abbreviations(&document.pages);
    let mut all = Vec::new();
    for page in &document.pages {
        for group in groups(page) {
            add_group(&group, page.number, &joiner, &mut all);
        }
    }
    settle_headings(&mut all);
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
/// A line that begins after a full stop, ends without one, is clearly shorter than the others, and is followed
/// by a new sentence is no line of a paragraph.
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
    // A heading that stands directly on its paragraph.
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
        // The end of a column, or an empty line, in the middle of a sentence.
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

/// A heading leads to prose; what does not is a cell, a label, a line of a list of contents.
fn settle_headings(all: &mut [Block]) {
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

/// A role that the word lists know makes a heading certain.
fn is_certain(block: &Block) -> bool {
    block.kind == Kind::Heading && lexicon().heading_role(&block.text).is_some()
}

fn looks_like_heading(line: &str) -> bool {
    let marked = line.trim_start_matches('#').trim();
    let bare = numbered(marked).unwrap_or(marked);
    let count = bare.unicode_words().count();
    let last = bare.unicode_words().next_back().unwrap_or_default().to_lowercase();
    (1..=HEADING_WORDS_MAX).contains(&count)
        && bare.chars().count() <= HEADING_CHARS_MAX
        && bare.chars().filter(|c| c.is_alphabetic()).count() >= 3
        && bare.chars().next().is_some_and(|c| c.is_uppercase() || c.is_ascii_digit() || "“‘\"".contains(c))
        && !bare.ends_with(['.', '!', ',', ';', '-', '‐', '–', '%', '”'])
        && !bare.contains([';', '@', '·'])
        && !bare.starts_with("By ")
        && !is_dated(bare)
        && !is_row_of_numbers(bare)
        && !bare.contains(". ")
        && !bare.trim_end_matches(|c: char| c.is_ascii_digit()).ends_with('.')
        && !bare.contains(['|', '\t', '\u{fffd}'])
        && !matches!(
            last.as_str(),
            "the" | "a" | "an" | "of" | "and" | "or" | "to" | "in" | "for" | "with" | "by"
        )
        && !is_caption(bare)
        && !words::figures(bare).iter().any(|figure| figure.ends_with('%'))
}

/// "Measure 2022/23 2025/26": the head or a row of a table whose rules are lost.
fn is_row_of_numbers(line: &str) -> bool {
    let tokens: Vec<&str> = line.split_whitespace().collect();
    let numbers = tokens.iter().filter(|token| token.contains(|c: char| c.is_ascii_digit())).count();
    numbers >= 2 && numbers * 2 >= tokens.len()
}

/// "September 2026": a line that states a date is a byline or a caption.
fn is_dated(line: &str) -> bool {
    let tokens: Vec<&str> = line.split([' ', ',']).collect();
    tokens.windows(2).any(|pair| match pair {
        [month, year] => {
            MONTHS.contains(month) && year.len() == 4 && year.chars().all(|c| c.is_ascii_digit())
        }
        _ => false,
    })
}

/// The text of a numbered heading after its number.
fn numbered(line: &str) -> Option<&str> {
    let rest = line.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number = line.get(..line.len() - rest.len())?;
    let rest = rest.trim_start_matches([' ', ')', '·', ':', '–', '—', '-', '\u{a0}']);
    // "27 March 2026" at a line's start is a date, and 164 is no section.
    let first_digits = number.split('.').next()?;
    let dated = rest.split_whitespace().next().is_some_and(|word| MONTHS.contains(&word));
    let plausible = !dated && (1..=2).contains(&first_digits.len()) && number.len() <= 6;
    (plausible
        && rest.len() < line.len() - number.len() + usize::from(number.ends_with('.'))
        && rest.chars().next()?.is_uppercase())
    .then_some(rest)
}

/// The text of a list item after its mark.
fn item_text(line: &str) -> Option<&str> {
    const MARKS: [&str; 9] = ["•", "‣", "◦", "▪", "■", "●", "– ", "* ", "- "];
    if let Some(rest) = MARKS.iter().find_map(|mark| line.strip_prefix(mark)) {
        return Some(rest.trim_start());
    }
    let digits = line.chars().take_while(char::is_ascii_digit).count();
    let rest = line.get(digits..)?;
    ((1..=2).contains(&digits)).then(|| rest.strip_prefix(". ").or_else(|| rest.strip_prefix(") "))).flatten()
}

fn is_caption(text: &str) -> bool {
    const WORDS: [&str; 9] =
        ["Figure", "Fig.", "Table", "Chart", "Exhibit", "Source:", "Photo", "Image", "Illustration"];
    WORDS.iter().any(|word| {
        text.strip_prefix(word).is_some_and(|rest| {
            word.ends_with(':')
                || rest
                    .trim_start_matches([' ', '\u{a0}'])
                    .chars()
                    .next()
                    .is_some_and(|c| c.is_ascii_digit() || c == ':')
        })
    })
}

/// Whether a text is the row of a table: its cells stand between bars.
fn is_row(text: &str) -> bool {
    text.contains(" | ")
}

fn starts_like_sentence(line: &str) -> bool {
    line.chars().next().is_some_and(|c| c.is_uppercase() || c.is_ascii_digit() || "“‘\"€$£".contains(c))
}

fn continues(text: &str) -> bool {
    text.chars().next().is_some_and(char::is_lowercase) && text.unicode_words().count() >= 3
}

fn ends_sentence(text: &str) -> bool {
    text.trim_end_matches(|c: char| "”’\"')]»".contains(c) || c.is_ascii_digit())
        .ends_with(['.', '!', '?', ':'])
}

/// Joins hard-wrapped lines, and decides what a hyphen at a line's end was.
struct Joiner {
    words: BTreeSet<String>,
    compounds: BTreeSet<String>,
}

impl Joiner {
    fn new(document: &Document) -> Self {
        let mut words = BTreeSet::new();
        let mut compounds = BTreeSet::new();
        for line in document.pages.iter().flat_map(|page| page.text.lines()) {
            for token in line.split_whitespace() {
                let bare = token.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
                if token.ends_with(HYPHENS) || bare.is_empty() {
                    continue;
                }
                if bare.contains(HYPHENS) {
                    compounds.insert(bare.replace('‐', "-"));
                } else {
                    words.insert(bare);
                }
            }
        }
        Self { words, compounds }
    }

    fn join(&self, lines: &[&str]) -> String {
        let mut text = String::new();
        for line in lines {
            let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
            let broken = text.ends_with(HYPHENS)
                && text.chars().rev().nth(1).is_some_and(char::is_alphabetic)
                && line.chars().next().is_some_and(char::is_lowercase);
            if broken {
                if !self.keeps_hyphen(&text, &line) {
                    text.pop();
                }
            } else if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(&line);
        }
        text.replace('\u{ad}', "")
    }

    /// Whether the hyphen between the end of `left` and the start of `right` belongs to the word.
    fn keeps_hyphen(&self, left: &str, right: &str) -> bool {
        const PREFIXES: [&str; 14] = [
            "non", "self", "well", "long", "short", "high", "low", "full", "half", "two", "ready", "co",
            "ex", "cross",
        ];
        if left.ends_with('\u{ad}') {
            return false;
        }
        let head = left.split_whitespace().next_back().unwrap_or_default().trim_end_matches(HYPHENS);
        let head = head.trim_start_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
        let tail = right.split_whitespace().next().unwrap_or_default();
        let tail = tail.trim_end_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
        if self.compounds.contains(&format!("{head}-{tail}")) {
            return true;
        }
        if self.words.contains(&format!("{head}{tail}")) || left.ends_with('‐') {
            return false;
        }
        head.contains('-')
            || PREFIXES.contains(&head.as_str())
            || (self.words.contains(&head) && self.words.contains(&tail) && tail.len() > 2)
    }
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const HYPHENS: [char; 3] = ['-', '‐', '\u{ad}'];
