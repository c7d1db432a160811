//! Small letters that a page draws after their line, such as the `st` of `1st`: they go where the line left
//! room.

use super::segment::{Hole, Segment};

/// The most small pieces that are tried on a page. A page with more is a drawing.
const SCRIPTS_MAX: usize = 200;
const SCRIPT_CHARS_MAX: usize = 4;
/// A script is smaller than its line by at least this factor.
const SMALLER: f64 = 0.8;

/// Puts small pieces into the gaps that their lines left for them.
pub(super) fn join(segments: &mut Vec<Segment>) {
    let has_hole = segments.iter().any(|segment| !segment.holes.is_empty());
    let largest = segments.iter().map(|segment| segment.size).fold(0.0, f64::max);
    let may_be_script = |segment: &Segment| {
        segment.size < SMALLER * largest && segment.text.chars().nth(SCRIPT_CHARS_MAX).is_none()
    };
    let scripts: Vec<usize> = segments
        .iter()
        .enumerate()
        .filter(|(_, segment)| has_hole && may_be_script(segment))
        .map(|(index, _)| index)
        .take(SCRIPTS_MAX + 1)
        .collect();
    if scripts.is_empty() || scripts.len() > SCRIPTS_MAX {
        return;
    }
    let mut joined = Vec::new();
    for index in scripts {
        let Some(script) = segments.get(index).cloned() else { continue };
        if segments.iter_mut().any(|line| insert(line, &script)) {
            joined.push(index);
        }
    }
    for index in joined.into_iter().rev() {
        segments.remove(index);
    }
}

/// Inserts the script into the line, if the line has a gap at its place.
fn insert(line: &mut Segment, script: &Segment) -> bool {
    let lift = (line.baseline - script.baseline).abs();
    if script.size >= SMALLER * line.size || lift > 0.6 * line.size || lift < 0.05 * line.size {
        return false;
    }
    let slack = 0.12 * line.size;
    let fits = |hole: &Hole| script.x0 > hole.x0 - slack && script.x1 < hole.x1 + slack;
    let Some(found) = line.holes.iter().position(fits) else { return false };
    let hole = line.holes.remove(found);
    if !line.text.is_char_boundary(hole.at) {
        return false;
    }
    let (begins_word, ends_word) = (script.x0 - hole.x0 > slack, hole.x1 - script.x1 > slack);
    let mut text = String::with_capacity(script.text.len() + 2);
    if begins_word {
        text.push(' ');
    }
    text.push_str(&script.text);
    if ends_word && !hole.is_blank {
        text.push(' ');
    }
    if hole.is_blank && !ends_word {
        // The gap was the script's own.
        line.text.remove(hole.at);
    }
    let change = text.len() as isize - isize::from(hole.is_blank && !ends_word);
    line.text.insert_str(hole.at, &text);
    for later in line.holes.iter_mut().filter(|later| later.at > hole.at) {
        later.at = later.at.saturating_add_signed(change);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_ordinals_go_into_their_line() {
        let hole = |x0, x1, at| Hole { x0, x1, at, is_blank: true };
        let line = Segment {
            text: "On the 1 of May the 22 panel".to_owned(),
            x1: 150.0,
            baseline: 100.0,
            size: 12.0,
            holes: vec![hole(45.0, 55.0, 8), hole(120.0, 130.0, 22)],
            ..Segment::default()
        };
        let script = |text: &str, x0: f64| Segment {
            text: text.to_owned(),
            x0,
            x1: x0 + 6.0,
            baseline: 95.0,
            size: 7.0,
            ..Segment::default()
        };
        let mut segments = vec![line, script("st", 45.0), script("nd", 120.0)];
        join(&mut segments);
        assert_eq!(segments.len(), 1);
        assert_eq!(segments[0].text, "On the 1st of May the 22nd panel");
    }
}
