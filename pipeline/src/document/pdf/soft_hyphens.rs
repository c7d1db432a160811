//! Soft hyphens at the ends of lines: the word goes on in the next line.

use crate::document::raw::RawPage;

const SOFT_HYPHEN: char = '\u{ad}';

/// Joins lines at soft hyphens. The marks follow their lines.
pub(super) fn join(page: &mut RawPage) {
    if !page.text.contains(SOFT_HYPHEN) {
        return;
    }
    // The hyphen may stand a little apart from its word.
    page.text = page.text.replace(" \u{ad}", "\u{ad}");
    let mut text = String::with_capacity(page.text.len());
    let mut new_line = 0;
    let mut new_lines = Vec::new();
    for line in page.text.split('\n') {
        let joins = text.trim_end_matches(' ').ends_with(SOFT_HYPHEN) && !line.trim().is_empty();
        if joins {
            text.truncate(text.trim_end_matches(' ').len());
            text.push_str(line.trim_start_matches(' '));
        } else {
            if !new_lines.is_empty() {
                text.push('\n');
                new_line += 1;
            }
            text.push_str(line);
        }
        new_lines.push(new_line);
    }
    page.text = text;
    let mut last = None;
    page.marks.retain_mut(|mark| {
        mark.line = new_lines.get(mark.line).copied().unwrap_or(mark.line);
        last.replace(mark.line) != Some(mark.line)
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{LineMark, LineRole};

    #[test]
    fn words_go_on_after_soft_hyphens() {
        let mut page = RawPage::new("a\nrefill \u{ad}\nable one\nend\u{ad}\n\nb".to_owned());
        page.marks = [1, 2, 3].map(|line| LineMark { line, role: LineRole::Text, area: None }).to_vec();
        join(&mut page);
        assert_eq!(page.text, "a\nrefill\u{ad}able one\nend\u{ad}\n\nb");
        assert_eq!(page.marks.iter().map(|mark| mark.line).collect::<Vec<_>>(), [1, 2]);
    }
}
