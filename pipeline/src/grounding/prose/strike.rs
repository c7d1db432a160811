//! Strikes spans of a text.

use std::ops::Range;

/// The mark that stands where words were struck, as in a quotation that was shortened.
const STRUCK: &str = "[…]";

/// A span to strike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Struck {
    pub(super) range: Range<usize>,
    /// Whether a mark shows that something stood there. A reference in brackets needs none.
    pub(super) is_marked: bool,
}

/// The text without the spans, which are in order and do not overlap.
pub(super) fn without(text: &str, spans: &[Struck]) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut at = 0;
    for Struck { range, is_marked } in spans {
        kept.push_str(text.get(at..range.start).unwrap_or_default());
        if *is_marked {
            kept.push_str(STRUCK);
        } else if kept.ends_with(' ') {
            kept.pop();
        }
        at = range.end;
    }
    kept.push_str(text.get(at..).unwrap_or_default());
    kept.trim().to_owned()
}
