//! Drop caps: the large first letter of a chapter, which hangs over several lines.

use super::segment::Segment;

/// The most large letters that are tried on a page. A page with more is a picture book or a puzzle.
const CAPS_MAX: usize = 16;
/// A drop cap is larger than the text by at least this factor.
const LARGER: f64 = 1.8;

/// Joins each drop cap to the first line of its text.
pub(super) fn join(segments: &mut Vec<Segment>) {
    let caps: Vec<usize> = segments
        .iter()
        .enumerate()
        .filter(|(_, segment)| is_cap(segment))
        .map(|(index, _)| index)
        .take(CAPS_MAX + 1)
        .collect();
    if caps.len() > CAPS_MAX {
        return;
    }
    let mut joined = Vec::new();
    for index in caps {
        let Some(cap) = segments.get(index).cloned() else { continue };
        let first_line = segments
            .iter_mut()
            .filter(|text| begins_beside(text, &cap))
            .min_by(|a, b| a.baseline.total_cmp(&b.baseline));
        if let Some(text) = first_line {
            text.text.insert_str(0, &cap.text);
            joined.push(index);
        }
    }
    for index in joined.into_iter().rev() {
        segments.remove(index);
    }
}

fn is_cap(segment: &Segment) -> bool {
    let mut characters = segment.text.chars();
    characters.next().is_some_and(char::is_uppercase) && characters.next().is_none()
}

/// Whether the text begins right of the cap, with its first line at the cap's upper edge and words to go on.
fn begins_beside(text: &Segment, cap: &Segment) -> bool {
    let gap = text.x0 - cap.x1;
    text.size * LARGER < cap.size
        && (-0.3 * text.size..text.size).contains(&gap)
        // Capital letters are about 0.7 of the size high, in both sizes.
        && ((cap.baseline - 0.7 * cap.size) - (text.baseline - 0.7 * text.size)).abs() < 0.6 * text.size
        && text.baseline < cap.baseline - 0.6 * text.size
        && text.text.len() > 8
        && text.text.chars().next().is_some_and(char::is_alphabetic)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(text: &str, x0: f64, baseline: f64, size: f64) -> Segment {
        let x1 = x0 + 0.5 * size * text.len() as f64;
        Segment { text: text.to_owned(), x0, x1, baseline, size, ..Segment::default() }
    }

    #[test]
    fn drop_caps_join_their_word() {
        let mut segments = vec![
            segment("T", 50.0, 124.0, 36.0),
            segment("he first line of the chapter", 70.0, 105.0, 10.0),
            segment("and the second line of it", 70.0, 117.0, 10.0),
        ];
        join(&mut segments);
        assert_eq!(segments.len(), 2);
        assert_eq!(segments[0].text, "The first line of the chapter");
    }

    #[test]
    fn large_letters_on_a_line_stay() {
        let mut segments =
            vec![segment("A", 50.0, 100.0, 30.0), segment("grade for the whole range", 70.0, 100.0, 10.0)];
        join(&mut segments);
        assert_eq!(segments.len(), 2);
    }
}
