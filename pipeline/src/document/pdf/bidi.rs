//! Right-to-left text: from the order in which a page shows its letters to the order in which they are read.
//!
//! A page may draw Hebrew or Arabic from right to left or from left to right, so the order of drawing says
//! nothing. The segments have the letters of a line in their order on the page, from left to right. This
//! module turns that order into the order of reading, with the levels of the Unicode bidirectional algorithm.

use unicode_bidi::{BidiClass, Level, ParagraphBidiInfo, bidi_class};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// The direction of the text in a piece of a line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Flow {
    /// It has no letter that is read from right to left.
    #[default]
    Left,
    /// It has such letters, on a page that is mostly read from left to right.
    Mixed,
    /// It has such letters, on a page that is mostly read from right to left.
    Right,
}

/// Whether the character is a letter of a script that is read from right to left.
pub(super) fn is_rtl(c: char) -> bool {
    matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefe}'
        | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
        && matches!(bidi_class(c), BidiClass::R | BidiClass::AL)
}

/// Whether the character is a mark above or below a letter of Hebrew or Arabic.
pub(super) fn is_rtl_mark(c: char) -> bool {
    matches!(c, '\u{590}'..='\u{8ff}') && is_combining_mark(c)
}

/// The number of letters that are read from the right, and from the left.
pub(super) fn letters(text: &str) -> (usize, usize) {
    text.chars().fold((0, 0), |(right, left), c| {
        if is_rtl(c) { (right + 1, left) } else { (right, left + usize::from(c.is_alphabetic())) }
    })
}

/// The text of one glyph as it stands in a text in visual order. A glyph that shows several letters, such as
/// an Arabic ligature, names them in the order of reading.
pub(super) fn push_visual(text: &str, out: &mut String) {
    if text.chars().nth(1).is_none() || !text.chars().any(is_rtl) {
        out.push_str(text);
        return;
    }
    for cluster in clusters(text).into_iter().rev() {
        out.push_str(cluster);
    }
}

/// The line in the order of reading. `visual` has its characters from left to right, as the page shows them;
/// marks follow their letters.
pub(super) fn logical(visual: &str, flow: Flow) -> String {
    if flow == Flow::Left {
        return visual.to_owned();
    }
    // On a page, a mark of direction has done its work.
    let visual: String = visual.chars().filter(|c| !is_direction(*c)).collect();
    let visual = visual.as_str();
    let (right, left) = letters(visual);
    // On a page in Hebrew, a line with many Latin names is still a line in Hebrew.
    let from_right = right >= left || (flow == Flow::Right && right * 4 >= left);
    let mirrored = reordered(visual, from_right, true);
    // Some programs name brackets by their shape, others by their meaning. Brackets come in pairs.
    let text = if unpaired(&mirrored) == 0 {
        mirrored
    } else {
        let kept = reordered(visual, from_right, false);
        if unpaired(&kept) < unpaired(&mirrored) { kept } else { mirrored }
    };
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        push_plain(c, &mut out);
        out
    })
}

/// Puts the clusters of a line in the order of reading.
fn reordered(visual: &str, from_right: bool, mirrors: bool) -> String {
    let mut clusters = clusters(visual);
    let mut signs = if from_right { signs(&clusters) } else { Vec::new() };
    if from_right {
        clusters.reverse();
        signs.reverse();
    }
    // Each cluster counts by its first character: marks go with their letters.
    let key: String = clusters
        .iter()
        .filter_map(|cluster| cluster.chars().next())
        .zip(signs.into_iter().chain(std::iter::repeat(false)))
        .map(|(c, is_sign)| match c {
            // A sign goes with its figure, like a further digit.
            _ if is_sign => '0',
            c if from_right && mirrors => mirror(c),
            c => c,
        })
        .collect();
    let base = if from_right { Level::rtl() } else { Level::ltr() };
    let info = ParagraphBidiInfo::new(&key, Some(base));
    let levels: Vec<u8> = key
        .char_indices()
        .map(|(at, _)| info.levels.get(at).map_or(base.number(), |level| level.number()))
        .collect();
    // The clusters of a line from the right are reversed already. Its deeper levels are left to turn.
    let turns: Vec<Level> =
        levels.iter().map(|level| Level::new(level.saturating_sub(base.number())).unwrap_or(base)).collect();
    let mut out = String::with_capacity(visual.len());
    for at in ParagraphBidiInfo::reorder_visual(&turns) {
        let (Some(cluster), Some(level)) = (clusters.get(at), levels.get(at)) else { continue };
        let mut characters = cluster.chars();
        if let Some(first) = characters.next() {
            out.push(if mirrors && level % 2 == 1 { mirror(first) } else { first });
        }
        out.push_str(characters.as_str());
    }
    out
}

/// Which clusters, in visual order, are the sign of the figure to their right. The algorithm would move a sign that stands
/// to the left of its figure behind it, and no mark of direction says on a page that it was put there on purpose.
fn signs(clusters: &[&str]) -> Vec<bool> {
    let is_space = |at: Option<usize>| {
        at.and_then(|at| clusters.get(at)).is_none_or(|before| before.chars().all(char::is_whitespace))
    };
    let is_figure =
        |at: usize| clusters.get(at).and_then(|next| next.chars().next()).is_some_and(|c| c.is_ascii_digit());
    let signs = clusters.iter().enumerate().map(|(at, cluster)| {
        matches!(*cluster, "+" | "-" | "\u{2212}" | "\u{b1}")
            && is_space(at.checked_sub(1))
            && is_figure(at + 1)
    });
    signs.collect()
}

/// Characters with the marks that follow them.
fn clusters(text: &str) -> Vec<&str> {
    let mut clusters = Vec::with_capacity(text.len());
    let mut start = 0;
    for (at, c) in text.char_indices().skip(1) {
        if !is_combining_mark(c) {
            clusters.extend(text.get(start..at));
            start = at;
        }
    }
    clusters.extend(text.get(start..).filter(|last| !last.is_empty()));
    clusters
}

/// The bracket that looks like this one in a mirror.
fn mirror(c: char) -> char {
    const PAIRS: [(char, char); 7] = [
        ('(', ')'),
        ('[', ']'),
        ('{', '}'),
        ('<', '>'),
        ('\u{ab}', '\u{bb}'),
        ('\u{2039}', '\u{203a}'),
        ('\u{2264}', '\u{2265}'),
    ];
    PAIRS
        .iter()
        .find_map(|(open, close)| match c {
            c if c == *open => Some(*close),
            c if c == *close => Some(*open),
            _ => None,
        })
        .unwrap_or(c)
}

/// How many brackets lack their partner.
fn unpaired(text: &str) -> usize {
    let mut open: Vec<char> = Vec::new();
    let mut alone = 0;
    for c in text.chars() {
        match c {
            '(' | '[' | '{' => open.push(c),
            ')' | ']' | '}' if open.pop() != Some(mirror(c)) => alone += 1,
            _ => {}
        }
    }
    alone + open.len()
}

/// Appends a character in the form in which it is typed: the forms that a letter takes within a word are the
/// letter.
fn push_plain(c: char, out: &mut String) {
    match c {
        '\u{fb1d}'..='\u{fb4f}' | '\u{fb50}'..='\u{fdff}' | '\u{fe70}'..='\u{fefe}' => {
            // A mark that stands alone decomposes to a blank and the mark.
            out.extend(std::iter::once(c).nfkc().filter(|c| *c != ' '));
        }
        c => out.push(c),
    }
}

/// Whether a character only says in which direction its neighbours are read.
const fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The order on the page, as the algorithm itself lays the text out, with brackets drawn by their shape.
    fn shown(text: &str, base: Level) -> String {
        let info = ParagraphBidiInfo::new(text, Some(base));
        let levels: Vec<Level> = text.char_indices().map(|(at, _)| info.levels[at]).collect();
        let chars: Vec<char> = text.chars().collect();
        ParagraphBidiInfo::reorder_visual(&levels)
            .into_iter()
            .map(|at| if levels[at].is_rtl() { mirror(chars[at]) } else { chars[at] })
            .collect()
    }

    #[test]
    fn lines_from_the_right_come_back() {
        for text in [
            "שלום עולם טוב",
            "בשנת 2024 עלה המחיר ב-12.5% לעומת 2023",
            "חברת Google Cloud (ישראל) הודיעה",
            "מחיר: 1,234.50 ש\"ח (כולל מע\"מ)",
            "تقرير السوق (2024) عن شركة Microsoft",
            "ارتفعت المبيعات ١٢٫٥٪ في ٢٠٢٤",
        ] {
            assert_eq!(logical(&shown(text, Level::rtl()), Flow::Right), text);
        }
    }

    #[test]
    fn signs_stay_before_their_figures() {
        assert_eq!(logical("\u{200e}+972-50-123 :ופלט", Flow::Right), "טלפו: +972-50-123");
        assert_eq!(logical("היה -7.5% בוט", Flow::Right), "טוב -7.5% היה");
    }

    #[test]
    fn words_from_the_right_come_back() {
        let text = "The word שלום עולם means peace";
        assert_eq!(logical(&shown(text, Level::ltr()), Flow::Mixed), text);
    }

    #[test]
    fn brackets_pair_however_they_are_named() {
        assert_eq!(logical("(םולש) בוט", Flow::Right), "טוב (שלום)");
        assert_eq!(logical(")םולש( בוט", Flow::Right), "טוב (שלום)");
    }

    #[test]
    fn forms_of_letters_become_letters() {
        assert_eq!(
            logical("\u{feda}\u{fe91} \u{fe8e}\u{fe92}\u{fea3}\u{feae}\u{fee3}", Flow::Right),
            "مرحبا بك"
        );
        let mut visual = String::new();
        push_visual("لا", &mut visual);
        assert_eq!(logical(&visual, Flow::Right), "لا");
        assert_eq!(logical("\u{fefb}", Flow::Right), "لا");
    }

    #[test]
    fn marks_stay_behind_their_letters() {
        assert_eq!(logical("ם\u{5b8}ל\u{5b9}", Flow::Right), "ל\u{5b9}ם\u{5b8}");
    }
}
