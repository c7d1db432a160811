//! The structure of a page: which lines are headings, list items and rows of tables.

use super::line_labels::{is_item, section_parts};
use super::written::WrittenLine;
use crate::document::content::LineRole;

/// A heading has at most so many characters.
const HEADING_CHARS_MAX: usize = 160;
/// A heading's font is larger than that of the text by this factor, for each level from the highest.
const HEADING_SIZES: [f64; 3] = [1.75, 1.35, 1.12];
/// A heading in bold letters may be a little smaller than the text, in another font.
const BOLD_SIZE_MIN: f64 = 0.85;
/// The level of a heading in bold letters of the text's own size.
const BOLD_LEVEL: u8 = 4;

/// The role of each line.
pub(super) fn roles(lines: &[WrittenLine], text: &str) -> Vec<LineRole> {
    let texts: Vec<&str> = text.split('\n').collect();
    let of = |line: &WrittenLine| texts.get(line.line).copied().unwrap_or_default();
    let body = Body::of(lines, &of);
    let mut roles: Vec<LineRole> = lines.iter().map(|line| role(line, of(line), &body)).collect();
    mark_sections(lines, &mut roles, body.size, &of);
    mark_rows(lines, &mut roles);
    demote_paragraphs(lines, &mut roles, &of);
    // A bold line within a paragraph is a part of it.
    for at in 0..lines.len() {
        if roles.get(at) == Some(&LineRole::Heading(BOLD_LEVEL)) && !stands_alone(lines, &roles, at, &of) {
            set(&mut roles, at, LineRole::Text);
        }
    }
    roles
}

/// The font of most of the page's letters.
struct Body {
    size: f64,
    bold: bool,
}

impl Body {
    fn of<'t>(lines: &[WrittenLine], of: &impl Fn(&WrittenLine) -> &'t str) -> Self {
        let mut sizes: Vec<(f64, usize)> =
            lines.iter().map(|line| (line.size, of(line).chars().count())).collect();
        sizes.sort_by(|a, b| a.0.total_cmp(&b.0));
        let all: usize = sizes.iter().map(|(_, count)| count).sum();
        let mut seen = 0;
        let size = sizes.iter().find(|(_, count)| {
            seen += count;
            seen * 2 >= all
        });
        let bold: usize = lines.iter().filter(|line| line.bold).map(|line| of(line).chars().count()).sum();
        Self { size: size.map_or(1.0, |(size, _)| *size).max(0.1), bold: bold * 2 > all }
    }
}

fn role(line: &WrittenLine, text: &str, body: &Body) -> LineRole {
    if line.in_row {
        return LineRole::TableRow;
    }
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    let is_title = letters >= 3 && letters * 2 >= text.chars().filter(|c| !c.is_whitespace()).count();
    if is_title && text.chars().count() <= HEADING_CHARS_MAX && line.pieces <= 2 {
        let larger = HEADING_SIZES.iter().position(|factor| line.size > factor * body.size);
        if let Some(level) = larger {
            return LineRole::Heading(level as u8 + 1);
        }
        let open = text.ends_with(['.', ',', ';', ':', '-']);
        if line.bold && !body.bold && line.size > BOLD_SIZE_MIN * body.size && !open && line.pieces == 1 {
            return LineRole::Heading(BOLD_LEVEL);
        }
    }
    if is_item(text) { LineRole::ListItem } else { LineRole::Text }
}

/// Marks the headings of numbered sections: `3 Method`, `3.1 Panel`. They stand apart from the text, and are
/// larger, or their number has several parts.
fn mark_sections<'t>(
    lines: &[WrittenLine],
    roles: &mut [LineRole],
    size: f64,
    of: &impl Fn(&WrittenLine) -> &'t str,
) {
    const LARGER: f64 = 1.04;
    for (at, line) in lines.iter().enumerate() {
        let Some(parts) = section_parts(of(line)) else { continue };
        let apart = !follows(lines, at) && (at + 1 == lines.len() || !follows(lines, at + 1));
        let stands_out = line.size > LARGER * size || (parts > 1 && line.size > 0.97 * size);
        if apart && stands_out && matches!(roles.get(at), Some(LineRole::Text | LineRole::ListItem)) {
            set(roles, at, LineRole::Heading((1 + parts as u8).min(BOLD_LEVEL)));
        }
    }
}

/// Marks lines whose pieces stand below each other as rows of a table.
fn mark_rows(lines: &[WrittenLine], roles: &mut [LineRole]) {
    for (at, pair) in lines.windows(2).enumerate() {
        let [one, next] = pair else { continue };
        if in_table(one, next) {
            for index in [at, at + 1] {
                if matches!(roles.get(index), Some(LineRole::Text | LineRole::Heading(BOLD_LEVEL))) {
                    set(roles, index, LineRole::TableRow);
                }
            }
        }
    }
}

/// Whether two lines are rows of one table: near each other, with cells at the same places.
fn in_table(one: &WrittenLine, next: &WrittenLine) -> bool {
    const PITCH_MAX: f64 = 4.0;
    const SAME_POINTS: f64 = 3.0;
    let size = one.size.max(next.size);
    let near = (0.0..PITCH_MAX * size).contains(&(next.bottom - one.bottom));
    // Cells of a wrapped row are known already. Their neighbours are rows of the same table.
    if near && one.in_row != next.in_row {
        let other = if one.in_row { next } else { one };
        return other.cells.len() >= 2;
    }
    if !near || one.cells.len() < 2 || next.cells.len() < 2 {
        return false;
    }
    let aligned = |a: &(f64, f64), b: &(f64, f64)| {
        let middle = f64::midpoint(a.0, a.1) - f64::midpoint(b.0, b.1);
        (a.0 - b.0).abs() < SAME_POINTS || (a.1 - b.1).abs() < SAME_POINTS || middle.abs() < SAME_POINTS
    };
    let (few, many) = if one.cells.len() < next.cells.len() { (one, next) } else { (next, one) };
    let shared = few.cells.iter().filter(|cell| many.cells.iter().any(|other| aligned(cell, other))).count();
    shared >= 2 && shared * 3 >= few.cells.len() * 2
}

/// A paragraph in larger letters, such as the lead of an article, is text: it is long, or ends like a
/// sentence.
fn demote_paragraphs<'t>(
    lines: &[WrittenLine],
    roles: &mut [LineRole],
    of: &impl Fn(&WrittenLine) -> &'t str,
) {
    const HEADING_LINES_MAX: usize = 3;
    let mut start = 0;
    while start < lines.len() {
        let role = roles.get(start).copied();
        let mut end = start + 1;
        while end < lines.len() && roles.get(end).copied() == role && follows(lines, end) {
            end += 1;
        }
        if let Some(LineRole::Heading(level)) = role {
            let sentence = lines.get(end - 1).is_some_and(|last| of(last).ends_with('.'));
            if end - start > HEADING_LINES_MAX
                || (level > 1 && sentence && end - start > 1)
                || (level > 2 && sentence)
            {
                (start..end).for_each(|at| set(roles, at, LineRole::Text));
            }
        }
        start = end;
    }
}

/// Whether no empty line stands before a line.
fn follows(lines: &[WrittenLine], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| lines.get(before));
    matches!((before, lines.get(at)), (Some(before), Some(line)) if line.line == before.line + 1)
}

/// Whether a bold line is a heading: paragraphs before and after it are apart, or it is followed by text in
/// another weight and begins like a title.
fn stands_alone<'t>(
    lines: &[WrittenLine],
    roles: &[LineRole],
    at: usize,
    of: &impl Fn(&WrittenLine) -> &'t str,
) -> bool {
    let Some(line) = lines.get(at) else { return false };
    let starts_apart = at.checked_sub(1).and_then(|before| lines.get(before)).is_none_or(|before| {
        line.line > before.line + 1
            || matches!(roles.get(at - 1), Some(LineRole::Heading(_)))
            || of(before).ends_with(['.', '!', '?', ':'])
    });
    let begins = of(line).chars().find(|c| c.is_alphabetic()).is_some_and(|c| !c.is_lowercase());
    starts_apart && begins
}

fn set(roles: &mut [LineRole], at: usize, role: LineRole) {
    if let Some(place) = roles.get_mut(at) {
        *place = role;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(line: usize, size: f64, bold: bool, cells: &[(f64, f64)]) -> WrittenLine {
        let bottom = 14.0 * line as f64;
        WrittenLine {
            line,
            x0: 10.0,
            x1: 300.0,
            top: bottom - size,
            bottom,
            size,
            bold,
            pieces: cells.len().max(1),
            cells: cells.to_vec(),
            in_row: false,
        }
    }

    #[test]
    fn sizes_and_weight_make_headings() {
        let text = "Growth at last\n\nRunning text of the page that goes on\nand on to its end.\nBold heading\nIt is \
                    followed by more of the text.";
        let lines = [
            line(0, 20.0, false, &[]),
            line(2, 10.0, false, &[]),
            line(3, 10.0, false, &[]),
            line(4, 10.0, true, &[]),
            line(5, 10.0, false, &[]),
        ];
        let roles = roles(&lines, text);
        assert_eq!(roles[0], LineRole::Heading(1));
        assert_eq!(roles[3], LineRole::Heading(BOLD_LEVEL));
        assert_eq!([roles[1], roles[2], roles[4]], [LineRole::Text; 3]);
    }

    #[test]
    fn figures_are_no_headings() {
        let lines = [line(0, 30.0, false, &[]), line(2, 10.0, false, &[])];
        assert_eq!(roles(&lines, "42 %\n\nof the shoppers bring their bottles back")[0], LineRole::Text);
    }

    #[test]
    fn numbers_of_sections_make_headings() {
        let lines = [
            line(0, 11.0, false, &[]),
            line(2, 10.0, false, &[]),
            line(3, 10.0, false, &[]),
            line(5, 10.0, false, &[]),
        ];
        let text =
            "3 Method\n\nRunning text that fills the page\n12 People came to it.\n\n3.1 Panel of shoppers";
        let roles = roles(&lines, text);
        assert_eq!([roles[0], roles[3]], [LineRole::Heading(2), LineRole::Heading(3)]);
        assert_eq!([roles[1], roles[2]], [LineRole::Text; 2]);
    }

    #[test]
    fn cells_below_each_other_make_rows() {
        let cells = [(10.0, 60.0), (200.0, 240.0)];
        let lines = [line(0, 10.0, false, &cells), line(1, 10.0, false, &cells), line(2, 10.0, false, &[])];
        let roles = roles(&lines, "Oat 4\nRice 5\nA line of the text below");
        assert_eq!(roles, [LineRole::TableRow, LineRole::TableRow, LineRole::Text]);
    }
}
