//! Cells: groups of short texts side by side, such as the rows of a table.

use super::{
    block::Block,
    lines::{self, Line},
    segment::Segment,
};

/// Splits a region at groups of cells with several lines each, such as captions side by side or table rows
/// with wrapped text. Every cell of such a group is read as a whole.
pub(super) fn cells<'s>(region: &[&'s Segment], blocks: &mut Vec<Block<'s>>) {
    let lines = lines::lines(region);
    let mut plain: Vec<&'s Segment> = Vec::new();
    let mut rest = lines.as_slice();
    while !rest.is_empty() {
        let (group, after) = rest.split_at(tight_lines(rest));
        match split_cells(group) {
            Some(mut cells) => {
                give_figures(&mut plain, group, &mut cells);
                if !plain.is_empty() {
                    blocks.push(Block::Lines(std::mem::take(&mut plain)));
                }
                blocks.extend(cells);
            }
            None => plain.extend(group.iter().flat_map(|line| line.segments.iter().copied())),
        }
        rest = after;
    }
    if !plain.is_empty() {
        blocks.push(Block::Lines(plain));
    }
}

/// How many of the first lines stand as close as those of one paragraph, at least one.
fn tight_lines(lines: &[Line<'_>]) -> usize {
    const TIGHT: f64 = 1.45;
    let loose = lines.windows(2).position(|pair| match pair {
        [one, next] => next.baseline - one.baseline > TIGHT * one.size.min(next.size),
        _ => true,
    });
    loose.map_or(lines.len(), |index| index + 1)
}

/// The cells of a group of lines, if it is one row of cells in which text wraps.
fn split_cells<'s>(group: &[Line<'s>]) -> Option<Vec<Block<'s>>> {
    const LINES_MAX: usize = 8;
    const ROW_LINES_MAX: usize = 3;
    const CELL_GAP: f64 = 1.0;
    if !(2..=LINES_MAX).contains(&group.len()) {
        return None;
    }
    let mut segments: Vec<&'s Segment> =
        group.iter().flat_map(|line| line.segments.iter().copied()).collect();
    segments.sort_by(|a, b| a.x0.total_cmp(&b.x0));
    let mut cells: Vec<(f64, Vec<&'s Segment>)> = Vec::new();
    for segment in segments {
        match cells.last_mut() {
            Some((x1, cell)) if segment.x0 < *x1 + CELL_GAP * segment.size => {
                *x1 = x1.max(segment.x1);
                cell.push(segment);
            }
            _ => cells.push((segment.x1, vec![segment])),
        }
    }
    let cells: Vec<Vec<&'s Segment>> = cells.into_iter().map(|(_, cell)| cell).collect();
    if cells.len() < 2 {
        return None;
    }
    // The first line of a row has every cell. The others have only cells whose text wraps.
    let (first, others) = group.split_first()?;
    let fewer = others.iter().all(|line| line.segments.len() < cells.len());
    if first.segments.len() >= cells.len() && fewer {
        return Some(vec![Block::Row(cells)]);
    }
    // So does its last line, if the cells stand at the foot of their row. Two cells may be a label and a paragraph.
    let (last, before) = group.split_last()?;
    let fewer = before.iter().all(|line| line.segments.len() < cells.len());
    let wrapped = || cells.iter().filter(|cell| cell.len() > 1);
    let is_foot = cells.len() >= 3 && last.segments.len() >= cells.len() && fewer;
    if is_foot && wrapped().all(|cell| is_wordy(cell) && goes_on(cell) && is_prose(cell)) {
        return Some(vec![Block::Row(cells)]);
    }
    if cells.iter().any(|cell| is_off_level(cell, &cells)) {
        return Some(vec![Block::Row(cells)]);
    }
    // The headings of columns wrap, each from a capital letter on.
    if cells.len() >= 3 && group.len() <= ROW_LINES_MAX && cells.iter().all(|cell| wraps(cell)) {
        return Some(vec![Block::Row(cells)]);
    }
    // Texts side by side have several lines each, with words. Three or more short ones are a full row.
    let texts = cells.iter().all(|cell| cell.len() >= 2 && is_wordy(cell) && goes_on(cell));
    if texts && cells.len() >= 3 && group.len() <= ROW_LINES_MAX {
        return Some(vec![Block::Row(cells)]);
    }
    texts.then(|| cells.into_iter().map(Block::Lines).collect())
}

fn is_wordy(cell: &[&Segment]) -> bool {
    let words: usize = cell.iter().map(|segment| segment.text.split_whitespace().count()).sum();
    let letters = cell.iter().any(|segment| segment.text.chars().any(char::is_alphabetic));
    letters && words * 2 >= cell.len() * 3
}

/// Whether each line but the last has several words, as no formula has.
fn is_prose(cell: &[&Segment]) -> bool {
    let lines = lines::lines(cell);
    let words = |line: &Line<'_>| line.segments.iter().flat_map(|it| it.text.split_whitespace()).count();
    lines.split_last().is_some_and(|(_, before)| before.iter().all(|line| words(line) >= 2))
}

/// Whether a cell of several lines begins with a capital letter, and goes on with small ones.
fn wraps(cell: &[&Segment]) -> bool {
    let lines = lines::lines(cell);
    let mut begins = lines.iter().filter_map(|line| line.segments.first()?.text.chars().next());
    lines.len() >= 2 && begins.next().is_some_and(char::is_uppercase) && begins.all(char::is_lowercase)
}

/// Whether sentences go on from line to line. Names and labels do not, even if they stand below each other.
fn goes_on(cell: &[&Segment]) -> bool {
    const FLOWING_MIN: f64 = 0.3;
    lines::flowing(&lines::lines(cell)) >= FLOWING_MIN
}

/// Whether a cell stands at the middle of its row: it shares no level with a cell of more lines.
fn is_off_level(cell: &[&Segment], cells: &[Vec<&Segment>]) -> bool {
    let level = |one: &&Segment, other: &&Segment| {
        (one.baseline - other.baseline).abs() < 0.25 * one.size.min(other.size)
    };
    let longer = cells.iter().filter(|other| other.len() > cell.len() && goes_on(other));
    let mut compared = longer
        .map(|other| cell.iter().any(|segment| other.iter().any(|beside| level(segment, beside))))
        .peekable();
    compared.peek().is_some() && compared.all(|shares| !shares)
}

/// Moves the large figures of a line above a group of texts to their texts: each figure stands over one of
/// them.
fn give_figures<'s>(plain: &mut Vec<&'s Segment>, group: &[Line<'s>], cells: &mut Vec<Block<'s>>) {
    const PITCH_MAX: f64 = 2.6;
    let Some(first) = group.first() else { return };
    let above = lines::lines(plain);
    let Some(figures) = above.last() else { return };
    let pitch = first.baseline - figures.baseline;
    if figures.size < 1.2 * first.size || pitch > PITCH_MAX * figures.size {
        return;
    }
    let mut texts: Vec<Vec<&'s Segment>> = Vec::new();
    for cell in cells.iter() {
        match cell {
            Block::Lines(lines) => texts.push(lines.clone()),
            Block::Row(row) => texts.extend(row.iter().cloned()),
        }
    }
    let stands_over = |figure: &Segment, text: &[&Segment]| {
        text.iter().any(|line| figure.x0 < line.x1 && figure.x1 > line.x0)
    };
    if texts.len() != figures.segments.len()
        || !figures.segments.iter().zip(&texts).all(|(figure, text)| stands_over(figure, text))
    {
        return;
    }
    plain.retain(|segment| !figures.segments.iter().any(|figure| std::ptr::eq(*figure, *segment)));
    for (figure, text) in figures.segments.iter().zip(&mut texts) {
        text.insert(0, figure);
    }
    *cells = texts.into_iter().map(Block::Lines).collect();
}
