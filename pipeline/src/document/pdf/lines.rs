//! Joins the segments of a region to lines and paragraphs.

use super::bidi::{self, Flow};
use super::segment::Segment;
use super::written::Written;

/// A line: its segments from left to right.
#[derive(Debug, Clone)]
pub(super) struct Line<'s> {
    pub(super) segments: Vec<&'s Segment>,
    pub(super) baseline: f64,
    pub(super) size: f64,
}

impl<'s> Line<'s> {
    pub(super) fn x0(&self) -> f64 {
        self.segments.iter().map(|segment| segment.x0).fold(f64::INFINITY, f64::min)
    }

    pub(super) fn x1(&self) -> f64 {
        self.segments.iter().map(|segment| segment.x1).fold(f64::NEG_INFINITY, f64::max)
    }

    pub(super) fn chars(&self) -> usize {
        self.segments.iter().map(|segment| segment.text.len()).sum()
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::with_capacity(self.chars() + self.segments.len());
        let mut last: Option<&Segment> = None;
        let mut add = |segment: &'s Segment| {
            if let Some(last) = last {
                let gap = if segment.mirrored { last.x0 - segment.x1 } else { segment.x0 - last.x1 };
                // If the pen went back over a printed blank, no reader sees it.
                let least = if last.blank_after { 0.01 } else { 0.17 };
                if gap > least * last.size.min(segment.size) {
                    text.push(' ');
                }
            }
            text.push_str(&segment.text);
            last = Some(segment);
        };
        // The order of the page, from left to right.
        if self.segments.first().is_some_and(|first| first.mirrored) {
            self.segments.iter().rev().for_each(|segment| add(segment));
        } else {
            self.segments.iter().for_each(|segment| add(segment));
        }
        let flow = self.segments.iter().map(|segment| segment.flow).max().unwrap_or_default();
        if flow == Flow::Left { text } else { bidi::logical(&text, flow) }
    }

    /// The segments that joined the line last. Segments come from left to right, so the others are far away.
    fn nearest(&self) -> impl Iterator<Item = &&'s Segment> {
        const NEAR: usize = 200;
        self.segments.iter().rev().take(NEAR)
    }

    /// Whether the segment stands on this line.
    fn takes(&self, segment: &Segment) -> bool {
        let shift = (segment.baseline - self.baseline).abs();
        let (small, large) = (segment.size.min(self.size), segment.size.max(self.size));
        let overlapping = self
            .nearest()
            .any(|other| segment.x0 < other.x1 - 0.3 * small && other.x0 < segment.x1 - 0.3 * small);
        if overlapping {
            return false;
        }
        if shift <= 0.3 * small {
            return true;
        }
        // A superscript may be drawn apart from its word. It is short, small, and right behind the word.
        shift <= 0.5 * large
            && small < 0.8 * large
            && self.nearest().any(|other| {
                let (script, base) =
                    if segment.size < other.size { (segment, *other) } else { (*other, segment) };
                script.text.len() <= 4 && (script.x0 - base.x1).abs() < 0.3 * large
            })
    }
}

/// Joins segments to lines, from top to bottom.
pub(super) fn lines<'s>(segments: &[&'s Segment]) -> Vec<Line<'s>> {
    /// How many last lines a segment may belong to, because columns of cells are not quite level.
    const OPEN_LINES: usize = 4;
    let mut sorted = segments.to_vec();
    sorted.sort_by(|a, b| a.baseline.total_cmp(&b.baseline).then(a.x0.total_cmp(&b.x0)));
    let mut lines: Vec<Line<'s>> = Vec::new();
    for segment in sorted {
        let home = lines.iter_mut().rev().take(OPEN_LINES).find(|line| line.takes(segment));
        if let Some(line) = home {
            if segment.size > 1.2 * line.size {
                (line.size, line.baseline) = (segment.size, segment.baseline);
            }
            line.segments.push(segment);
        } else {
            lines.push(Line { segments: vec![segment], baseline: segment.baseline, size: segment.size });
        }
    }
    for line in &mut lines {
        line.segments.sort_by(|a, b| a.x0.total_cmp(&b.x0));
    }
    lines.sort_by(|a, b| a.baseline.total_cmp(&b.baseline));
    lines
}

/// The usual distance between lines of a paragraph, as a multiple of their size. It is `None` if no two lines
/// are near each other.
pub(super) fn leading(lines: &[Line<'_>]) -> Option<f64> {
    let mut steps: Vec<f64> = lines
        .windows(2)
        .filter_map(|pair| match pair {
            [one, next] if same_size(one, next) => Some((next.baseline - one.baseline) / one.size.max(0.01)),
            _ => None,
        })
        .filter(|step| *step > 0.05)
        .collect();
    steps.sort_by(f64::total_cmp);
    let step = *steps.get(steps.len().saturating_sub(1) / 2)?;
    (step < 2.2).then_some(step)
}

fn same_size(one: &Line<'_>, next: &Line<'_>) -> bool {
    one.size < 1.09 * next.size && next.size < 1.09 * one.size
}

/// Whether a new paragraph starts with `next`.
pub(super) fn breaks(one: &Line<'_>, next: &Line<'_>, leading: Option<f64>) -> bool {
    const ROW_PITCH_MAX: f64 = 2.6;
    let step = (next.baseline - one.baseline) / one.size.max(0.01);
    if !same_size(one, next) {
        return true;
    }
    // Table rows stand further apart than lines of text.
    if one.segments.len() > 1 && next.segments.len() > 1 && step < ROW_PITCH_MAX {
        return false;
    }
    match leading {
        Some(leading) => step > 1.3 * leading && step > 1.15,
        None => step > 1.7,
    }
}

/// The share of the lines that begin within a sentence, or with a bullet. Cells of a table do neither.
pub(super) fn flowing(lines: &[Line<'_>]) -> f64 {
    let mut going_on = 0;
    for pair in lines.windows(2) {
        let [one, next] = pair else { continue };
        let last = one.segments.last().and_then(|segment| segment.text.chars().next_back());
        let first = next.segments.first().and_then(|segment| segment.text.chars().next());
        let bullet = |c: char| matches!(c, '\u{2022}' | '\u{25aa}' | '\u{25cf}' | '\u{2013}' | '\u{25e6}');
        let within = |c: char| (c.is_alphabetic() && !c.is_uppercase()) || bullet(c);
        let open = matches!(last, Some('-' | ',' | '\u{2010}' | '\u{ad}'));
        going_on += usize::from(open || first.is_some_and(within));
    }
    going_on as f64 / lines.len().saturating_sub(1).max(1) as f64
}

/// The segments as lines, with an empty line between paragraphs.
pub(super) fn write(segments: &[&Segment]) -> Written {
    let lines = lines(segments);
    let leading = leading(&lines);
    let mut out = Written::default();
    let mut last: Option<&Line<'_>> = None;
    for line in &lines {
        let separator = last.map_or("", |last| if breaks(last, line, leading) { "\n\n" } else { "\n" });
        out.push(separator, &line.text(), &line.segments);
        last = Some(line);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(text: &str, x0: f64, baseline: f64, size: f64) -> Segment {
        let x1 = x0 + text.len() as f64 * size * 0.5;
        Segment { text: text.to_owned(), x0, x1, baseline, size, ..Segment::default() }
    }

    fn written(segments: &[Segment]) -> String {
        write(&segments.iter().collect::<Vec<_>>()).text
    }

    #[test]
    fn rows_join_and_paragraphs_are_separated() {
        let page = [
            segment("12 %", 200.0, 100.2, 10.0),
            segment("Oat drinks", 10.0, 100.0, 10.0),
            segment("Rice drinks", 10.0, 112.0, 10.0),
            segment("A new paragraph.", 10.0, 140.0, 10.0),
        ];
        assert_eq!(written(&page), "Oat drinks 12 %\nRice drinks\n\nA new paragraph.");
    }

    #[test]
    fn superscripts_join_words_and_side_notes_do_not() {
        let script = [segment("growth", 10.0, 100.0, 10.0), segment("4", 40.5, 96.0, 6.0)];
        assert_eq!(written(&script), "growth4");
        let figure = [
            segment("42%", 10.0, 100.0, 40.0),
            segment("of shoppers", 80.0, 88.0, 9.0),
            segment("read labels", 80.0, 99.0, 9.0),
        ];
        let text = written(&figure);
        assert!(text.contains("of shoppers") && text.contains("read labels"), "{text}");
    }

    #[test]
    fn wide_leading_is_no_paragraph_break() {
        let page: Vec<Segment> =
            (0..5).map(|row| segment("even lines", 10.0, 20.0 * f64::from(row), 10.0)).collect();
        assert_eq!(written(&page).matches("\n\n").count(), 0);
    }
}
