//! Words whose letters stand so far apart that each letter is a segment.

use super::segment::Segment;

/// Fewer letters could be cells.
const LETTERS_MIN: usize = 3;
/// The widest gap between the letters of a word, as a share of the size.
const GAP_MAX: f64 = 2.0;
/// A gap wider than the letters' own by this factor separates words.
const WORD_FACTOR: f64 = 1.5;

/// Joins the letters of spaced words. One instruction draws them all; cells are drawn one by one.
pub(super) fn join(segments: &mut Vec<Segment>) {
    if !segments.iter().any(|segment| !segment.starts_run && is_letter(segment)) {
        return;
    }
    let mut joined: Vec<Segment> = Vec::with_capacity(segments.len());
    let all = std::mem::take(segments);
    for run in all.chunk_by(follows) {
        match word(run) {
            Some(word) => joined.push(word),
            None => joined.extend_from_slice(run),
        }
    }
    *segments = joined;
}

fn is_letter(segment: &Segment) -> bool {
    let mut characters = segment.text.chars();
    characters.next().is_some_and(char::is_alphabetic) && characters.next().is_none()
}

fn follows(one: &Segment, next: &Segment) -> bool {
    let gap = next.x0 - one.x1;
    !next.starts_run
        && is_letter(one)
        && is_letter(next)
        && (one.baseline - next.baseline).abs() < 0.1 * one.size
        && (0.0..2.0 * GAP_MAX * one.size).contains(&gap)
}

fn word(letters: &[Segment]) -> Option<Segment> {
    let (first, rest) = letters.split_first()?;
    let last = letters.last()?;
    if letters.len() < LETTERS_MIN {
        return None;
    }
    let mut gaps: Vec<f64> = letters.windows(2).filter_map(gap).collect();
    gaps.sort_by(f64::total_cmp);
    let usual = *gaps.get(gaps.len() / 3)?;
    if usual > GAP_MAX * first.size {
        return None;
    }
    let mut word = first.clone();
    let mut end = first.x1;
    for letter in rest {
        if letter.x0 - end > WORD_FACTOR * usual {
            word.text.push(' ');
        }
        word.text.push_str(&letter.text);
        end = letter.x1;
    }
    (word.x1, word.blank_after) = (last.x1, last.blank_after);
    Some(word)
}

fn gap(pair: &[Segment]) -> Option<f64> {
    match pair {
        [one, next] => Some(next.x0 - one.x1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letters(text: &str, starts_run: bool) -> Vec<Segment> {
        let mut x = 0.0;
        let mut segments = Vec::new();
        for c in text.chars() {
            if c != ' ' {
                let text = c.to_string();
                let starts_run = starts_run || segments.is_empty();
                segments.push(Segment {
                    text,
                    x0: x,
                    x1: x + 6.0,
                    size: 10.0,
                    starts_run,
                    ..Segment::default()
                });
            }
            x += 16.0;
        }
        segments
    }

    #[test]
    fn letters_of_one_run_make_words() {
        let mut segments = letters("NEW TRENDS", false);
        join(&mut segments);
        assert_eq!(segments.iter().map(|it| it.text.as_str()).collect::<Vec<_>>(), ["NEW TRENDS"]);
    }

    #[test]
    fn letters_of_many_runs_stay() {
        let mut segments = letters("JFMAMJ", true);
        join(&mut segments);
        assert_eq!(segments.len(), 6);
    }
}
