//! The alignment of a quote with a stretch of the document, within a number of edits.

pub(super) struct Alignment {
    pub(super) edits: usize,
    /// In characters of the window.
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Sellers' approximate search, in a band around the diagonal of a piece of the quote. At most `edits_max`
/// insertions or deletions can lie between that piece and either end.
pub(super) fn align(
    quote: &[char],
    text: &[char],
    hit: usize,
    offset: usize,
    edits_max: usize,
) -> Option<Alignment> {
    const NEVER: usize = usize::MAX / 2;
    let width = 2 * edits_max + 1;
    // The column (characters of `text` used up) of row `row` and band position `band`.
    let column = |row: usize, band: usize| (hit + row + band).checked_sub(offset + edits_max);
    let mut costs: Vec<(usize, usize)> = (0..width)
        .map(|band| match column(0, band) {
            Some(at) if at <= text.len() => (0, at),
            _ => (NEVER, 0),
        })
        .collect();
    for (row, wanted) in quote.iter().enumerate() {
        let row = row + 1;
        let mut left = (NEVER, 0);
        let mut best = NEVER;
        let mut next = Vec::with_capacity(width);
        for band in 0..width {
            let cell = match column(row, band) {
                Some(at) if at <= text.len() => {
                    let above = |band: usize| costs.get(band).copied().unwrap_or((NEVER, 0));
                    let mut cell = (NEVER, 0);
                    if let Some(c) = at.checked_sub(1).and_then(|before| text.get(before)) {
                        let (cost, start) = above(band);
                        cell = (cost + usize::from(!c.eq_ignore_ascii_case(wanted)), start);
                    }
                    let (cost, start) = above(band + 1);
                    if cost + 1 < cell.0 {
                        cell = (cost + 1, start);
                    }
                    if left.0 + 1 < cell.0 {
                        cell = (left.0 + 1, left.1);
                    }
                    cell
                }
                _ => (NEVER, 0),
            };
            best = best.min(cell.0);
            left = cell;
            next.push(cell);
        }
        if best > edits_max {
            return None;
        }
        costs = next;
    }
    costs
        .iter()
        .enumerate()
        .filter(|(_, (cost, _))| *cost <= edits_max)
        .filter_map(|(band, (edits, start))| {
            Some(Alignment { edits: *edits, start: *start, end: column(quote.len(), band)? })
        })
        .filter(|found| found.end > found.start)
        .min_by_key(|found| (found.edits, (found.end - found.start).abs_diff(quote.len()), found.end))
}
