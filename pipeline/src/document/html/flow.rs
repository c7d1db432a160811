//! Running text: its line ends are blanks.

use crate::document::superscript::after_digit;

/// Ends a superscript that began at this byte of the block.
pub(super) fn raise(block: &mut String, start: Option<usize>) {
    let raised = start
        .and_then(|start| block.split_at_checked(start))
        .and_then(|(before, raised)| after_digit(before, raised));
    if let (Some(raised), Some(start)) = (raised, start) {
        block.truncate(start);
        block.push_str(&raised);
    }
}

/// Adds text to a block. Blanks of any number and kind become one.
pub(super) fn flow(block: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            // A word may break there, and does not.
            '\u{ad}' => {}
            c if !c.is_whitespace() || c == '\u{a0}' => block.push(c),
            _ if block.is_empty() || block.ends_with([' ', '\n']) => {}
            _ => block.push(' '),
        }
    }
}
