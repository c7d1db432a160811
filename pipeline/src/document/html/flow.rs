//! Running text: its line ends are blanks.

use crate::document::superscript::superscript;

/// Ends a superscript that began at this byte of the block.
pub(super) fn raise(block: &mut String, start: Option<usize>) {
    let Some(start) = start else { return };
    let raised = block.get(start..).and_then(|text| superscript(text.trim()));
    if let Some(raised) = raised.filter(|raised| !raised.is_empty()) {
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
