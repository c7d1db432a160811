//! Ids in prose: `(E3)`, `(I1, T2)`.
//!
//! Ids of evidence are given when the report is made, so no analyst can know one. Food has E numbers, too: an id
//! that the document or the profile holds is a word of theirs.

use std::ops::Range;

use super::{
    sources::Sources,
    strike::{Struck, without},
};

/// Strikes ids that lead nowhere, and counts them.
pub(super) fn strike(text: &mut String, sources: &mut Sources<'_>) -> u32 {
    let mut struck: Vec<Struck> = Vec::new();
    let mut count = 0;
    let mut at = 0;
    while let Some(id) = next(text, at) {
        at = id.end;
        if let Some((group, ids)) = group(text, &id) {
            at = group.end;
            let missing = ids.iter().filter(|id| !is_known(text, id, sources)).count();
            if missing > 0 {
                count += u32::try_from(missing).unwrap_or(u32::MAX);
                struck.extend(of_group(text, group, &ids, sources));
            }
            continue;
        }
        let is_evidence = text.get(id.clone()).is_some_and(|id| id.starts_with('E'));
        if is_evidence && !is_known(text, &id, sources) {
            count += 1;
            struck.push(Struck { range: id, is_marked: true });
        }
    }
    if !struck.is_empty() {
        *text = without(text, &struck);
    }
    count
}

fn is_known(text: &str, id: &Range<usize>, sources: &mut Sources<'_>) -> bool {
    let id = text.get(id.clone()).unwrap_or_default();
    sources.has_id(id) || sources.hold(id, "")
}

/// The spans to strike of a bracketed group: all of it, or the missing ids with the commas before or after them.
fn of_group(text: &str, group: Range<usize>, ids: &[Range<usize>], sources: &mut Sources<'_>) -> Vec<Struck> {
    let known: Vec<bool> = ids.iter().map(|id| is_known(text, id, sources)).collect();
    if known.iter().all(|is_known| !is_known) {
        return vec![Struck { range: group, is_marked: false }];
    }
    let mut spans: Vec<Struck> = Vec::new();
    for (at, id) in ids.iter().enumerate().filter(|(at, _)| known.get(*at) == Some(&false)) {
        let start = if at == 0 { id.start } else { ids.get(at - 1).map_or(id.start, |before| before.end) };
        let end = if at == 0 { ids.get(1).map_or(id.end, |after| after.start) } else { id.end };
        let start = spans.last().map_or(start, |last: &Struck| start.max(last.range.end));
        spans.push(Struck { range: start..end.max(start), is_marked: false });
    }
    spans
}

/// The next id from `at` on: a letter of an item or of evidence, and one or two digits.
fn next(text: &str, at: usize) -> Option<Range<usize>> {
    let mut before = text.get(..at)?.chars().next_back();
    for (offset, c) in text.get(at..)?.char_indices() {
        let start = at + offset;
        if matches!(c, 'E' | 'I' | 'T' | 'L' | 'O')
            && !before.is_some_and(|c| c.is_alphanumeric() || c == '-')
        {
            let rest = text.get(start + 1..).unwrap_or_default();
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let after = rest.get(digits..).and_then(|rest| rest.chars().next());
            if (1..=2).contains(&digits) && !after.is_some_and(|c| c.is_alphanumeric() || c == '-') {
                return Some(start..start + 1 + digits);
            }
        }
        before = Some(c);
    }
    None
}

/// The brackets that hold the id and nothing but ids, with all of them.
fn group(text: &str, first: &Range<usize>) -> Option<(Range<usize>, Vec<Range<usize>>)> {
    let before = text.get(..first.start)?;
    let opening = before.strip_suffix(['(', '['])?;
    let mut ids = vec![first.clone()];
    loop {
        let end = ids.last()?.end;
        let rest = text.get(end..)?;
        if rest.starts_with([')', ']']) {
            return Some((opening.len()..end + 1, ids));
        }
        let id = next(text, end)?;
        let between = text.get(end..id.start)?;
        if !matches!(between.trim(), "," | ";" | "and" | "&" | "/" | "" | "–" | "-") {
            return None;
        }
        ids.push(id);
    }
}
