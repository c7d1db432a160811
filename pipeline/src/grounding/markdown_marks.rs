//! The marks of Markdown in a quote that was copied from Markdown.

/// The quote without the marks of headings, list items and emphasis, if it has any. The borders of tables need no
/// care: comparison takes them for white space.
pub(super) fn unmarked(quote: &str) -> Option<String> {
    let mut plain = String::with_capacity(quote.len());
    for (at, line) in quote.split('\n').enumerate() {
        if at > 0 {
            plain.push('\n');
        }
        plain.push_str(without_marker(line.trim_start()));
    }
    for mark in ["**", "__", "`"] {
        plain = plain.replace(mark, "");
    }
    // A rule between a table's head and its rows.
    let is_rule = |line: &&str| {
        !line.is_empty() && line.contains("--") && line.chars().all(|c| matches!(c, '|' | '-' | ':' | ' '))
    };
    if plain.lines().any(|line| is_rule(&line)) {
        plain = plain.lines().filter(|line| !is_rule(line)).collect::<Vec<_>>().join("\n");
    }
    (plain.trim() != quote.trim()).then_some(plain)
}

fn without_marker(line: &str) -> &str {
    let line = line.strip_prefix("> ").unwrap_or(line);
    let hashes = line.len() - line.trim_start_matches('#').len();
    if (1..=6).contains(&hashes) {
        return line.trim_start_matches('#').trim_start();
    }
    ["- ", "* ", "+ "].iter().find_map(|marker| line.strip_prefix(marker)).unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::unmarked;

    #[test]
    fn only_marks_are_removed() {
        assert_eq!(unmarked("## Head\n- **one** item").as_deref(), Some("Head\none item"));
        assert_eq!(
            unmarked("| a | b |\n| --- | --- |\n| 1 | -2 |").as_deref(),
            Some("| a | b |\n| 1 | -2 |")
        );
        assert_eq!(unmarked("A plain -5 % sentence, #1."), None);
    }
}
